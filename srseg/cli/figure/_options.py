"""Options of all figures, and what becomes of the figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._output import say, say_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NARROWEST, _WIDEST = 80.0, 1000.0
_ENDINGS = (".png", ".svg", ".pdf")
_MM = 25.4  # in an inch

OutOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE", help="The figure: a .png, .svg or .pdf file."),
]

SampleArgument = Annotated[
    str | None,
    typer.Argument(metavar="SAMPLE", help="A sample of the dataset; or give --scan.",
                   show_default=False),
]  # fmt: skip

ScanOption = Annotated[
    Path | None,
    typer.Option("--scan", metavar="FILE", help="A scan file, in place of a sample.",
                 show_default=False),
]  # fmt: skip

LabelsOption = Annotated[
    list[str] | None,
    typer.Option("--labels", metavar="SET|NAME=FILE", show_default=False,
                 help="A label set or a prediction of the sample, or a label file and what it is "
                 "called; repeat it for more, from left to right (default: all that the sample "
                 "has)."),
]  # fmt: skip

SliceOption = Annotated[
    list[str] | None,
    typer.Option("--slice", metavar="PLANE[:NUMBER|:SHARE%]", show_default=False,
                 help="A slice: rc:120 (across z), cp:50% (across y), pr (across x, the middle "
                 "one); repeat it for more (default: rc and cp)."),
]  # fmt: skip

BoxOption = Annotated[
    list[str] | None,
    typer.Option("--box", metavar="BOX", show_default=False,
                 help="A part to enlarge, in voxels: z0:z1,y0:y1,x0:x1; a slice goes through it. "
                 "Repeat it for more."),
]  # fmt: skip

GridOption = Annotated[
    str,
    typer.Option("--grid", metavar="scan|SET", help="Whose voxels are shown, and slices and boxes "
                 "are counted in: the scan's, or those of a label set that is shown."),
]  # fmt: skip

WidthOption = Annotated[
    str, typer.Option("--width", metavar="LENGTH", help="Width of the figure in print.")
]

DpiOption = Annotated[
    int, typer.Option("--dpi", min=50, max=2400, help="Dots per inch of its pictures.")
]

TitleOption = Annotated[str, typer.Option("--title", help="A line above the figure.")]

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the file.")]


def check_place(out: Path, width: str, *, overwrite: bool) -> float:
    """Refuse a figure that could not be written, before anything is read; give inches."""
    from srseg.cli._quantify_answer import refuse_files
    from srseg.errors import ParameterError
    from srseg.units import parse_quantity

    if out.suffix.lower() not in _ENDINGS:
        raise typer.BadParameter(
            f"{out}: figures are written as {', '.join(_ENDINGS)}; name the file so",
            param_hint="--out",
        )
    try:
        wide = parse_quantity(width, "mm", name="--width")
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    if not _NARROWEST <= wide <= _WIDEST:
        raise typer.BadParameter(
            f"a figure is {_NARROWEST:g} to {_WIDEST:g} mm wide, found {wide:g} mm; a column of a "
            "journal has about 88 mm, a page 180 mm",
            param_hint="--width",
        )
    refuse_files([out], overwrite=overwrite)
    return wide / _MM


def finish(figure: "Figure", out: Path, dpi: int, *, as_json: bool, **facts: Any) -> None:
    """Write the figure, and say where it is and what it shows."""
    from srseg.reports import save_figure

    save_figure(figure, out, dpi=dpi)
    if as_json:
        say_json({"figure": str(out), **facts})
    else:
        say(f"drawn: {out}")
