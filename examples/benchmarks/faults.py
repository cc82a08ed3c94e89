"""What is lost when a command ends in the midst of its work: nothing, or this command says what.

A small library, built with gcc and loaded before libc, counts every call of a command that changes
a file, and lets something happen at a chosen one: SIGKILL, half a write, a power cut, a full disk,
a quota, lost permissions, a disk error, a source that is pulled away, a clock that was set back.
After each, all earlier files are compared by checksum, ``srseg dataset check`` must name what is
unfinished, ``--repair`` must leave nothing, and the same command must give what an undisturbed run
gives. Prints tables in Markdown; ends with an error if anything was lost or needs hands::

    python examples/benchmarks/faults.py --points 0 --kills 200 --tmpfs

Needs Linux and gcc; ``--tmpfs`` needs root, and really fills a small file system.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))

from faulty import preload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faulty.trials import Trial


def main() -> None:
    """Break all commands everywhere, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", nargs="*", metavar="NAME", help="only those (default: all)")
    parser.add_argument("--faults", nargs="*", metavar="NAME", help="only those (default: all)")
    parser.add_argument(
        "--points", type=int, default=0, help="calls per command and fault; 0, the default, is all"
    )
    parser.add_argument("--kills", type=int, default=0, help="kills at random moments, in all")
    parser.add_argument("--tmpfs", action="store_true", help="fill a real file system, as root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add a line for each trial")
    parser.add_argument("--minutes", type=float, default=0, help="begin no trial after this time")
    parser.add_argument(
        "--tell", nargs="+", type=Path, metavar="FILE", help="only print tables of such lines"
    )
    options = parser.parse_args()
    if options.tell:
        _report([one for file in options.tell for one in _read(file)])
        return
    if preload.missing():
        sys.exit(f"faults.py: {preload.missing()}")
    # the process keeps its number when it starts itself again
    library = Path(tempfile.gettempdir()) / f"srseg-faults-{os.getpid()}.so"
    preload.started_with_it(library)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="srseg-faults-") as name:
        trials = list(_until(_all(Path(name), library, options), options))
    library.unlink(missing_ok=True)
    _report(trials)
    print(f"\n{len(trials)} faults in {(time.monotonic() - began) / 60:.1f} minutes")
    if not all(one.found.fine for one in trials):
        sys.exit("faults.py: files were lost, or need hands")


def _all(folder: Path, library: Path, options: argparse.Namespace) -> Iterator[Trial]:
    from faulty.bench import Bench
    from faulty.studies import COMMANDS
    from faulty.trials import (
        ENDS,
        FAULTS,
        applies,
        at_call,
        at_random,
        calls_of,
        of_one_run,
        spread,
    )

    names = options.commands or list(COMMANDS)
    faults = FAULTS if options.faults is None else options.faults
    if faults or options.kills:
        bench = Bench(folder / "disk", library)
        ends = [] if options.points else [fault for fault in ENDS if fault in faults]
        for command in names if ends else ():
            yield from of_one_run(bench, command, ends)
            print(f"{command}: looked at {bench.looked}", file=sys.stderr, flush=True)
        for fault in faults:
            if fault in ends:
                continue
            for command in filter(lambda name, fault=fault: applies(name, fault), names):
                calls = calls_of(bench, command, fault)
                for at in spread(calls, fault, options.points):
                    yield at_call(bench, command, fault, at)
        chance = random.Random(options.seed)  # noqa: S311 - no secret
        for number in range(options.kills):
            yield at_random(bench, names[number % len(names)], chance)
    if options.tmpfs:
        with _small_file_system(folder / "small") as place:
            bench = Bench(place / "disk", library)
            for command in names:
                calls = bench.calls(command)
                for at in spread(calls, "full tmpfs", options.points):
                    yield at_call(bench, command, "full tmpfs", at, ballast=place / "ballast")


def _until(trials: Iterator[Trial], options: argparse.Namespace) -> Iterator[Trial]:
    """Give trials as long as there is time, and keep and tell each at once."""
    end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    for trial in trials:
        _tell(trial)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
        yield trial
        if time.monotonic() > end:
            print("the time is up: not all was tried", file=sys.stderr)
            return


@contextmanager
def _small_file_system(place: Path) -> Iterator[Path]:
    """Mount a file system in memory for the time of a block."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "srseg", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def _tell(trial: Trial) -> None:
    """Say at once what is wrong; the tables come at the end."""
    if not trial.found.fine:
        line = (
            f"{trial.command}, {trial.fault} at {trial.call}: ended with {trial.status} "
            f"({trial.said}); lost {trial.found.lost[:3]}, needs hands {trial.found.hands[:3]}"
        )
        print(line[:800], file=sys.stderr, flush=True)


def _read(file: Path) -> Iterator[Trial]:
    from faulty.afterwards import Found
    from faulty.trials import Trial

    for line in file.read_text("utf-8").splitlines():
        told = json.loads(line)
        yield Trial(**{**told, "found": Found(**told["found"])})


def _report(trials: list[Trial]) -> None:
    from faulty.tables import tables

    print("\n".join(tables(trials)))


if __name__ == "__main__":
    main()
