"""``srseg dataset relocate``."""

from pathlib import Path
from typing import Annotated

import typer

from srseg.cli._options import DatasetOption, DryRunOption, JsonOption, open_dataset
from srseg.cli._output import say, say_json
from srseg.cli._root import PROBLEMS

EXAMPLE = "Example: srseg dataset relocate /beamtime/2024 /archive/2024"


def relocate(
    old: Annotated[Path, typer.Argument(help="Where the scans were: a folder, or one file.")],
    new: Annotated[Path, typer.Argument(help="Where they are now.")],
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read every byte and compare it with the checksum that was recorded; where none "
            "was, record it now.",
        ),
    ] = False,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Note that storage has moved: scans that are registered by reference lie elsewhere now.

    A scan is registered at its new place only where the same file lies there. The exit code is 3
    where some were not found or are not the same; these stay as they are.
    """
    from srseg.dataset import relocate as work

    archive = open_dataset(dataset)
    done = work(archive, old, new, dry_run=dry_run, verify=verify)
    left = [answer for answer in done if answer.status != "moved"]
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "dry_run": dry_run,
                "scans": [answer.to_dict() for answer in done],
            }
        )
    else:
        for answer in done:
            if answer.status == "moved":
                say(f"{answer.sample}: {answer.old} -> {answer.new}")
            else:
                say(f"{answer.sample}: left as it was ({answer.status}): {answer.message}")
        moved = len(done) - len(left)
        was = "it was" if len(left) == 1 else "they were"
        left_as = f", {len(left)} left as {was}" if left else ""
        verb = "would be registered" if dry_run else "registered"
        say(
            f"{archive.path}: {moved} of {len(done)} scan{'s' if len(done) > 1 else ''} {verb} at "
            f"the new place{left_as}"
        )
    if left:
        raise typer.Exit(PROBLEMS)
