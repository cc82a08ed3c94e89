"""``srseg preprocess``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import lengths, say, say_json, size, voxels
from srseg.cli._root import FAILED

if TYPE_CHECKING:
    from srseg.dataset import Prepared
    from srseg.volumes import Volume

EXAMPLE = "Example: srseg preprocess --voxel-size 5um --select has=WF"


def preprocess(
    samples: SamplesArgument = None,
    voxel_size: Annotated[
        str, typer.Option(metavar="LENGTH|scan", help="Voxel size of the working copy; 'scan' "
                          "keeps the scan's own.")
    ] = "5um",
    clip: Annotated[
        tuple[float, float],
        typer.Option(metavar="LOW HIGH", help="Percentiles that become 0 and 1."),
    ] = (0.5, 99.9),
    scratch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for a temporary file of up to 4 bytes for each "
                     "voxel of a copy (default: $TMPDIR).", show_default=False),
    ] = None,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make working copies of scans: resampled, clipped, scaled to 0 to 1.

    Training and prediction use them where their settings are the same. What is already there with
    these settings is left alone, and what fails does not stop the rest. Several processes may work
    on one dataset at a time.
    """
    edge = None if voxel_size == "scan" else quantity(voxel_size, "um", "--voxel-size")
    chosen = choose_samples(dataset, samples, select)
    done = chosen.preprocess(voxel_size=edge, clip=clip, scratch=scratch)
    rows = [
        _row(None if d.status == "failed" else sample.prepared(edge, clip), d)
        for sample, d in zip(chosen, done, strict=True)
    ]
    counts = {
        status: sum(d.status == status for d in done) for status in ("made", "kept", "failed")
    }
    if as_json:
        say_json({"dataset": str(chosen.path), "prepared": rows, **counts})
    else:
        for row in rows:
            say(_line(row))
        if len(rows) > 1:
            say(_sum(done, counts))
    if counts["failed"]:
        raise typer.Exit(FAILED)


def _row(volume: "Volume | None", done: "Prepared") -> dict[str, Any]:
    row: dict[str, Any] = {"sample": done.sample, "status": done.status}
    if volume is None:
        return {**row, "reason": done.reason}
    row |= {
        "path": str(done.path),
        "shape": list(volume.shape),
        "voxel_size_um": list(volume.grid.voxel_size),
    }
    if done.status == "made":
        row |= {"seconds": round(done.seconds, 3), "bytes": done.n_bytes}
    return row


def _line(row: dict[str, Any]) -> str:
    if row["status"] == "failed":
        return f"{row['sample']}: failed: {row['reason']}"
    how = "was there"
    if row["status"] == "made":
        how = f"made in {row['seconds']:.1f} s ({_speed(row['bytes'], row['seconds'])} of the scan)"
    edge = lengths(row["voxel_size_um"])
    return f"{row['sample']}: {how}, {voxels(row['shape'])} voxels of {edge}, {row['path']}"


def _sum(done: "list[Prepared]", counts: dict[str, int]) -> str:
    text = f"{counts['made']} made, {counts['kept']} were there, {counts['failed']} failed"
    if counts["made"]:
        n_bytes, seconds = sum(d.n_bytes for d in done), sum(d.seconds for d in done)
        text += f"; {size(n_bytes)} of scans read at {_speed(n_bytes, seconds)}"
    return text


def _speed(n_bytes: int, seconds: float) -> str:
    return f"{n_bytes / 1e6 / max(seconds, 1e-3):.0f} MB/s"
