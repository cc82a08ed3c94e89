"""``srseg predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from srseg.cli._output import counted, note, say, say_json
from srseg.cli._predict_samples import predict_samples
from srseg.cli._prediction_files import SUFFIXES
from srseg.cli._prediction_job import PredictionJob
from srseg.cli._prediction_settings import PredictionSettings, parse_choice, parse_part
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
from srseg.cli._root import FAILED

if TYPE_CHECKING:
    from srseg.io import Reading

EXAMPLE = (
    "Example: srseg predict wf.srseg A B --planes 9 --voting soft, or without a dataset: "
    "srseg predict wf.srseg scan.tif --voxel-size 5um --out labels.h5"
)


def predict(
    ctx: typer.Context,
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
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only every N-th of the samples, from the I-th: part I of "
                     "N that together are all of them, for the tasks of a job array.",
                     show_default=False),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let the workers of this Dask cluster label the "
                     "samples, one each at a time: tcp://node01:8786.", show_default=False),
    ] = None,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Label every voxel of samples or of a scan file.

    Samples that are done are left alone, and what fails does not stop the rest: the same command
    goes on where an earlier one ended, for whatever reason it did.

    Exit codes: 0 done; 1 something failed; 2 the command line is wrong; 75 stopped by SIGUSR1, to
    be started again; 130 Ctrl-C; 143 SIGTERM.
    """
    parse_choice(file_format, SUFFIXES, "--format")
    number, n_parts = parse_part(part)
    settings = PredictionSettings(
        model=model,
        planes=planes,
        voting=voting,
        grid=grid,
        roi=parse_box(roi, "--roi"),
        device=device,
        precision=precision,
        file_format=file_format,
        out=out,
        overwrite=overwrite,
    )
    reading = how_to_read(
        dataset=dataset_path,
        axes=axes,
        follow_links=follow_links,
        shape=shape,
        dtype=dtype,
        offset=offset,
        voxel_size=override_voxel_size,
    )
    job = PredictionJob(settings)
    file = _scan_file(scans, dataset)
    answer: dict[str, Any] = {}
    tell = _tell_failure if as_json else _tell
    if file is None:
        _refuse_options_of_files(voxel_size, reading, out, file_format)
        every = choose_samples(dataset, scans, select)
        chosen = every[number - 1 :: n_parts]
        answer = {"dataset": str(chosen.path)}
        if part is not None:
            answer["part"] = [number, n_parts]
            note(f"part {number} of {n_parts}: {len(chosen)} of {counted(len(every), 'sample')}")
        job.refuse_conflicts(chosen)
        debug = bool(ctx.find_root().params.get("debug"))
        if scheduler is None:
            done = predict_samples(job, chosen, tell, debug=debug)
        else:
            from srseg.cli._predict_cluster import predict_on_cluster

            done = predict_on_cluster(scheduler, settings, chosen, tell, debug=debug)
    else:
        for option, text in {"--part": part, "--scheduler": scheduler}.items():
            if text is not None:
                raise typer.BadParameter("is for the samples of a dataset", param_hint=option)
        size = quantity(voxel_size, "um", "--voxel-size")
        done = [job.predict_file(file, size, reading, look_for_field=find_field)]
        tell(done[0])
    counts = {s: sum(row["status"] == s for row in done) for s in ("done", "was there", "failed")}
    if as_json:
        say_json({**answer, "model": str(model), "planes": [p.name for p in job.ensemble.planes_],
                  "voting": voting, "predictions": done, "counts": counts})  # fmt: skip
    elif len(done) > 1:
        say(_sum(done, counts))
    if counts["failed"]:
        raise typer.Exit(FAILED)


def _tell(row: dict[str, Any]) -> None:
    """Say at once what became of a scan."""
    if row["status"] == "failed":
        _tell_failure(row)
        return
    file_text = f", {row['file']}" if "file" in row else ""
    say(f"{row['scan']}: {row['status']}, {row['labels']}{file_text}")
    for name, share in row["shares"].items():
        say(f"  {name}: {100 * share:.2f} % of the voxels")


def _tell_failure(row: dict[str, Any]) -> None:
    if row["status"] == "failed":
        note(f"srseg: sample {row['scan']} failed: {row['reason']}")


def _sum(done: list[dict[str, Any]], counts: dict[str, int]) -> str:
    text = f"{counts['done']} done, {counts['was there']} were there, {counts['failed']} failed"
    failed = [row["scan"] for row in done if row["status"] == "failed"]
    return text + (f": {', '.join(failed)}" if failed else "")


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
