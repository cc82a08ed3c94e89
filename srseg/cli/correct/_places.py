"""The options that say which slices and boxes, and what they mean."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from srseg.cli._options import is_number
from srseg.cli._output import note
from srseg.cli._reading import parse_box

if TYPE_CHECKING:
    from srseg.corrections import Suggestion
    from srseg.dataset import DatasetSample

SlicesOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", show_default=False,
                 help="How many slices (default: 5 where no boxes or places are asked for)."),
]  # fmt: skip

AxisOption = Annotated[
    Literal["z", "y", "x", "best"],
    typer.Option(help="The axis that the slices lie across; best: the one whose slices hold most. "
                 "Stay with one axis for a label set: a network learns little from the single "
                 "lines that others leave in a slice."),
]  # fmt: skip

BoxesOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="How many boxes.")
]  # fmt: skip

BoxShapeOption = Annotated[
    str,
    typer.Option(metavar="Z,Y,X", help="Number of voxels of a box, multiples of 4; or one number "
                 "for all three."),
]  # fmt: skip


def suggest(
    sample: "DatasetSample", prediction: str, slices: int | None, axis: str, boxes: int, shape: str
) -> "list[Suggestion]":
    """Choose slices and boxes of one sample as the options say."""
    from srseg.corrections import suggest_boxes, suggest_slices, uncertainty

    n = (0 if boxes else 5) if slices is None else slices
    if not n and not boxes:
        raise typer.BadParameter(
            "ask for at least one slice (--slices) or box (--boxes)", param_hint="--slices"
        )
    edges = box_shape(shape)
    chance = uncertainty(sample, prediction)
    found: list[Suggestion] = []
    if n:
        labels = sample.labels(prediction)
        found += suggest_slices(chance, n, labels=labels, axis=across(axis))
    return found + (suggest_boxes(chance, boxes, shape=edges) if boxes else [])


def note_corrected(sample: "DatasetSample", prediction: str, found: "list[Suggestion]") -> None:
    """Say which places of this very prediction were corrected before: its doubts stay the same."""
    stamp = sample.labels_info(prediction)["Stamp"]
    before = {
        place["place"]
        for label_set in sample.label_sets
        for revision in sample.revisions(label_set)
        if revision.corrected and revision.corrected["stamp"] == stamp
        for place in revision.corrected["places"]
    }
    again = [place.name for place in found if place.name in before]
    if again:
        note(
            f"srseg: corrected before, from this prediction of {sample.name}: {', '.join(again)}. "
            "Ask for more places, or train on what was corrected and predict again"
        )


def across(axis: str) -> "Literal['z', 'y', 'x'] | None":
    """Give the axis of an option."""
    return None if axis == "best" else axis  # type: ignore[return-value]


def named_places(places: list[str], shape: tuple[int, int, int]) -> "list[Suggestion]":
    """Read slices and boxes that a user chose: ``z:120``, ``z:100,200``, ``z0:z1,y0:y1,x0:x1``."""
    from srseg.corrections import Suggestion

    found: list[Suggestion] = []
    for text in places:
        axis, _, numbers = (part.strip() for part in text.partition(":"))
        if axis in ("z", "y", "x"):
            for number in numbers.split(","):
                if not is_number(number) or int(number) >= shape["zyx".index(axis)]:
                    raise typer.BadParameter(
                        f"{text!r}: slices across {axis} are 0 to {shape['zyx'.index(axis)] - 1}; "
                        f"write for example {axis}:{shape['zyx'.index(axis)] // 2}",
                        param_hint="--at",
                    )
                found.append(
                    Suggestion.of_slice(axis, int(number), shape, expected=0.0, share=0.0)  # type: ignore[arg-type]
                )
        else:
            box = parse_box(text, "--at")
            assert box is not None  # noqa: S101 - there is a text
            found.append(Suggestion("box", None, None, box, 0.0, 0.0))
    return found


def box_shape(text: str) -> tuple[int, int, int]:
    """Read the shape of boxes."""
    parts = text.replace("x", ",").split(",")
    if len(parts) not in (1, 3) or not all(map(is_number, parts)):
        raise typer.BadParameter(
            f"{text!r} is no shape of a box; write 64 or 64,64,32", param_hint="--box-shape"
        )
    z, y, x = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
    return z, y, x
