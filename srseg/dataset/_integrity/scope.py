"""Which samples a check looks at, and what their sidecars say."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from srseg.dataset._layout import sample_of
from srseg.dataset._old_rows import without_sidecar
from srseg.dataset._sidecar import ScanFile, read_sample_sidecar, read_scan_file
from srseg.errors import SRSegError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey


class Described(NamedTuple):
    """What the sidecar of a sample says."""

    sidecar: dict[str, Any]
    scan: ScanFile


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

    @cached_property
    def registered(self) -> set[SampleKey]:
        """All samples of the dataset, to ask for one."""
        return set(self.known)

    @cached_property
    def waiting(self) -> set[SampleKey]:
        """The samples of which a copied scan is there, and not yet or no longer its sidecar."""
        return set(without_sidecar(self.layout, self.known))

    @cached_property
    def described(self) -> dict[SampleKey, Described | SRSegError]:
        """What each sidecar says, read once; the error where it cannot be read."""
        found: dict[SampleKey, Described | SRSegError] = {}
        for key in self.keys:
            path = self.layout.scan_sidecar(key)
            try:
                sidecar = read_sample_sidecar(path)
                found[key] = Described(sidecar, read_scan_file(sidecar, path))
            except SRSegError as error:
                found[key] = error
        return found

    @cached_property
    def scans(self) -> dict[SampleKey, ScanFile]:
        """The scans whose sidecar can be read."""
        return {k: d.scan for k, d in self.described.items() if isinstance(d, Described)}

    def within(self, paths: Iterable[Path]) -> list[Path]:
        """Leave out the files of other samples."""
        if self.whole:
            return list(paths)
        return [path for path in paths if sample_of(path.name) in self._chosen]
