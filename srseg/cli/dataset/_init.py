"""``srseg dataset init``."""

from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import JsonOption
from srseg.cli._output import say, say_json

EXAMPLE = "Example: srseg dataset init mgbone --name 'Mg screws in bone'"


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    name: Annotated[
        str | None, typer.Option(help="A title (default: the folder's name).", show_default=False)
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="TSV",
            help="The classes: a table with the columns index, name, and if you like "
            "abbreviation and color (default: background, bone, degradation layer, residual "
            "material).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty dataset."""
    from srseg.dataset import Dataset, find_dataset, read_label_table
    from srseg.errors import DatasetError, MissingFileError
    from srseg.labels import DEFAULT_LABELS

    try:
        outer = find_dataset(folder.absolute().parent)
    except MissingFileError:
        pass  # as it should be
    else:
        raise DatasetError(
            f"{folder} lies inside the dataset {outer}, and datasets do not nest; choose a folder "
            f"outside it, or add the scans to that one with: srseg dataset add FILE -d {outer}"
        )

    table = DEFAULT_LABELS if labels is None else read_label_table(labels)
    dataset = Dataset.create(folder, name=name, table=table)
    if as_json:
        say_json({"dataset": str(dataset.path), "labels": dataset.table.to_dicts()})
    else:
        say(f"made the dataset {folder}; its classes are {', '.join(table.names)}")
