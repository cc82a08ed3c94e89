"""``srseg dataset history``."""

from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import say, say_json, say_table, voxels

if TYPE_CHECKING:
    from srseg.dataset import LabelRevision

EXAMPLE = "Example: srseg dataset history A --set WF"


def history(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set.")
    ] = "WF",
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the revisions of a label set: who added them, when, and how they were made."""
    archive = open_dataset(dataset)
    one_sample = archive[sample]
    found = one_sample.revisions(label_set)
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "sample": sample,
                "set": label_set,
                "revisions": [one.to_dict() for one in found],
            }
        )
        return
    others = [name for name in one_sample.label_sets if name != label_set]
    say(
        f"sample {sample}, label set {label_set}"
        + (f" (others: {', '.join(others)})" if others else "")
    )
    table = archive.table
    say_table(
        ("revision", "by", "at", "voxels", *table.names, "note", "source"),
        (
            (
                f"{one.number}{' (newest)' if one.newest else ''}",
                one.by,
                one.at[:19].replace("T", " "),
                voxels(one.shape),
                *(one.voxels.get(c.value, 0) for c in table),
                _how(one),
                one.source,
            )
            for one in found
        ),
    )


def _how(one: "LabelRevision") -> str:
    """Say how a revision was made: restored, corrected, and what was noted."""
    said = [] if one.restored is None else [f"revision {one.restored} again"]
    if one.corrected is not None:
        said.append(
            f"{one.corrected['changed']} voxels of {one.corrected['set']} corrected, "
            f"{one.corrected['confirmed']} looked at"
        )
    return (
        ": ".join([", ".join(said), one.note]) if said and one.note else one.note or ", ".join(said)
    )
