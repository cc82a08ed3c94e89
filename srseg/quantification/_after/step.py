"""What a step of after-treatment is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from srseg.labels import LabelTable
    from srseg.quantification._after.store import Store
    from srseg.volumes import Grid, Volume

Write = Callable[[int, NDArray[np.uint8]], None]
"""Takes whole slices of the new labels, from a first one on; each slice once, in order."""


class Change(Protocol):
    """One change of a whole label volume, with everything settled."""

    @property
    def title(self) -> str:
        """A few words for tables: ``"islands of bone"``."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was made with, and the rules that hold; values that JSON can hold."""

    def run(self, labels: Store, scan: Volume | None, write: Write) -> Mapping[str, Any]:
        """Write the new labels, and tell what was found; values that JSON can hold."""


class TreatmentStep(Protocol):
    """A step as a user states it: `SmoothLabels`, `RemoveIslands`, `FillHoles`, …."""

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for."""

    def changes(self, table: LabelTable, grid: Grid) -> Sequence[Change]:
        """Settle what is to be done with labels of this table, on this grid."""
