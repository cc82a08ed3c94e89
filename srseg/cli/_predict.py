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
    is_file,
    quantity,
)
from srseg.cli._output import counted, note, say, say_json
from srseg.cli._predict_answer import summary, tell, tell_failure
from srseg.cli._predict_file import predict_file
from srseg.cli._predict_sample import SampleJob
from srseg.cli._predict_samples import predict_samples
from srseg.cli._prediction_files import SUFFIXES
from srseg.cli._prediction_job import PredictionJob
from srseg.cli._prediction_settings import (
    RUNTIMES,
    SAVES,
    PredictionSettings,
    parse_choice,
    parse_memory,
    parse_part,
    parse_saves,
)
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
        str | None,
        typer.Option(help="1, 3 or 9 planes, or names such as rc,cp@45p (default: 3; a model that "
                     "labels blocks of the volume has none).", show_default=False),
    ] = None,
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
    runtime: Annotated[
        str | None,
        typer.Option(metavar="|".join(RUNTIMES), help="What runs the network (default: the "
                     "model's, usually auto: the fastest that is there).", show_default=False),
    ] = None,
    save: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(SAVES), help="Keep more than the labels: the probability of "
                     "each class; how sure the planes are (entropy and margin). Repeat it for "
                     "both.", show_default=False),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory that the program may take in all, such as 6GB or "
                     "300MB (default: what is free). The labels do not depend on it.",
                     show_default=False),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for what is not finished (default: hidden, beside "
                     "the result): on a fast disk that is there next time.", show_default=False),
    ] = None,
    resumable: Annotated[
        bool, typer.Option("--resumable/--not-resumable", help="Keep what is done of a scan, so "
                           "that the same command goes on after it was stopped or killed.")
    ] = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin scans anew of which a part is done.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Predict again what is there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take: memory, scratch space, "
                           "operations, time; and stop.")
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
    if scratch is not None and not resumable:
        raise typer.BadParameter("is for what may go on later", param_hint="--scratch")
    if dry_run and scheduler is not None:
        raise typer.BadParameter(
            "the plan is made for this machine; leave out --scheduler", param_hint="--dry-run"
        )
    settings = PredictionSettings(
        model=model,
        planes=planes,
        voting=voting,
        grid=grid,
        roi=parse_box(roi, "--roi"),
        device=device,
        precision=precision,
        runtime=parse_choice(runtime, RUNTIMES, "--runtime"),
        saves=parse_saves(save),
        file_format=file_format,
        out=out,
        overwrite=overwrite,
        max_memory=parse_memory(max_memory),
        scratch=scratch,
        resumable=resumable,
        restart=restart,
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
    say_row = tell_failure if as_json else tell
    file = _scan_file(scans, dataset)
    answer: dict[str, Any] = {}
    job: PredictionJob
    if file is None:
        _refuse_options_of_files(voxel_size, reading, out, file_format)
        job = samples = SampleJob(settings)
        every = choose_samples(dataset, scans, select)
        chosen = every[number - 1 :: n_parts]
        answer = {"dataset": str(chosen.path)}
        if part is not None:
            answer["part"] = [number, n_parts]
            note(f"part {number} of {n_parts}: {len(chosen)} of {counted(len(every), 'sample')}")
        samples.refuse_conflicts(chosen)
        debug = bool(ctx.find_root().params.get("debug"))
        if scheduler is None:
            done = predict_samples(samples, chosen, say_row, dry_run=dry_run, debug=debug)
        else:
            from srseg.cli._predict_cluster import predict_on_cluster

            done = predict_on_cluster(scheduler, settings, chosen, say_row, debug=debug)
    else:
        for option, text in {"--part": part, "--scheduler": scheduler}.items():
            if text is not None:
                raise typer.BadParameter("is for the samples of a dataset", param_hint=option)
        job = PredictionJob(settings)
        size = quantity(voxel_size, "um", "--voxel-size")
        row = predict_file(job, file, size, reading, look_for_field=find_field, dry_run=dry_run)
        done = [row]
        say_row(row)
    sums = summary(done)
    if as_json:
        rows = [{key: row[key] for key in row if key != "lines"} for row in done]
        answer |= {"planes": job.planes, "voting": voting if job.planes else None}
        say_json({"model": str(model), **answer, "predictions": rows, **sums})
    elif len(done) > 1:
        say(sums["summary"])
    if sums["counts"]["failed"]:
        raise typer.Exit(FAILED)


def _scan_file(scans: list[str] | None, dataset: Path | None) -> Path | None:
    """Give the scan file that was named, or None where samples were named."""
    from srseg.errors import ParameterError

    models = [text for text in scans or [] if text.endswith(".srseg") and Path(text).is_file()]
    if models:
        raise typer.BadParameter(
            f"{', '.join(models)}: a model, where samples or a scan file stand; give one model at "
            "a time, the first, and then what it labels. Several on the same samples are put side "
            "by side by srseg evaluate and srseg compare",
            param_hint="SAMPLE|FILE",
        )
    found = [Path(text) for text in scans or [] if is_file(text, dataset)]
    if not found:
        return None
    if len(scans or []) > 1:
        raise ParameterError(
            f"{', '.join(scans or [])}: one scan file at a time; add several to a dataset with: "
            "srseg dataset add FILE"
        )
    return found[0]


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
