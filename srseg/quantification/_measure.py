"""What was measured, and everything that is needed to say what the number means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from srseg.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Measure", "Measures"]


@dataclass(frozen=True)
class Measure:
    """One number with its unit and its definition.

    Parameters
    ----------
    name : str
        The key: ``"degradation_rate"``, ``"bone_implant_contact"``, ``"bone_fraction_100um"``.
    title : str
        The name for a table: ``"BV/TV within 100 µm"``.
    value : float
        The number in `unit`; NaN where it has no meaning, and `note` says why.
    unit : str
        ``"mm/year"``, ``"%"``, ``"mm³"``, ``"mm²"``, ``"µm"``, or ``""`` for a ratio.
    definition : str
        One sentence: what was counted, and how.
    settings : mapping
        What the definition leaves open, such as the neighbourhood; values that JSON can hold.
    interval : tuple of float, optional
        Lower and upper end of the interval that is likely to hold the true number.
    note : str
        What the reader has to know about this number, if anything.
    """

    name: str
    title: str
    value: float
    unit: str
    definition: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class Measures:
    """What was measured on one label volume.

    Parameters
    ----------
    entries : tuple of Measure
        The numbers, in the order in which tables show them.
    facts : mapping
        What was measured on and by what: ``"voxel_size_um"`` (a list along z, y, x), ``"sample"``,
        ``"label_set"``, ``"revision"``, ``"software"``, … as far as it is known; values that JSON
        can hold.
    """

    entries: tuple[Measure, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Measure]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, name: str) -> Measure:
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries)
        raise UnknownNameError(f"no measure {name!r}; there are: {known}")
