"""``srseg dataset check``."""

from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, open_dataset
from srseg.cli._output import say, say_json
from srseg.cli._root import PROBLEMS

EXAMPLE = "Example: srseg dataset check --deep"


def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every voxel and compare checksums and values.")
    ] = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what is wrong; the exit code is 3 where something is."""
    archive = open_dataset(dataset)
    problems = archive.check(deep=deep)
    if as_json:
        say_json(
            {"dataset": str(archive.path), "problems": [problem.to_dict() for problem in problems]}
        )
    else:
        for problem in problems:
            say(str(problem))
        if not problems:
            say(f"{archive.path}: {len(archive)} samples, no problems")
    if problems:
        raise typer.Exit(PROBLEMS)
