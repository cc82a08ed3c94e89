"""What the pictures of a sample are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.labels import LabelTable
    from srseg.volumes import Volume

_MOST_SETS = 4  # beside each other in a picture


@dataclass(frozen=True)
class Shown:
    """A scan with its label sets.

    Parameters
    ----------
    name : str
        The sample.
    scan : Volume or None
        The scan; None where it is away.
    labels : mapping of str to Volume
        The label sets.
    maps : mapping of str to Volume
        Disagreement.
    against : str or None
        The label set that counts as true.
    table : LabelTable
        The classes.
    counts : mapping of str to mapping of int to int
        Voxels of each value, by label set.
    """

    name: str
    scan: Volume | None
    labels: Mapping[str, Volume]
    maps: Mapping[str, Volume]
    against: str | None
    table: LabelTable
    counts: Mapping[str, Mapping[int, int]]

    @property
    def main(self) -> str | None:
        """The label set that stands for the sample: the truth, or the last, if it is whole."""
        wanted = [*([self.against] if self.against else []), *reversed(list(self.labels))]
        return next((name for name in wanted if self._is_whole(name)), next(iter(wanted), None))

    @property
    def some(self) -> dict[str, Volume]:
        """The label sets that a picture has room for: the truth, and the last others."""
        others = [name for name in self.labels if name != self.against]
        kept = {*others[-(_MOST_SETS - (self.against is not None)) :], self.against}
        return {name: volume for name, volume in self.labels.items() if name in kept}

    def _is_whole(self, name: str) -> bool:
        """Whether at least half of the voxels are labelled."""
        counts = self.counts.get(name, {})
        return 2 * counts.get(UNLABELLED, 0) <= sum(counts.values())
