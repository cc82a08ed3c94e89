"""``srseg dataset label``."""

from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    DryRunOption,
    JsonOption,
    VoxelSizeOption,
    open_dataset,
    quantity,
)
from srseg.cli._output import lengths, say, say_json, voxels

EXAMPLE = "Example: srseg dataset label labels.mha --sample A --set WF"


def label(
    file: Annotated[Path, typer.Argument(help="A label volume of integers.")],
    sample: Annotated[str, typer.Option(help="Name of the sample.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set: WF, HQ, …")
    ],
    voxel_size: VoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    manual: Annotated[
        bool | None,
        typer.Option(
            "--manual/--automatic", help="Whether they were drawn by hand.", show_default=False
        ),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="What they were made from, beside the scan.")
    ] = None,
    how: Annotated[str, typer.Option("--note", help="How they were made.")] = "",
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a label set to a sample; an earlier one of that name is kept as a revision."""
    from srseg.io import Reading

    size = quantity(voxel_size, "um", "--voxel-size")
    archive = open_dataset(dataset)
    plan = archive.plan_labels(
        file,
        sample=sample,
        label_set=label_set,
        voxel_size=size,
        reading=Reading(dataset=dataset_path),
    )
    if dry_run:
        plan.check_values()
    else:
        archive.register_labels(plan, manual=manual, sources=source or (), note=how)
    if as_json:
        say_json({**plan.to_dict(), "dataset": str(archive.path), "dry_run": dry_run})
        return
    done = "would add" if dry_run else "added"
    grid = plan.volume.grid
    say(
        f"{done} label set {label_set} to sample {sample} (revision {plan.revision}): "
        f"{voxels(grid.shape)}, voxel {lengths(grid.voxel_size)}"
    )
