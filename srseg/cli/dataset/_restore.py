"""``srseg dataset restore``."""

from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import say, say_json

EXAMPLE = "Example: srseg dataset restore A --set WF --revision 2"


def restore(
    sample: Annotated[str, typer.Argument(help="Name of the sample.")],
    revision: Annotated[int, typer.Option(help="Number of the revision to take up again.", min=1)],
    label_set: Annotated[
        str, typer.Option("--set", metavar="NAME", help="Name of the label set.")
    ] = "WF",
    why: Annotated[
        str, typer.Option("--note", help="Why (default: what was noted of that revision).")
    ] = "",
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an older revision of a label set the newest again; all others are kept."""
    from srseg.dataset import restore_labels

    archive = open_dataset(dataset)
    restore_labels(archive, sample, label_set, revision, note=why)
    newest = archive[sample].revisions(label_set)[-1].number
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "sample": sample,
                "set": label_set,
                "restored": revision,
                "revision": newest,
            }
        )
        return
    say(f"label set {label_set} of sample {sample}: revision {revision} is now revision {newest}")
