"""What an exported correction was made from: ``correction.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.corrections._suggestion import Suggestion
from srseg.errors import FileFormatError, GridError, MissingFileError
from srseg.storage import read_json
from srseg.volumes import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Region

RECORD = "correction.json"
"""The name of the file."""

_VERSION = 1


@dataclass(frozen=True)
class Piece:
    """A part of a sample that was exported in files of its own.

    Parameters
    ----------
    labels : str
        The name of the file with the labels.
    scan : str
        The name of the file with the scan.
    box : tuple of three slices
        Its voxels, counted in the labels (z, y, x).
    """

    labels: str
    scan: str
    box: Region

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON.

        Returns
        -------
        dict
            Keys ``labels``, ``scan``, ``box``.
        """
        return {"labels": self.labels, "scan": self.scan, "box": _pairs(self.box)}


@dataclass(frozen=True)
class Correction:
    """What an exported correction was made from.

    Parameters
    ----------
    folder : Path
        The folder that it lies in.
    identifier : str
        What tells it from all others.
    sample : str
        Name of the sample.
    label_set : str
        The full name of the label set or the prediction that was exported.
    revision : int or None
        The revision of a label set; None for a prediction.
    stamp : mapping
        The stamp of its file.
    grid : Grid
        Where its voxels lay.
    form : str
        ``"slicer"``, ``"napari"`` or ``"tiff"``.
    suggestions : tuple of Suggestion
        The slices and boxes that are to be corrected.
    pieces : tuple of Piece
        The files.
    """

    folder: Path
    identifier: str
    sample: str
    label_set: str
    revision: int | None
    stamp: Mapping[str, Any]
    grid: Grid
    form: str
    suggestions: tuple[Suggestion, ...]
    pieces: tuple[Piece, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON, without the folder.

        Returns
        -------
        dict
            As ``correction.json`` has it.
        """
        return {
            "srseg_correction": _VERSION,
            "identifier": self.identifier,
            "sample": self.sample,
            "label_set": self.label_set,
            "revision": self.revision,
            "stamp": dict(self.stamp),
            "grid": self.grid.to_dict(),
            "form": self.form,
            "suggestions": [one.to_dict() for one in self.suggestions],
            "pieces": [one.to_dict() for one in self.pieces],
        }


def read_correction(path: Path | str) -> Correction:
    """Read what an exported correction was made from.

    Parameters
    ----------
    path : path
        ``correction.json``, its folder, or any file beside it.

    Returns
    -------
    Correction
        What it says.

    Raises
    ------
    MissingFileError
        If there is none.
    FileFormatError
        If it cannot be read.
    """
    given = Path(path)
    file = (given if is_export(given) else given.parent) / RECORD
    if not file.is_file():
        raise MissingFileError(
            f"{file} is not there: it says what {given.name or given} was made from. Put the file "
            "back beside it, or name it with --correction"
        )
    data = read_json(file)
    try:
        if data["srseg_correction"] != _VERSION:
            raise FileFormatError(
                f"{file} is of version {data['srseg_correction']!r}; this srseg reads {_VERSION}. "
                "Use the version that exported it"
            )
        return Correction(
            folder=file.parent,
            identifier=str(data["identifier"]),
            sample=str(data["sample"]),
            label_set=str(data["label_set"]),
            revision=None if data["revision"] is None else int(data["revision"]),
            stamp=dict(data["stamp"]),
            grid=Grid.from_dict(data["grid"]),
            form=str(data["form"]),
            suggestions=tuple(
                Suggestion.from_dict(one, where=str(file)) for one in data["suggestions"]
            ),
            pieces=tuple(
                Piece(str(one["labels"]), str(one["scan"]), _box(one["box"]))
                for one in data["pieces"]
            ),
        )
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, GridError) as error:
        raise FileFormatError(
            f"{file} is not what srseg wrote ({error!r}); take it from a backup, or export again"
        ) from None


def is_export(path: Path) -> bool:
    """Tell a folder that was exported from a volume that is a folder."""
    return path.is_dir() and not path.name.lower().endswith(".zarr")


def _pairs(box: Region) -> list[list[int]]:
    return [[part.start, part.stop] for part in box]


def _box(pairs: Any) -> Region:
    z, y, x = (slice(int(first), int(last)) for first, last in pairs)
    return z, y, x
