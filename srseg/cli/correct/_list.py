"""``srseg correct list``."""

from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import note, say, say_json, say_table
from srseg.cli.correct._places import (
    AxisOption,
    BoxesOption,
    BoxShapeOption,
    ReachOption,
    SlicesOption,
    suggest,
)

if TYPE_CHECKING:
    from srseg.corrections import Suggestion

EXAMPLE = "Example: srseg correct list --labels srseg-wf --slices 5"


def list_(
    labels: Annotated[
        str,
        typer.Option(metavar="PREDICTION", help="The prediction, such as srseg-wf/soft9; it was "
                     "made with --save disagreement."),
    ],
    samples: SamplesArgument = None,
    slices: SlicesOption = None,
    axis: AxisOption = "z",
    reach: ReachOption = None,
    boxes: BoxesOption = 0,
    box_shape: BoxShapeOption = "64",
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Rank samples by what is expected to be wrong, and tell which slices and boxes hold most.

    It is what the disagreement of the planes tells: where a network is wrong and certain of it,
    nothing is found. In each sample the place to correct first is the first.
    """
    distance = quantity(reach, "um", "--reach")
    from srseg.corrections import rank_samples, uncertainty

    chosen = choose_samples(dataset, samples, select)
    ranked = rank_samples(chosen, labels)
    without = sorted(set(chosen.names) - {one.sample for one in ranked})
    if without:
        note(f"srseg: no prediction {labels}: {', '.join(without)}")
    rows = []
    for one in ranked:
        chance = uncertainty(chosen[one.sample], one.prediction)
        found = suggest(chance, slices, axis, distance, boxes, box_shape)
        rows.append((one, found))
    if as_json:
        say_json(
            {
                "dataset": str(chosen.path),
                "samples": [
                    {**one.to_dict(), "places": [place.to_dict() for place in found]}
                    for one, found in rows
                ],
            }
        )
        return
    say_table(
        ("sample", "prediction", "voxels expected to be wrong", "share"),
        ((r.sample, r.prediction, f"{r.expected:.0f}", f"{r.share:.2%}") for r in ranked),
    )
    for one, found in rows:
        say("")
        say(f"{one.sample}:")
        say_places(found)


def say_places(found: "list[Suggestion]") -> None:
    """Write the table of slices and boxes."""
    if not found:
        say("  nothing is expected to be wrong")
        return
    say_table(
        ("place", "voxels expected to be wrong", "share of all", "of its voxels"),
        (
            (
                place.name, f"{place.expected:.0f}", f"{place.share:.1%}",
                f"{place.expected / place.n_voxels:.2%}",
            )
            for place in found
        ),
    )  # fmt: skip
