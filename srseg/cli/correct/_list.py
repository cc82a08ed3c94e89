"""``srseg correct list``."""

from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
)
from srseg.cli._output import note, say, say_json, say_table
from srseg.cli.correct._places import (
    AxisOption,
    BoxesOption,
    BoxShapeOption,
    SlicesOption,
    across,
    note_corrected,
    suggest,
)

if TYPE_CHECKING:
    from srseg.corrections import RankedSample, Suggestion
    from srseg.dataset import Dataset

EXAMPLE = "Example: srseg correct list --labels srseg-wf --slices 5"


def list_(
    labels: Annotated[
        str,
        typer.Option(metavar="PREDICTION", help="The prediction, such as srseg-wf/soft9; it was "
                     "made with --save disagreement."),
    ],
    samples: SamplesArgument = None,
    slices: SlicesOption = None,
    total: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default=False,
                     help="Divide so many slices over all samples instead: each gets as many as is "
                     "worth it."),
    ] = None,
    axis: AxisOption = "best",
    boxes: BoxesOption = 0,
    box_shape: BoxShapeOption = "64",
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Rank samples by what is expected to be wrong, and tell which slices and boxes hold most.

    It is what the disagreement of the planes tells: where a network is wrong and certain of it,
    nothing is found. Slices are spread over where the prediction is doubtful, so that they show
    different things; the one to correct first is the first.
    """
    if total and (slices or boxes):
        raise typer.BadParameter(
            "so many over all samples, or --slices and --boxes of each", param_hint="--total"
        )
    from srseg.corrections import rank_samples

    chosen = choose_samples(dataset, samples, select)
    ranked = rank_samples(chosen, labels)
    without = sorted(set(chosen.names) - {one.sample for one in ranked})
    if without:
        note(f"srseg: no prediction {labels}: {', '.join(without)}")
    if total:
        rows = _divided(chosen, ranked, total, axis)
    else:
        rows = [
            (one, suggest(chosen[one.sample], one.prediction, slices, axis, boxes, box_shape))
            for one in ranked
        ]
    for one, found in rows:
        note_corrected(chosen[one.sample], one.prediction, found)
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
        if found:
            say(_export_command(one, found, slices, axis, boxes, box_shape, divided=bool(total)))


def _export_command(
    one: "RankedSample",
    found: "list[Suggestion]",
    slices: int | None,
    axis: str,
    boxes: int,
    shape: str,
    *,
    divided: bool,
) -> str:
    """Give the command that exports the places that were found."""
    if divided:
        chosen = [f"--at {found[0].axis}:{','.join(str(place.index) for place in found)}"]
    else:
        chosen = [] if slices is None else [f"--slices {slices}"]
        chosen += [] if axis == "best" else [f"--axis {axis}"]
        chosen += [f"--boxes {boxes} --box-shape {shape}"] if boxes else []
    words = ["srseg correct export", one.sample, "--labels", one.prediction, *chosen]
    return " ".join([*words, "--out", f"{one.sample}-to-correct"])


def _divided(
    dataset: "Dataset", ranked: "list[RankedSample]", total: int, axis: str
) -> "list[tuple[RankedSample, list[Suggestion]]]":
    """Divide slices over samples, by what they are worth in all of them together."""
    from srseg.corrections import suggest_over, uncertainty

    volumes = [
        (uncertainty(dataset[one.sample], one.prediction),
         dataset[one.sample].labels(one.prediction))
        for one in ranked
    ]  # fmt: skip
    rows: list[tuple[RankedSample, list[Suggestion]]] = [(one, []) for one in ranked]
    for position, place in suggest_over(volumes, total, axis=across(axis)):
        rows[position][1].append(place)
    return rows


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
