"""Predictions that were stopped and go on with the same command: named, and kept."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._layout import PREDICTION_PREFIX, sample_of
from srseg.dataset._listing import names_in
from srseg.errors import InUseError, StorageError
from srseg.storage import SCRATCH, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.dataset._integrity.mender import Mender
    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._layout import Layout


def paused_work(scope: Scope) -> Iterator[Problem]:
    """Name the predictions that were stopped, or are being made, and what they take."""
    for folder in scope.within(scratch_folders(scope.layout)):
        model = folder.parents[2].name.removeprefix(PREDICTION_PREFIX)
        what = f"a prediction by {model}, {_size(folder)} so far,"
        state = "was stopped or interrupted"
        try:
            with held(folder):
                pass
        except InUseError:
            yield Problem("paused", folder, f"{what} is being made now", "Nothing is to be done.")
            continue
        except StorageError:  # on a disk that cannot be written, nobody can be asked
            state += ", or is being made by somebody else, as its lock cannot be opened"
        yield Problem(
            "paused", folder, f"{what} {state}",
            "The same srseg predict command goes on with it; where it is not wanted any more, "
            "srseg dataset check --repair --discard-scratch removes it.",
        )  # fmt: skip


def discard_paused(mender: Mender) -> None:
    """Remove what predictions that were stopped have kept, unless a process works on it."""
    for folder in scratch_folders(mender.layout):
        try:
            with held(folder):
                mender.do(
                    "removed", folder, f"a prediction that was stopped, {_size(folder)}",
                    partial(shutil.rmtree, folder),
                )  # fmt: skip
        except (InUseError, StorageError) as error:
            mender.leave(folder, str(error))


def scratch_folders(layout: Layout) -> list[Path]:
    """List the scratch folders beside predictions, that are or were to be."""
    folders = [
        base / subject / "micr"
        for base in (layout.derivative(PREDICTION_PREFIX + model) for model in layout.models())
        for subject in names_in(base)
        if subject.startswith("sub-")
    ]
    found = (folder / name for folder in folders for name in names_in(folder))
    return [p for p in found if p.name.endswith(SCRATCH) and sample_of(p.name) and p.is_dir()]


def held(folder: Path) -> ExitStack:
    """Hold the locks that lie in a scratch folder, for the time of a ``with`` block.

    Raises
    ------
    InUseError
        If a process holds one of them.
    StorageError
        If one cannot be opened, as on a disk that cannot be written.
    """
    with ExitStack() as locks:
        for lock in sorted(folder.glob(".*.lock")):
            locks.enter_context(locked(lock.with_name(lock.name[1:-5]), timeout=0))
        return locks.pop_all()


def _size(folder: Path) -> str:
    total = 0
    for here, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += Path(here, name).stat().st_blocks * 512
    return f"{total / 1e9:.2f} GB" if total >= 1e7 else f"{total / 1e6:.2g} MB"
