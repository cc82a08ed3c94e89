"""The options of ``srseg treat`` as steps."""

from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._options import is_number

if TYPE_CHECKING:
    from srseg.quantification import FillHoles, RemoveIslands, SmoothLabels, ThresholdCracks

    Step = FillHoles | RemoveIslands | SmoothLabels | ThresholdCracks

LAYER, BONE = "degradation layer", "bone"


def steps_of(
    *,
    smooth: float | None,
    islands: list[str] | None,
    holes: list[str] | None,
    cracks: list[str] | None,
    channels: list[str] | None,
    island_connectivity: int,
    hole_connectivity: int,
    grey_smoothing: float,
) -> "list[Step]":
    """Make the steps, in the order in which they are done; a wrong option is an error of usage."""
    from srseg.errors import ParameterError
    from srseg.quantification import FillHoles, RemoveIslands, SmoothLabels, ThresholdCracks

    try:
        steps: list[Step] = [] if smooth is None else [SmoothLabels(smooth)]
        for text in islands or []:
            classes, size = _divided(text)
            limit, unit = _size(size, "--islands")
            steps.append(RemoveIslands(limit, unit, classes, island_connectivity))  # type: ignore[arg-type]
        for text in holes or []:
            classes, size = _divided(text)
            most, unit = (None, "um^3") if size == "any" else _size(size, "--holes")
            steps.append(FillHoles(most, unit, classes, hole_connectivity))  # type: ignore[arg-type]
        for option, usual, texts in (("--cracks", LAYER, cracks), ("--channels", BONE, channels)):
            for text in texts or []:
                classes, level = _divided(text)
                inside = usual if classes is None else classes[0]
                steps.append(ThresholdCracks(inside, _level(level, option), grey_smoothing))
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    if not steps:
        raise typer.BadParameter(
            "nothing to do; give --smooth, --islands, --holes, --cracks or --channels"
        )
    return steps


def recipe(steps: "list[Step]") -> list[dict[str, Any]]:
    """Give the steps as plain data for JSON, as they are kept and compared."""
    import json
    from dataclasses import asdict

    named = [{"step": type(step).__name__, **asdict(step)} for step in steps]
    return list(json.loads(json.dumps(named)))


def _divided(text: str) -> tuple[tuple[str, ...] | None, str]:
    """Divide ``[CLASS=]VALUE``."""
    name, equals, value = text.rpartition("=")
    return ((name.strip(),) if equals else None), value.strip()


def _size(text: str, option: str) -> tuple[float, str]:
    """Read a size with its unit; a bare number counts voxels."""
    from srseg.units import parse_quantity

    if is_number(text):
        return float(text), "voxels"
    if text.lstrip("+-").replace(".", "", 1).isdecimal():
        raise typer.BadParameter(
            f"{text} is no whole number of voxels; write one, or a volume such as 1000um^3",
            param_hint=option,
        )
    return parse_quantity(text, "um^3", name=option), "um^3"


def _level(text: str, option: str) -> float | None:
    if text == "otsu":
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not otsu or a grey value between 0 and 1, such as 0.4", param_hint=option
        ) from None
