"""The sidecar of a sample and of a label set: what must be in it, and who wrote it."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.errors import DatasetError, FileFormatError, SRSegError
from srseg.storage import FileStamp, file_stamp, read_json
from srseg.volumes import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ScanFile:
    """Where the voxels of a sample are.

    Parameters
    ----------
    path : Path
        The file, or a folder of slices.
    dataset : str or None
        The path inside an HDF5 file.
    copied : bool
        Whether the file is part of the dataset folder.
    stamp : FileStamp
        What it was when it was registered.
    grid : Grid
        Where the voxels lie.
    dtype : str
        Type of the voxels.
    """

    path: Path
    dataset: str | None
    copied: bool
    stamp: FileStamp
    grid: Grid
    dtype: str

    def changed(self) -> str:
        """Say how the file differs from what was registered; empty where it does not.

        A file inside the dataset may have another time of change: folders are copied.
        """
        return difference(self.stamp, file_stamp(self.path), moved=self.copied)

    def require_unchanged(self) -> None:
        """Refuse a file that is no longer what was registered.

        Raises
        ------
        MissingFileError
            If it is gone.
        DatasetError
            If it has changed.
        """
        how = self.changed()
        if how:
            raise DatasetError(
                f"{self.path} is not what was registered: {how}. Put the old file back, or "
                "register the new one under another name"
            )


def difference(old: FileStamp, new: FileStamp, *, moved: bool) -> str:
    """Say in words how two stamps differ, empty where they do not."""
    if old.size != new.size:
        return f"it had {old.size} bytes and has {new.size}"
    if old.header_sha256 != new.header_sha256:
        return "its first bytes have changed"
    if old.mtime_ns != new.mtime_ns and not moved:
        return f"it was last changed {_when(old.mtime_ns)} and now {_when(new.mtime_ns)}"
    return ""


def _when(time_ns: int) -> str:
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"at {time_ns} ns, which is no time"


def read_scan_file(sidecar: Mapping[str, Any], path: Path) -> ScanFile:
    """Read from a sample's sidecar where its voxels are.

    Raises
    ------
    FileFormatError
        If the sidecar does not say it.
    """
    try:
        scan = sidecar["Scan"]
        file, copied = str(scan["File"]), bool(scan["Copied"])
        dataset = scan.get("Dataset")
        # a copied scan lies beside its sidecar: a path that leads out of there is not ours
        if copied and Path(file).name != file:
            raise ValueError(f"File {file!r} is not beside the sidecar")
        return ScanFile(
            path=path.parent / file if copied else Path(file),
            dataset=None if dataset is None else str(dataset),
            copied=copied,
            stamp=FileStamp.from_dict(scan["Stamp"]),
            grid=Grid.from_dict(sidecar["Grid"]),
            dtype=str(sidecar["DataType"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, SRSegError) as error:
        raise not_a_sidecar(path, error) from None


def read_sample_sidecar(path: Path) -> dict[str, Any]:
    """Read the sidecar of a sample, and refuse what is none.

    Raises
    ------
    FileFormatError
        If it is not JSON, or lacks what a sidecar must have.
    """
    sidecar = read_json(path)
    read_scan_file(sidecar, path)
    for section in ("Specimen", "AcquisitionParameters", "ProcessingParameters", "Extra"):
        values = sidecar.get(section, {})
        if not isinstance(values, dict) or not all(
            isinstance(v, str | int | float | bool) for v in values.values()
        ):
            raise not_a_sidecar(path, ValueError(f"{section} must hold texts and numbers"))
        for name, value in values.items():
            if not (name.isprintable() and str(value).isprintable()):
                raise FileFormatError(
                    f"{path}: {section}: {name!r} or its value {value!r} has control characters, "
                    "which break the tables; correct it there"
                )
    return sidecar


def not_a_sidecar(path: Path, error: Exception) -> FileFormatError:
    """Make the error for a sidecar that lacks something."""
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return FileFormatError(
        f"{path} is not a sidecar that srseg wrote ({reason}); take it from a backup, or delete it "
        "and register the scan again (where it was copied: the .h5 beside the sidecar)"
    )


def written_now() -> dict[str, str]:
    """Say who writes, when, and with what."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        who = "unknown"
    return {
        "By": who,
        "At": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "With": f"srseg {__version__}",
    }


def pixel_size(grid: Grid) -> dict[str, Any]:
    """Give the voxel size as BIDS has it: in the order x, y, z."""
    return {"PixelSize": list(reversed(grid.voxel_size)), "PixelSizeUnits": "um"}
