"""Which samples a check looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._layout import sample_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey


class Scope:
    """A dataset, and those of its samples that are looked at.

    Parameters
    ----------
    layout : Layout
        The dataset folder.
    keys : sequence of SampleKey, optional
        The samples; the whole dataset where it is None.
    """

    def __init__(self, layout: Layout, keys: Sequence[SampleKey] | None) -> None:
        self.layout = layout
        self.whole = keys is None
        self.known = layout.samples()
        self.keys = self.known if keys is None else list(keys)
        self._chosen = set(self.keys)

    def within(self, paths: Iterable[Path]) -> list[Path]:
        """Leave out the files of other samples."""
        if self.whole:
            return list(paths)
        return [path for path in paths if sample_of(path.name) in self._chosen]
