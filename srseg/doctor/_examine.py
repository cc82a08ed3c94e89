"""Everything that is looked at, side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from srseg.doctor._compiler import compiler
from srseg.doctor._dataset import dataset_findings
from srseg.doctor._finding import BUSY, REINSTALL, Finding, one_line
from srseg.doctor._leftovers import leftovers
from srseg.doctor._locks import lock_finding
from srseg.doctor._machine import cores, memory, system
from srseg.doctor._packages import extras, packages, plugins
from srseg.doctor._space import dataset_space, scratch_space
from srseg.doctor._torch import torch_findings

if TYPE_CHECKING:
    from pathlib import Path

_Looking = Callable[[], Sequence[Finding]]

_LIMIT = 30.0  # s, for all of it; it takes some 5 s where nothing hangs
_OF_THE_MACHINE: tuple[tuple[str, _Looking], ...] = (
    ("system", system),
    ("cores", cores),
    ("memory", memory),
    ("torch", torch_findings),
    ("compiler", compiler),
    ("packages", packages),
    ("extras", extras),
    ("plugins", plugins),
)


def examine(dataset: Path | str | None = None, *, limit: float = _LIMIT) -> list[Finding]:
    """Look at the machine, the installation and a dataset.

    Parameters
    ----------
    dataset : path, optional
        The dataset folder; the one at or above the current folder where it is None, if there is
        one.
    limit : float, default=30.0
        Seconds after which what has not answered is told of as such.

    Returns
    -------
    list of Finding
        In the order in which one would look: machine, installation, dataset.
    """
    end = time.monotonic() + limit
    # those that start processes come first: they run while the dataset is looked for
    begun = [_Look(topic, look) for topic, look in _OF_THE_MACHINE]
    root, unfit = _root(dataset)
    begun.append(_Look("scratch", partial(scratch_space, root)))
    if root is not None:
        of_the_dataset: list[tuple[str, _Looking]] = [
            ("disk", partial(dataset_space, root)),
            ("locks", partial(lock_finding, root)),
            ("dataset", partial(dataset_findings, root)),
        ]
        begun += [_Look(topic, look) for topic, look in of_the_dataset]
    begun.append(_Look("left behind", partial(leftovers, root)))
    return [*(found for look in begun for found in look.result(end, limit)), *unfit]


def _root(dataset: Path | str | None) -> tuple[Path | None, list[Finding]]:
    """Find the dataset; where there is none, give what is to be said of that."""
    from srseg.errors import SRSegError

    try:
        from srseg.dataset import Dataset, find_dataset

        return Dataset(find_dataset() if dataset is None else dataset).path, []
    except SRSegError as error:
        if dataset is None:
            text = "none at or above the current folder; -d DIR names one"
            return None, [Finding("dataset", "ok", text)]
        remedy = "give the folder that srseg dataset init made"
        return None, [Finding("dataset", "broken", one_line(error), remedy)]
    except Exception as error:  # a package that is missing or broken
        return None, [_unexamined("dataset", error)]


class _Look:
    """One look in a thread of its own, which may hang without holding up the end of the process."""

    def __init__(self, topic: str, look: _Looking) -> None:
        self._topic = topic
        self._look = look
        self._found: list[Finding] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"doctor {topic}")
        self._thread.start()

    def result(self, end: float, limit: float) -> list[Finding]:
        """Wait for what it finds, until `end` on the clock, and `limit` seconds in all."""
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._found is not None:
            return self._found
        text = f"no answer within {limit:g} s"
        return [Finding(self._topic, "better", text, BUSY)]

    def _run(self) -> None:
        try:
            self._found = list(self._look())
        except BaseException as error:
            self._found = [_unexamined(self._topic, error)]


def _unexamined(topic: str, error: BaseException) -> Finding:
    if isinstance(error, ImportError):
        text = f"could not be looked at: {one_line(error)}"
        return Finding(topic, "broken", text, REINSTALL)
    text = f"could not be looked at: {type(error).__name__}: {one_line(error)}"
    return Finding(topic, "broken", text, "report this line; the rest of this list holds")
