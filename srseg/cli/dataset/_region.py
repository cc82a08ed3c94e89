"""``srseg dataset region``."""

import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import say_json, say_pairs, voxels
from srseg.cli._reading import parse_box

if TYPE_CHECKING:
    from srseg.dataset import DatasetSample
    from srseg.volumes import FieldOfView, Grid

EXAMPLE = "Example: srseg dataset region A --roi 100:900,0:2510,0:2510 --field auto"


def region(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    roi: Annotated[
        str | None,
        typer.Option(
            metavar="BOX",
            help="The part of the scan file that is the sample, in voxels: z0:z1,y0:y1,x0:x1.",
            show_default=False,
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="The whole scan file is the sample.")
    ] = False,
    field: Annotated[
        str | None,
        typer.Option(
            metavar="auto|none|Y,X,RADIUS",
            help="Where the reconstruction saw anything: look for its circle, everywhere, or a "
            "circle in voxels of the scan file.",
            show_default=False,
        ),
    ] = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or change which part of its scan a sample is.

    Percentiles, training and prediction see nothing else. Labels stay as they are, and working
    copies are made anew when they are needed.
    """
    from srseg.dataset import set_region

    if whole and roi is not None:
        raise typer.BadParameter("says the opposite of --roi; choose one", param_hint="--whole")
    archive = open_dataset(dataset)
    one = archive[sample]
    changes: dict[str, Any] = {}
    if whole or roi is not None:
        changes["roi"] = parse_box(roi, "--roi")
    if field is not None:
        changes["field"] = _field(field, one.scan_file.grid)
    if changes:
        one = set_region(archive, sample, **changes)
    file = one.scan_file
    if "roi" in changes:
        _warn_of_outside(one)
    box = None if file.roi is None else [[part.start, part.stop] for part in file.roi]
    if as_json:
        say_json(
            {
                "sample": one.name,
                "scan_shape": list(file.grid.shape),
                "roi": box,
                "field_of_view": None if file.field is None else file.field.to_dict(),
            }
        )
        return
    shown = "the whole scan"
    if box is not None:
        shown = f"voxels {', '.join(f'{a} to {b}' for a, b in box)} (z, y, x)"
    say_pairs(
        {
            "sample": one.name,
            "region": f"{shown} of {voxels(file.grid.shape)}",
            "field of view": _circle(file.field, file.grid),
        }
    )


def _warn_of_outside(sample: "DatasetSample") -> None:
    """Tell of label sets of which nothing is left."""
    from srseg.errors import SRSegError
    from srseg.volumes import Grid

    outside = []
    for name in sample.label_sets:
        try:
            grid = Grid.from_dict(sample.labels_info(name)["Grid"])
        except (SRSegError, KeyError, TypeError):
            continue  # check tells of it
        if not grid.overlaps(sample.scan_grid):
            outside.append(name)
    if outside:
        warnings.warn(
            f"sample {sample.name}: the region holds nothing of the label set {', '.join(outside)}",
            stacklevel=2,
        )


def _circle(field: "FieldOfView | None", grid: "Grid") -> str:
    import numpy as np

    if field is None:
        return "everywhere"
    _, y, x = grid.to_index(np.asarray(field.point)).tolist()
    return (
        f"a circle of radius {field.radius:g} µm ({field.radius / grid.voxel_size[1]:.1f} voxels) "
        f"around y {y:.1f}, x {x:.1f}"
    )


def _field(text: str, grid: "Grid") -> "FieldOfView | str | None":
    """Read ``auto``, ``none``, or a circle in voxels of the scan file."""
    import numpy as np

    from srseg.volumes import FieldOfView

    if text in ("auto", "none"):
        return text if text == "auto" else None
    try:
        y, x, radius = (float(part) for part in text.split(","))
    except ValueError:
        y = x = radius = 0.0
    if not (radius > 0 and all(np.isfinite([y, x, radius]))):
        raise typer.BadParameter(
            f"{text!r} is not auto, none, or centre and radius of a circle in voxels such as "
            "1255,1255,1250 (y, x, radius)",
            param_hint="--field",
        )
    pz, py, px = grid.to_physical(np.array([0.0, y, x])).tolist()
    az, ay, ax = np.reshape(grid.direction, (3, 3))[:, 0].tolist()
    return FieldOfView((pz, py, px), radius * min(grid.voxel_size[1:]), (az, ay, ax))
