"""``srseg predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    SelectOption,
    VoxelSizeOption,
    choose_samples,
    open_dataset,
    quantity,
)
from srseg.cli._output import say, say_json
from srseg.cli._prediction_job import SUFFIXES, PredictionJob
from srseg.cli._reading import (
    AxesOption,
    DtypeOption,
    FollowLinksOption,
    OffsetOption,
    OverrideVoxelSizeOption,
    ShapeOption,
    how_to_read,
    parse_box,
)

if TYPE_CHECKING:
    from srseg.estimators import MultiAxisEnsemble, VolumeSegmenter
    from srseg.io import Reading

EXAMPLE = (
    "Example: srseg predict wf.srseg A B --planes 9 --voting soft, or without a dataset: "
    "srseg predict wf.srseg scan.tif --voxel-size 5um --out labels.h5"
)


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file.")],
    scans: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAMPLE|FILE", show_default=False,
                       help="Samples of the dataset (default: all), or one scan file."),
    ] = None,
    planes: Annotated[
        str, typer.Option(help="1, 3 or 9 planes, or names such as rc,cp@45p.")
    ] = "3",
    voting: Annotated[
        str, typer.Option(help="soft (mean of probabilities) or hard (majority).")
    ] = "soft",
    out: Annotated[
        Path | None,
        typer.Option(help="The label file of a scan file (default: NAME_labels.h5 in the current "
                     "folder); for samples, the folder that --format files go to.",
                     show_default=False),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(SUFFIXES),
                     help="Write the labels in this format too (a scan file: instead)."),
    ] = None,
    grid: Annotated[
        Literal["model", "scan"],
        typer.Option(help="Where the labels lie: on voxels of the model's size, or on the scan's "
                     "own."),
    ] = "model",
    roi: Annotated[
        str | None,
        typer.Option(metavar="BOX", help="Label only this part, in voxels of the scan file: "
                     "z0:z1,y0:y1,x0:x1. Grey values are normalised as those of the whole.",
                     show_default=False),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    axes: AxesOption = "zyx",
    follow_links: FollowLinksOption = False,
    shape: ShapeOption = None,
    dtype: DtypeOption = None,
    offset: OffsetOption = 0,
    find_field: Annotated[
        bool,
        typer.Option("--field/--no-field", help="Look in a scan file for the circle of the "
                     "reconstruction, outside of which nothing counts; samples know theirs."),
    ] = True,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, … (default: the model's).",
                                               show_default=False)] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16 (default: the "
                                                  "model's).", show_default=False)] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Predict again what is there already.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Label every voxel of samples or of a scan file."""
    if file_format is not None and file_format not in SUFFIXES:
        raise typer.BadParameter(
            f"{file_format!r} is not one of {', '.join(SUFFIXES)}", param_hint="--format"
        )
    from srseg.estimators import load_model

    segmenter = load_model(model)
    if device is not None:
        segmenter.set_params(device=device)
    if precision is not None:
        segmenter.set_params(precision=precision)
    ensemble = _ensemble(segmenter, planes, voting)
    box = parse_box(roi, "--roi")
    reading = how_to_read(
        dataset=dataset_path,
        axes=axes,
        follow_links=follow_links,
        shape=shape,
        dtype=dtype,
        offset=offset,
        voxel_size=override_voxel_size,
    )
    job = PredictionJob(model, ensemble, grid, file_format, out, overwrite, box)
    file = _scan_file(scans, dataset)
    named: dict[str, str] = {}
    if file is None:
        _refuse_options_of_files(voxel_size, reading, out, file_format)
        chosen = choose_samples(dataset, scans, select)
        chosen.table.require_same(segmenter.label_table_, where=str(model))
        for sample in chosen:
            job.check_sample(sample)
        done = job.predict_samples(chosen)
        named = {"dataset": str(chosen.path)}
    else:
        size = quantity(voxel_size, "um", "--voxel-size")
        done = [job.predict_file(file, size, reading, look_for_field=find_field)]
    if as_json:
        say_json({**named, "model": str(model), "planes": [p.name for p in job.ensemble.planes_],
                  "voting": voting, "predictions": done})  # fmt: skip
        return
    for row in done:
        file_text = f", {row['file']}" if "file" in row else ""
        say(f"{row['scan']}: {row['status']}, {row['labels']}{file_text}")
        for name, share in row.get("shares", {}).items():
            say(f"  {name}: {100 * share:.2f} % of the voxels")


def _ensemble(segmenter: "VolumeSegmenter", planes: str, voting: str) -> "MultiAxisEnsemble":
    from sklearn.frozen import FrozenEstimator

    from srseg.errors import SRSegError
    from srseg.estimators import MultiAxisEnsemble
    from srseg.planes import resolve_planes

    if voting not in ("soft", "hard"):
        raise typer.BadParameter(f"{voting!r} is not soft or hard", param_hint="--voting")
    try:
        chosen = resolve_planes(int(planes) if planes.isdecimal() else planes)
    except SRSegError as error:
        raise typer.BadParameter(f"{planes!r}: {error}", param_hint="--planes") from None
    frozen = FrozenEstimator(segmenter)
    ensemble = MultiAxisEnsemble(frozen, planes=chosen, voting=voting)  # type: ignore[arg-type]
    return ensemble.fit(None)


def _scan_file(scans: list[str] | None, dataset: Path | None) -> Path | None:
    """Give the scan file that was named, or None where samples were named."""
    from srseg.errors import ParameterError

    found = [Path(text) for text in scans or [] if _is_file(text, dataset)]
    if not found:
        return None
    if len(scans or []) > 1:
        raise ParameterError(
            f"{', '.join(scans or [])}: one scan file at a time; add several to a dataset with: "
            "srseg dataset add FILE"
        )
    return found[0]


def _is_file(text: str, dataset: Path | None) -> bool:
    from srseg.errors import SRSegError

    # a sample's name has letters and digits only, so a dot or a slash means a path
    if "." in text or "/" in text or not Path(text).exists():
        return "." in text or "/" in text
    try:
        return text not in open_dataset(dataset).names
    except SRSegError:
        return True


def _refuse_options_of_files(
    voxel_size: str | None, reading: "Reading", out: Path | None, file_format: str | None
) -> None:
    options = {
        "dataset": "--dataset-path", "voxel_size": "--override-voxel-size",
        "follow_links": "--follow-links",
    }  # fmt: skip
    given = [options.get(name, f"--{name}") for name in reading.to_dict()]
    for option in ["--voxel-size"] * (voxel_size is not None) + given:
        raise typer.BadParameter(
            "is for a scan file; samples of a dataset know theirs", param_hint=option
        )
    if out is not None and file_format is None:
        raise typer.BadParameter(
            "the labels of samples go into the dataset; --out is the folder for files in another "
            "--format, so name one",
            param_hint="--out",
        )
