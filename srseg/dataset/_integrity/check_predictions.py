"""What is wrong with what was saved beside predicted labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._integrity.repair_predictions import is_settled
from srseg.dataset._labels.revisions import data_of, recorded_stamp
from srseg.dataset._layout import PREDICTION_PREFIX
from srseg.dataset._locks import lock_of
from srseg.dataset._predictions.parts import parts_of
from srseg.errors import SRSegError
from srseg.io import MAPS
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._integrity.scope import Scope

_REPAIR = "Finish it with: srseg dataset check --repair."


def prediction_problems(scope: Scope) -> Iterator[Problem]:
    """Look at the maps of each prediction, and for what an interrupted replacement left."""
    layout = scope.layout
    for sidecar in scope.within(layout.prediction_files()):
        path = data_of(sidecar)
        if not sidecar.exists() and path.exists():
            continue  # told of as voxels without a sidecar
        lock = lock_of(layout, path)
        if not is_settled(sidecar):
            busy = lock is not None and layout.in_use(lock)
            message, advice = "the prediction, or its replacement, was interrupted", _REPAIR
            if busy:
                message, advice = "is being written now", "Wait until that is done, then check."
            yield Problem("unfinished", path, message, advice)
        elif sidecar.exists():
            yield from _maps(sidecar)


def _maps(sidecar: Path) -> Iterator[Problem]:
    model = sidecar.parents[2].name.removeprefix(PREDICTION_PREFIX)
    advice = f"Take it from a backup, or predict again with {model} and --overwrite."
    try:
        described = read_json(sidecar)
        recorded_stamp(sidecar, described)
    except SRSegError:
        return  # told of with the labels
    try:
        parts = parts_of(sidecar, described)
    except SRSegError as error:
        yield Problem("unreadable", sidecar, str(error), "Correct it, or predict again.")
        return
    for name, part in parts.items():
        if name not in MAPS:
            continue
        if not part.path.is_file():
            yield Problem(
                "missing", part.path, f"the {name} that {sidecar.name} lists are not there", advice
            )
        elif part.changed():
            yield Problem("changed", part.path, f"not what was saved: {part.changed()}", advice)
