"""``srseg figure probabilities``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    VoxelSizeOption,
    quantity,
)
from srseg.cli._output import note
from srseg.cli._prediction_settings import (
    RUNTIMES,
    PredictionSettings,
    model_in,
    parse_choice,
    planes_of,
)
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read, parse_box
from srseg.cli.figure._inputs import Where, as_sample, open_shown
from srseg.cli.figure._options import (
    DpiOption,
    OutOption,
    OverwriteOption,
    SampleArgument,
    ScanOption,
    TitleOption,
    WidthOption,
    check_place,
    finish,
)

if TYPE_CHECKING:
    from srseg.reports import PlanewiseCut

EXAMPLE = (
    "Example: srseg figure probabilities wf.srseg V1 --class bone --slice rc:100 --out figure4.pdf"
)


def probabilities(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file.")],
    out: OutOption,
    sample: SampleArgument = None,
    scan: ScanOption = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="CLASS", show_default=False,
                     help="A class by name, abbreviation or value; repeat it for more (default: "
                     "the first after the background)."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="PLANE[:NUMBER|:SHARE%]", show_default=False,
                     help="A slice, in voxels of the model's grid: rc:120, cp:50%, pr; repeat it "
                     "for more (default: rc)."),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="BOX", show_default=False,
                     help="The part that is shown, in voxels of the model's grid: "
                     "z0:z1,y0:y1,x0:x1 (default: at most 384 x 384 in the middle)."),
    ] = None,
    planes: Annotated[
        str, typer.Option(help="The planes of the last column: 3, 9, or names such as rc,cp@45p.")
    ] = "9",
    context: Annotated[
        int | None,
        typer.Option(min=0, show_default=False,
                     help="How many voxels around the part are predicted with it (default: as far "
                     "as the network looks, at most 64)."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, … (default: the model's).",
                                               show_default=False)] = None,
    runtime: Annotated[
        str | None,
        typer.Option(metavar="|".join(RUNTIMES), help="What runs the network (default: the "
                     "model's).", show_default=False),
    ] = None,
    width: WidthOption = "180mm",
    dpi: DpiOption = 300,
    title: TitleOption = "",
    voxel_size: VoxelSizeOption = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    overwrite: OverwriteOption = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show the probability of a class by single planes and fused, as the paper's Fig. 4.

    Only a box around the slice is predicted. Single planes leave stripes, which fusing removes.
    """
    inches = check_place(out, width, overwrite=overwrite)
    parse_choice(runtime, RUNTIMES, "--runtime")
    region = parse_box(box, "--box")
    reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
    where = Where(sample, scan, dataset, reading, quantity(voxel_size, "um", "--voxel-size"))
    shown = open_shown(where)
    settings = PredictionSettings(model, planes, device=device, runtime=runtime)
    ensemble = settings.ensemble()
    segmenter = model_in(ensemble)
    if not planes_of(ensemble):
        raise typer.BadParameter(
            f"{model} labels blocks of the volume and has no planes to compare; show its labels "
            "with srseg figure slices, and its probabilities with srseg predict --save "
            "probabilities",
            param_hint="MODEL",
        )
    from srseg.reports import predict_planewise, probabilities_figure

    cuts = predict_planewise(
        segmenter,
        as_sample(shown),
        classes=classes or [segmenter.label_table_.foreground[0].name],
        slices=slices or ("rc",),
        box=region,
        planes=ensemble.planes_,
        context=context,
    )
    _note_what_is_left_out(cuts)
    figure = probabilities_figure(cuts, width=inches, title=title)
    finish(figure, out, dpi, as_json=as_json, **shown.facts(), model=str(model),
           slices=[_row(cut) for cut in cuts])  # fmt: skip


def _note_what_is_left_out(cuts: "list[PlanewiseCut]") -> None:
    for cut in cuts:
        sizes = [part.stop - part.start for part in cut.part]
        if (sizes[0], sizes[1]) != cut.cut.size:
            note(
                f"{cut.cut.name}: {sizes[0]} x {sizes[1]} pixels of {cut.cut.size[0]} x "
                f"{cut.cut.size[1]} are shown"
            )
    if not cuts[0].is_exact:
        reach = "whole slices" if cuts[0].reach is None else f"{cuts[0].reach} voxels around"
        note(
            f"the network looks at {reach} and was given {cuts[0].context} around what is shown; "
            "more with --context, which takes longer"
        )


def _row(cut: "PlanewiseCut") -> dict[str, Any]:
    """Tell in JSON what is shown of a slice, and how rough it is."""
    rough = cut.roughness()
    return {
        "slice": cut.cut.name,
        "rows": [cut.part[0].start, cut.part[0].stop],
        "columns": [cut.part[1].start, cut.part[1].stop],
        "exact": cut.is_exact,
        "roughness": [
            {
                "planes": planes,
                "class": name,
                "down": _number(rough[i, j, 0]),
                "right": _number(rough[i, j, 1]),
            }
            for i, planes in enumerate(cut.planes)
            for j, name in enumerate(cut.classes)
        ],
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
