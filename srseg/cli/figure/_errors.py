"""``srseg figure errors``."""

from typing import Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    VoxelSizeOption,
    quantity,
)
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read, parse_box
from srseg.cli.figure._inputs import Where, add_labels, add_maps, open_shown
from srseg.cli.figure._options import (
    BoxOption,
    DpiOption,
    GridOption,
    LabelsOption,
    OutOption,
    OverwriteOption,
    SampleArgument,
    ScanOption,
    SliceOption,
    TitleOption,
    WidthOption,
    check_place,
    finish,
)

EXAMPLE = (
    "Example: srseg figure errors V1 --labels WF --labels srseg-wf/soft9 --against HQ --slice "
    "rc:500 --out errors.png"
)


def errors(
    out: OutOption,
    sample: SampleArgument = None,
    scan: ScanOption = None,
    labels: LabelsOption = None,
    against: Annotated[
        str, typer.Option(metavar="SET", help="The label set that counts as truth.")
    ] = "HQ",
    disagreement: Annotated[
        bool, typer.Option("--disagreement/--no-disagreement", help="Show the entropy that was "
                           "saved with a prediction beside it.")
    ] = True,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=FILE", show_default=False,
                     help="Numbers from 0 to 1 to stand beside, from a file; repeat it for more."),
    ] = None,
    slices: SliceOption = None,
    boxes: BoxOption = None,
    grid: GridOption = "scan",
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
    """Show where label sets are wrong, and which class is taken for which.

    Above each stands how many of the pixels of these slices are wrong. What is unlabelled is not
    judged.
    """
    inches = check_place(out, width, overwrite=overwrite)
    regions = [box for box in (parse_box(text, "--box") for text in boxes or []) if box]
    reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
    where = Where(sample, scan, dataset, reading, quantity(voxel_size, "um", "--voxel-size"))
    shown = open_shown(where)
    named = [text.partition("=")[0].strip() for text in labels or []]
    if labels and against not in named and shown.sample is not None:
        labels = [against, *labels]
    add_labels(shown, where, labels)
    add_maps(shown, where, maps, disagreement=disagreement)
    from srseg.reports import errors_figure

    figure = errors_figure(
        shown.scan,
        shown.labels,
        truth=against,
        maps=shown.maps,
        slices=slices or ("rc", "cp"),
        boxes=regions,
        grid=shown.grid(grid),
        width=inches,
        title=title,
    )
    finish(figure, out, dpi, as_json=as_json, **shown.facts(), truth=against,
           labels=list(shown.labels), maps=list(shown.maps))  # fmt: skip
