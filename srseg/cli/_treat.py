"""``srseg treat``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    SelectOption,
    VoxelSizeOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import counted, note, say, say_json, say_table
from srseg.cli._reading import OverrideVoxelSizeOption, how_to_read
from srseg.cli._root import FAILED
from srseg.cli._treat_steps import steps_of

if TYPE_CHECKING:
    from srseg.cli._treat_work import TreatJob
    from srseg.io import Reading

EXAMPLE = (
    "Example: srseg treat A B --labels srseg-wf/soft9 --out-set MLsmooth --smooth 1 --islands "
    "1000um^3, or without a dataset: srseg treat labels.h5 --out smooth.h5 --smooth 1"
)


def treat(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAMPLE|FILE", show_default=False,
                       help="Samples of the dataset (default: all), or one label file."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="SET", show_default=False,
                     help="The label set or the prediction to treat; it stays as it is."),
    ] = None,
    out_set: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False,
                     help="The label set to make; one that was made from the same becomes an "
                     "older revision of it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False,
                     help="For a label file: the file to make."),
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(metavar="RADIUS", show_default=False,
                     help="First: give each voxel the class that most voxels have in a ball of "
                     "this radius, in voxels."),
    ] = None,
    islands: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=SIZE|SIZE", show_default=False,
                     help="Then: give connected pieces of a class (default: of all but the "
                     "background) that are smaller than SIZE to the class around them; 1000um^3, "
                     "or a number of voxels. Repeat it for other classes."),
    ] = None,
    holes: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=SIZE|SIZE", show_default=False,
                     help="Then: fill enclosed background (in a class; default: in all) that is "
                     "smaller than SIZE, or of any size: any."),
    ] = None,
    cracks: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=LEVEL|LEVEL", show_default=False,
                     help="Then: make background of what is darker than LEVEL in the degradation "
                     "layer, or in another class; between 0 and 1, of the normalised scan, or "
                     "otsu."),
    ] = None,
    channels: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=LEVEL|LEVEL", show_default=False,
                     help="Then: the same in bone."),
    ] = None,
    island_connectivity: Annotated[
        int, typer.Option(metavar="6|18|26", help="Neighbours of a voxel in a piece.")
    ] = 26,
    hole_connectivity: Annotated[
        int, typer.Option(metavar="6|18|26", help="Neighbours of a voxel in a hole.")
    ] = 6,
    grey_smoothing: Annotated[
        float,
        typer.Option(metavar="VOXELS", help="For thresholds: standard deviation of a Gaussian that "
                     "smooths the grey values before."),
    ] = 0.0,
    clip: Annotated[
        tuple[float, float],
        typer.Option(metavar="LOW HIGH", help="For thresholds: percentiles of the scan that become "
                     "0 and 1."),
    ] = (0.5, 99.9),
    scan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False,
                     help="For thresholds in a label file: the scan."),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    override_voxel_size: OverrideVoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    scratch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default=False,
                     help="Folder for temporary files of 2 bytes a voxel, and for thresholds up to "
                     "4 more (default: $TMPDIR)."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make again what is there already; replace --out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Smooth labels, remove islands, fill holes, threshold cracks; tell what that changed.

    The steps are done in the order of their options above; for another order, treat what was
    treated. The labels that are treated stay as they are. What fails does not stop the rest, and
    what is there already, made in the same way of the same labels, is left alone.
    """
    from srseg.cli._treat_work import TreatJob

    steps = steps_of(
        smooth=smooth, islands=islands, holes=holes, cracks=cracks, channels=channels,
        island_connectivity=island_connectivity, hole_connectivity=hole_connectivity,
        grey_smoothing=grey_smoothing,
    )  # fmt: skip
    job = TreatJob(steps, clip, scratch, dry_run, overwrite)
    of_file = bool(names) and any("." in text or "/" in text for text in names or [])
    _refuse(of_file, dry_run, {"--labels": labels, "--out-set": out_set}, {
        "--out": out, "--scan": scan, "--voxel-size": voxel_size,
        "--override-voxel-size": override_voxel_size, "--dataset-path": dataset_path,
    })  # fmt: skip
    if of_file:
        size = quantity(voxel_size, "um", "--voxel-size")
        reading = how_to_read(dataset=dataset_path, voxel_size=override_voxel_size)
        rows = [_file(job, names or [], out, scan, size, reading)]
    else:
        if labels == out_set:
            raise typer.BadParameter(
                f"{labels} would be replaced by what is made of it; choose another name",
                param_hint="--out-set",
            )
        chosen = choose_samples(dataset, names, select)
        debug = bool(ctx.find_root().params.get("debug"))
        rows = []
        for sample in chosen:
            try:
                row = job.treat_sample(chosen, sample, str(labels), str(out_set))
            except Exception as error:
                if debug:
                    raise
                row = _failed(sample.name, error)
            rows.append(row)
    if as_json:
        say_json({"treated": rows})
    else:
        for row in rows:
            _tell(row)
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(FAILED)


