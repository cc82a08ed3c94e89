"""The files that make up a prediction: its labels, and the maps that its sidecar lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.revisions import aside_of, data_of, recorded_stamp
from srseg.dataset._sidecar import difference
from srseg.errors import FileFormatError
from srseg.io import MAPS
from srseg.storage import FileStamp, file_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.io import PredictionMap

SAVED = "Saved"
"""The key of a prediction's sidecar that lists its maps, each with its file and stamp."""


@dataclass(frozen=True)
class Part:
    """A file with voxels of a prediction.

    Parameters
    ----------
    path : Path
        Where it lies.
    stamp : FileStamp
        What it was when it was written.
    """

    path: Path
    stamp: FileStamp

    @property
    def aside(self) -> Path:
        """Where it lies while a newer prediction takes its place."""
        return aside_of(self.path)

    def changed(self) -> str:
        """Say how what lies at its place differs from it; empty where it is it.

        Raises
        ------
        MissingFileError
            If nothing lies there.
        """
        return difference(self.stamp, file_stamp(self.path), moved=True)

    @property
    def stands(self) -> bool:
        """Whether it lies at its place."""
        return self.path.is_file() and not self.changed()

    @property
    def stands_aside(self) -> bool:
        """Whether it lies where it was put for a newer one."""
        there = self.aside
        return there.is_file() and not difference(self.stamp, file_stamp(there), moved=True)


def map_file(sidecar: Path, one: PredictionMap) -> Path:
    """Give the file of a map, by the sidecar of the labels that it belongs to."""
    return sidecar.with_name(f"{sidecar.name.removesuffix('dseg.json')}{one.suffix}.h5")


def parts_of(sidecar: Path, described: Mapping[str, Any]) -> dict[str, Part]:
    """List the files of a prediction: ``labels``, and the maps by name.

    Raises
    ------
    FileFormatError
        If the sidecar does not say it.
    """
    labels = Part(data_of(sidecar), recorded_stamp(sidecar, dict(described)))
    parts = {"labels": labels}
    try:
        for name, said in described.get(SAVED, {}).items():
            parts[name] = Part(map_file(sidecar, MAPS[name]), FileStamp.from_dict(said["Stamp"]))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise FileFormatError(
            f"{sidecar}: {SAVED} is not what srseg wrote; take it from a backup, or predict again"
        ) from None
    return parts
