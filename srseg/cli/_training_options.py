"""Options of all commands that train, and what they mean."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from srseg.cli._options import is_number, quantity

BackboneOption = Annotated[str, typer.Option(help="The network; see: srseg backbones list.")]

ModelVoxelSizeOption = Annotated[
    str,
    typer.Option(
        metavar="LENGTH|scan",
        help="Voxel size that a model learns; 'scan' takes the scans' own.",
    ),
]

RecipeOption = Annotated[str, typer.Option(help="fast, or paper: the published schedule.")]

MaxIterOption = Annotated[
    int | None,
    typer.Option(min=1, help="Iterations (default: the recipe's).", show_default=False),
]

BatchSizeOption = Annotated[
    int | None,
    typer.Option(min=1, help="Patches a batch (default: the recipe's).", show_default=False),
]

LearningRateOption = Annotated[
    float | None,
    typer.Option(help="Adam's rate (default: the recipe's).", show_default=False),
]

AugmentOption = Annotated[
    bool, typer.Option("--augment/--no-augment", help="Vary patches as the paper does.")
]

PrecisionOption = Annotated[str, typer.Option(help="auto, fp32 or bf16.")]

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]

SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Makes training repeatable.")]

MaxMemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory that the volumes of a training may take, such as 6GB (default: 0.6 of what is "
        "free). What is more is read from files meanwhile.",
        show_default=False,
    ),
]

ScratchOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for those files: on a fast disk.", show_default=False),
]

CheckpointEveryOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="MINUTES",
        help="How often a training keeps what it needs to go on after a crash.",
    ),
]


def read_voxel_size(text: str) -> float | None:
    """Read ``--voxel-size``: µm, or None for the scans' own."""
    return None if text == "scan" else quantity(text, "um", "--voxel-size")


def read_validation(text: str) -> Any:
    """Read ``--validation``, in the form of `VolumeSegmenter`'s parameter."""
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    if is_number(text):
        return int(text)
    with suppress(ValueError):
        if 0 < (share := float(text)) < 1:
            return share
    raise typer.BadParameter(
        f"{text!r} is not auto, none, a number of subjects such as 2 or a share such as 0.2",
        param_hint="--validation",
    )
