"""``srseg dataset check``."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srseg.cli._options import DatasetOption, JsonOption, SamplesArgument, open_dataset
from srseg.cli._output import say, say_json
from srseg.cli._root import PROBLEMS

if TYPE_CHECKING:
    from srseg.dataset import Dataset, Problem, Repair

EXAMPLE = "Example: srseg dataset check --deep"

# the kinds of problems that --repair or --accept can end
_MENDED = ("unfinished", "table", "paused", "edited", "missing")


def check(
    samples: SamplesArgument = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Read every byte that srseg wrote and compare checksums and values; also scans "
            "elsewhere that were added with --hash.",
        ),
    ] = False,
    look_in: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False,
            help="A folder in which scans that are not at their place are looked for; may be "
            "repeated.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="First finish or remove what interrupted work left in the dataset, and make its "
            "tables anew. Voxels that lie nowhere else are never removed.",
        ),
    ] = False,
    discard_scratch: Annotated[
        bool,
        typer.Option(
            "--discard-scratch",
            help="With --repair: also remove what predictions that were stopped have kept; they "
            "then begin anew.",
        ),
    ] = False,
    accept: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="First take a sidecar or a text that was edited by hand as right, as it is now; "
            "of a folder, all in it. A text that is gone is taken as deleted on purpose. May be "
            "repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="With --repair or --accept: say what it would do, and do nothing."
        ),
    ] = False,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Look for what is wrong; the exit code is 3 where something is.

    The most serious comes first: damaged, changed, missing and moved files, then what cannot be
    read, what was edited or left unfinished, and files that are nobody's. Predictions that were
    stopped, and what no checksum is known of, are named too; nothing is wrong with them.
    """
    if dry_run and not (repair or accept):
        raise typer.BadParameter(
            "it says what --repair or --accept would do; add that", param_hint="--dry-run"
        )
    if discard_scratch and not repair:
        raise typer.BadParameter(
            "it says what --repair removes too; add that", param_hint="--discard-scratch"
        )
    if repair and samples:
        raise typer.BadParameter(
            "the whole dataset is repaired; leave the samples out", param_hint="--repair"
        )
    archive = open_dataset(dataset)
    steps = _accept(archive, accept, dry_run=dry_run) if accept else []
    if repair:
        steps += _repair(archive, dry_run=dry_run, discard_scratch=discard_scratch)
    chosen = archive.select(name=samples) if samples else open_dataset(archive.path)
    problems = chosen.check(deep=deep, look_in=look_in or ())
    if dry_run:
        mended = {step.path for step in steps if step.action != "left"}
        problems = [p for p in problems if p.kind not in _MENDED or p.path not in mended]
    if as_json:
        say_json(
            {
                "dataset": str(archive.path),
                "problems": [problem.to_dict() for problem in problems],
                **({"repairs": [step.to_dict() for step in steps]} if repair or accept else {}),
            }
        )
    else:
        _say(chosen, steps, problems, dry_run=dry_run)
    if any(problem.is_wrong for problem in problems) or (
        dry_run and any(step.action != "left" for step in steps)
    ):
        raise typer.Exit(PROBLEMS)


def _accept(archive: "Dataset", paths: list[Path], *, dry_run: bool) -> "list[Repair]":
    from srseg.dataset import accept

    return accept(archive, paths, dry_run=dry_run)


def _repair(archive: "Dataset", *, dry_run: bool, discard_scratch: bool) -> "list[Repair]":
    from srseg.dataset import repair

    return repair(archive, dry_run=dry_run, discard_scratch=discard_scratch)


def _say(
    chosen: "Dataset", steps: "list[Repair]", problems: "list[Problem]", *, dry_run: bool
) -> None:
    for step in steps:
        say(f"{'would be ' if dry_run and step.action != 'left' else ''}{step}")
    for problem in problems:
        say(str(problem))
    wrong = [problem for problem in problems if problem.is_wrong]
    counts = Counter(problem.kind for problem in wrong)
    found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    n = len(wrong)
    paused, unverified = (
        sum(p.kind == kind for p in problems) for kind in ("paused", "unverified")
    )
    say(
        f"{chosen.path}: {len(chosen)} sample{'' if len(chosen) == 1 else 's'}, "
        + (f"{n} problem{'s' if n > 1 else ''}: {found}" if n else "no problems")
        + (f", {paused} paused prediction{'s' if paused > 1 else ''}" if paused else "")
        + (f", {unverified} without a checksum" if unverified else "")
        + (" beside what would be repaired" if dry_run and steps else "")
    )
