"""The sidecar of a sample and of a label set: what must be in it, and who wrote it."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg._version import __version__
from srseg.dataset._metadata.document import require_known_version
from srseg.dataset._scans.aligned import alignment_in
from srseg.errors import DatasetError, FileFormatError, SRSegError
from srseg.io import Reading, open_volume
from srseg.storage import FileStamp, file_stamp, read_json
from srseg.volumes import FieldOfView, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Region, RigidTransform, Volume


@dataclass(frozen=True)
class ScanFile:
    """Where the voxels of a sample are.

    Parameters
    ----------
    path : Path
        The file, or a folder of slices.
    reading : Reading
        How the file is read: the path inside it, the order of its axes.
    copied : bool
        Whether the file is part of the dataset folder.
    stamp : FileStamp
        What it was when it was registered.
    grid : Grid
        Where the voxels of the whole file lie.
    dtype : str
        Type of the voxels.
    parts : tuple of Path, default=()
        Other files that hold its voxels.
    sha256 : str, optional
        The checksum of every byte, where it was asked for.
    roi : tuple of three slices, optional
        The part of the file that is the sample; the whole where it is None.
    field : FieldOfView, optional
        Where the reconstruction saw anything, in the space of `grid`.
    alignment : RigidTransform, optional
        Where alignment takes it from there.
    """

    path: Path
    reading: Reading
    copied: bool
    stamp: FileStamp
    grid: Grid
    dtype: str
    parts: tuple[Path, ...] = ()
    sha256: str | None = None
    roi: Region | None = None
    field: FieldOfView | None = None
    alignment: RigidTransform | None = None

    @property
    def placed_grid(self) -> Grid:
        """Where the voxels of the sample lie."""
        grid = self.grid if self.roi is None else self.grid.cropped(self.roi)
        return grid if self.alignment is None else grid.moved(self.alignment)

    def open(self) -> Volume:
        """Open the scan as the sample has it, still unread.

        Returns
        -------
        Volume
            The region of the file that is the sample, where alignment puts it, with its field of
            view.

        Raises
        ------
        MissingFileError
            If its file is gone.
        DatasetError
            If its file has changed since, or its sidecar says that its voxels lie elsewhere.
        """
        self.require_unchanged()
        volume = open_volume(self.path, self.reading, default_grid=self.grid)
        require_same_grid(volume, self.grid, self.path, "the sidecar of the sample")
        volume.field = self.field
        part = volume if self.roi is None else volume.cropped(self.roi)
        return part if self.alignment is None else part.moved(self.alignment)

    def changed(self) -> str:
        """Say how the file differs from what was registered.

        A file inside the dataset may have another time of change: folders are copied.

        Returns
        -------
        str
            What differs, in words; empty where nothing does.

        Raises
        ------
        MissingFileError
            If it is gone.
        """
        return difference(self.stamp, file_stamp(self.path, self.parts), moved=self.copied)

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


def require_same_grid(volume: Volume, said: Grid, path: Path, where: str) -> None:
    """Refuse voxels that lie elsewhere than a sidecar says, by which everything is planned.

    Raises
    ------
    DatasetError
        If their number, size, origin or direction is another.
    """
    if volume.grid.same_as(said):
        return
    units = {"shape": " voxels", "voxel_size": " µm", "origin": " µm", "direction": ""}
    for name, unit in units.items():
        there, here = getattr(volume.grid, name), getattr(said, name)
        if there != here:
            raise DatasetError(
                f"{path}: its {name.replace('_', ' ')} is {there}{unit}, and Grid in {where} says "
                f"{here}; the sidecar was changed. Correct Grid there, or take the sidecar from a "
                "backup"
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
    alignment = alignment_in(sidecar, path)
    try:
        scan = sidecar["Scan"]
        file, copied = str(scan["File"]), bool(scan["Copied"])
        reading = Reading.from_dict(scan.get("Reading", {}))
        grid, field = Grid.from_dict(sidecar["Grid"]), sidecar.get("FieldOfView")
        # a copied scan lies beside its sidecar: a path that leads out of there is not ours
        if "\0" in file or (copied and Path(file).name != file):
            raise ValueError(f"File {file[:200]!r} is not beside the sidecar")
        return ScanFile(
            path=path.parent / file if copied else Path(file),
            reading=reading,
            copied=copied,
            stamp=FileStamp.from_dict(scan["Stamp"]),
            grid=grid,
            dtype=str(sidecar["DataType"]),
            parts=tuple(Path(part) for part in scan.get("Parts", ())),
            sha256=scan.get("Sha256"),
            roi=_roi(sidecar.get("Roi"), grid),
            field=None if field is None else FieldOfView.from_dict(field),
            alignment=alignment,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, SRSegError) as error:
        raise not_a_sidecar(path, error) from None


def read_grid(described: Mapping[str, Any], path: Path) -> Grid:
    """Read from a sidecar where its voxels lie.

    Raises
    ------
    FileFormatError
        If it does not say it.
    """
    try:
        return Grid.from_dict(described["Grid"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, SRSegError) as error:
        raise FileFormatError(
            f"{path}: its Grid cannot be read ({error}); take the sidecar from a backup"
        ) from None


def _roi(bounds: Any, grid: Grid) -> Region | None:
    if bounds is None:
        return None
    z, y, x = (slice(int(first), int(last)) for first, last in bounds)
    grid.cropped((z, y, x))  # refuses a box that is not inside
    return z, y, x


def read_sample_sidecar(path: Path) -> dict[str, Any]:
    """Read the sidecar of a sample, and refuse what is none.

    Raises
    ------
    FileFormatError
        If it is not JSON, or lacks what a sidecar must have.
    """
    sidecar = read_json(path)
    require_known_version(sidecar, path)
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
