"""``srseg preprocess``."""

from typing import Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import lengths, say, say_json, voxels

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
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make working copies of scans: resampled, clipped, scaled to 0 to 1.

    Training and prediction use them where their settings are the same. What is already there with
    these settings is left alone.
    """
    size = None if voxel_size == "scan" else quantity(voxel_size, "um", "--voxel-size")
    chosen = choose_samples(dataset, samples, select)
    done = chosen.preprocess(voxel_size=size, clip=clip)
    rows: list[dict[str, Any]] = []
    for sample, result in zip(chosen, done, strict=True):
        volume = sample.prepared(size, clip)
        assert volume is not None  # noqa: S101 - it was just made
        rows.append(
            {
                "sample": result.sample,
                "status": result.status,
                "path": str(result.path),
                "shape": list(volume.shape),
                "voxel_size_um": list(volume.grid.voxel_size),
            }
        )
    if as_json:
        say_json({"prepared": rows})
        return
    for row in rows:
        how = "made" if row["status"] == "made" else "was there"
        size_text = lengths(row["voxel_size_um"])
        say(f"{row['sample']}: {how}, {voxels(row['shape'])} voxels of {size_text}, {row['path']}")