def _refuse(
    of_file: bool, dry_run: bool, of_samples: dict[str, Any], of_files: dict[str, Any]
) -> None:
    """Refuse options of the other kind, and ask for those that are needed."""
    # a dry run of a file makes none
    of_one = {} if dry_run else {"--out": of_files["--out"]}
    needed = of_one if of_file else of_samples
    for option, text in needed.items():
        if text is None:
            what = "a label file" if of_file else "samples of a dataset"
            raise typer.BadParameter(f"is needed for {what}", param_hint=option)
    for option, text in (of_samples if of_file else of_files).items():
        if text is not None:
            what = "samples of a dataset" if of_file else "a label file"
            raise typer.BadParameter(f"is for {what}", param_hint=option)


def _file(
    job: "TreatJob",
    names: list[str],
    out: Path | None,
    scan: Path | None,
    voxel_size: float | None,
    reading: "Reading",
) -> dict[str, Any]:
    from srseg.cli._prediction_files import refuse_place

    if len(names) > 1:
        raise typer.BadParameter("one label file at a time", param_hint="FILE")
    file = Path(names[0])
    if out is not None and out.resolve() == file.resolve():
        raise typer.BadParameter(
            f"{out} would be replaced by what is made of it; choose another name",
            param_hint="--out",
        )
    if out is not None:
        refuse_place(out, overwrite=job.overwrite or job.dry_run)
    return job.treat_file(file, voxel_size, reading, scan, out)


def _failed(name: str, error: Exception) -> dict[str, Any]:
    from srseg.cli._errors import words_of

    words = words_of(error)
    note(f"srseg: error: {name}: {words}")
    return {"sample": name, "status": "failed", "reason": words}


def _tell(row: dict[str, Any]) -> None:
    if row["status"] == "failed":  # which was said at once
        return
    if "file" in row:
        place = f"{row['out']}, " if row["out"] else ""
        say(f"{row['file']}: {place}{row['status']}")
    else:
        revision = f" revision {row['revision']}" if "revision" in row else ""
        say(f"{row['sample']}: {row['labels']} -> {row['out_set']}{revision}, {row['status']}")
    treatment = row["treatment"]
    say("")
    say_table(
        ["class", "voxels before", "voxels after", "mm³ before", "mm³ after", "change"],
        (
            [
                name, n["voxels_before"], n["voxels_after"], f"{n['mm3_before']:.6g}",
                f"{n['mm3_after']:.6g}", _change(n["voxels_before"], n["voxels_after"]),
            ]
            for name, n in treatment["classes"].items()
        ),
    )  # fmt: skip
    say("")
    say_table(
        ["step", "voxels changed", "found", "moved"],
        (
            [step["step"], str(step["voxels_changed"]), _found(step["found"]), _moved(step)]
            for step in treatment["steps"]
        ),
    )
    say("")


def _change(before: int, after: int) -> str:
    return f"{100 * (after - before) / before:+.3g} %" if before else "-"


def _found(found: dict[str, Any]) -> str:
    if "pieces" in found:
        largest = f", the largest of {found['largest_voxels']} voxels" if found["pieces"] else ""
        return f"{counted(found['pieces'], 'piece')}{largest}"
    if "level" in found:
        if found["level"] is None:
            return "no level: no grey values to divide"
        apart = "" if found["separation"] is None else f", separation {found['separation']:.2f}"
        return f"level {found['level']:.4g}{apart}"
    return ""


def _moved(step: dict[str, Any]) -> str:
    moves = sorted(step["moved"], key=lambda move: -move["voxels"])
    return "; ".join(f"{m['from']} -> {m['to']}: {m['voxels']}" for m in moves)
