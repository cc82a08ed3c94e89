"""Options that say how a file is to be read, where it does not say it itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import is_number

if TYPE_CHECKING:
    from srseg.io import Reading
    from srseg.volumes import Region

AxesOption = Annotated[
    str,
    typer.Option(
        metavar="AXES",
        help="What the file's axes are, the slowest first; a minus before an axis that runs "
        "backwards: xyz, -zyx.",
    ),
]

FollowLinksOption = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="Let an HDF5 file take its voxels from other files below its own folder.",
    ),
]

ShapeOption = Annotated[
    str | None,
    typer.Option(
        metavar="Z,Y,X", help="Numbers of voxels of a raw file, along its axes, the slowest first."
    ),
]

DtypeOption = Annotated[
    str | None,
    typer.Option(metavar="TYPE", help="Type of the voxels of a raw file: uint16, float32, >u2."),
]

OffsetOption = Annotated[
    int, typer.Option(metavar="BYTES", help="Where the voxels of a raw file begin.", min=0)
]

OverrideVoxelSizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="LENGTH",
        help="Edge length of a voxel with its unit, whatever the file states: for a file that is "
        "wrong and cannot be corrected.",
    ),
]


def how_to_read(
    *,
    dataset: str | None,
    axes: str = "zyx",
    follow_links: bool = False,
    shape: str | None = None,
    dtype: str | None = None,
    offset: int = 0,
    voxel_size: str | None = None,
) -> "Reading":
    """Put the options together; a wrong one is an error of usage."""
    from srseg.cli._options import quantity
    from srseg.errors import ParameterError
    from srseg.io import Reading

    size = quantity(voxel_size, "um", "--override-voxel-size")
    try:
        return Reading(
            dataset=dataset,
            axes=axes,
            follow_links=follow_links,
            shape=_three(shape),
            dtype=dtype,
            offset=offset,
            voxel_size=size,
        )
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None


def _three(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if len(parts) != 3 or not all(map(is_number, parts)):
        raise typer.BadParameter(
            f"{text!r} is not three numbers of voxels, for example 2130,2510,2510",
            param_hint="--shape",
        )
    z, y, x = (int(part) for part in parts)
    return z, y, x


def parse_box(text: str | None, option: str) -> "Region | None":
    """Read a box of voxels: ``z0:z1,y0:y1,x0:x1``; the last one of each is not part of it."""
    if text is None:
        return None
    bounds = [part.split(":") for part in text.split(",")]
    if len(bounds) != 3 or not all(len(pair) == 2 and all(map(is_number, pair)) for pair in bounds):
        raise typer.BadParameter(
            f"{text!r} is not a box; write z0:z1,y0:y1,x0:x1 in voxels, for example "
            "100:900,0:2510,0:2510",
            param_hint=option,
        )
    z, y, x = (slice(int(first), int(last)) for first, last in bounds)
    return z, y, x
