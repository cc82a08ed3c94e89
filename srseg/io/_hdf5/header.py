"""What srseg notes beside the voxels it writes: grid, scale, labels. Lossless, with a checksum."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, GridError, SRSegError, StorageError
from srseg.io._hdf5.texts import attribute, text_attribute
from srseg.labels import LabelTable
from srseg.volumes import Grid

if TYPE_CHECKING:
    from pathlib import Path

_ATTRIBUTE, _SUM, _VERSION = "srseg", "srseg_crc32", 1


@dataclass(frozen=True)
class Header:
    """What srseg notes beside the voxels it writes, as an attribute of the dataset.

    Parameters
    ----------
    grid : Grid
        The grid of the volume, to the last bit.
    normalised : bool
        Whether the grey values are clipped and scaled to [0, 1].
    scale : tuple of float, optional
        Factor and offset that turn stored numbers into grey values.
    table : LabelTable, optional
        What the values mean, for labels.
    """

    grid: Grid
    normalised: bool = False
    scale: tuple[float, float] | None = None
    table: LabelTable | None = None

    def store(self, dataset: Any) -> None:
        """Write the header.

        Parameters
        ----------
        dataset : h5py.Dataset
            The dataset of the voxels.
        """
        text = json.dumps(
            {
                "version": _VERSION,
                "grid": self.grid.to_dict(),
                "normalised": self.normalised,
                "scale": self.scale,
                "labels": None if self.table is None else self.table.to_dicts(),
            }
        )
        dataset.attrs[_ATTRIBUTE] = text
        dataset.attrs[_SUM] = zlib.crc32(text.encode())

    @classmethod
    def load(cls, dataset: Any, path: Path) -> Header | None:
        """Read the header.

        Parameters
        ----------
        dataset : h5py.Dataset
            The dataset of the voxels.
        path : Path
            The file, for messages.

        Returns
        -------
        Header or None
            None where srseg did not write the dataset.

        Raises
        ------
        StorageError
            If the header is not what was written.
        FileFormatError
            If a newer version of srseg wrote it.
        """
        if _ATTRIBUTE not in dataset.attrs:
            return None
        text = text_attribute(dataset, _ATTRIBUTE)
        if zlib.crc32(text.encode()) != attribute(dataset, _SUM):
            raise StorageError(
                f"{path}: the header of {dataset.name} is damaged (its checksum does not fit); "
                "take the file from a backup"
            )
        try:
            data = json.loads(text)
            if data["version"] > _VERSION:
                raise FileFormatError(
                    f"{path} was written by a newer srseg (layout {data['version']}, this one "
                    f"reads {_VERSION}); update srseg"
                )
            factor, offset = data["scale"] or (1.0, 0.0)
            rows = data["labels"]
            return cls(
                Grid.from_dict(data["grid"]),
                bool(data["normalised"]),
                None if data["scale"] is None else (float(factor), float(offset)),
                None if rows is None else LabelTable.from_dicts(rows, where=str(path)),
            )
        except GridError as error:
            raise FileFormatError(f"{path}: {error}") from None
        except SRSegError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(
                f"{path}: cannot read the header of {dataset.name} ({error!r})"
            ) from None
