"""The working copy of a scan: resampled and normalised once, read many times."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.dataset._create import describe_derivative
from srseg.dataset._layout import PREPARED, Layout, SampleKey
from srseg.dataset._sidecar import ScanFile, difference, pixel_size, written_now
from srseg.errors import ParameterError, SRSegError
from srseg.io import create_hdf5, describe, open_volume
from srseg.machine import ahead, scratch_folder
from srseg.preprocessing import model_grid, prepared_once
from srseg.progress import task
from srseg.storage import FileStamp, make_folder, read_json, require_free_space, write_json
from srseg.volumes import FieldOfView, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Region, Volume

_STEPS = 65535


@dataclass(frozen=True)
class Prepared:
    """What was done for one sample.

    Parameters
    ----------
    sample : str
        Its name.
    path : Path or None
        The working copy; None where it could not be made.
    status : {"made", "kept", "failed"}
        Whether it was made now, was already there with the same settings, or could not be made.
    reason : str, default=""
        Why it failed.
    n_bytes : int, default=0
        How many bytes of voxels the scan has, where they were read.
    seconds : float, default=0.0
        How long it took.
    """

    sample: str
    path: Path | None
    status: Literal["made", "kept", "failed"]
    reason: str = ""
    n_bytes: int = 0
    seconds: float = 0.0


def open_prepared(
    layout: Layout,
    key: SampleKey,
    scan: ScanFile,
    voxel_size: float | None,
    clip: tuple[float, float],
) -> Volume | None:
    """Open the working copy made with these settings from this scan, None where there is none."""
    voxel_size = _resolved(voxel_size, scan)
    if voxel_size is None:
        return None
    sidecar = layout.prepared_sidecar(key, voxel_size)
    path = sidecar.with_suffix(".h5")
    if not sidecar.is_file() or not path.is_file():
        return None
    if not _fits(read_json(sidecar), scan, voxel_size, clip):
        return None
    # another process may have put a copy with other settings into its place since
    made = describe(path).metadata.get("provenance")
    # relocate notes a new time in the sidecar, and never writes into the copy
    if not isinstance(made, dict) or not _fits(made, replace(scan, copied=True), voxel_size, clip):
        return None
    volume = open_volume(path)
    volume.field = _placed_field(scan)
    return volume


def make_prepared(
    layout: Layout,
    key: SampleKey,
    scan_file: ScanFile,
    *,
    voxel_size: float | None,
    clip: tuple[float, float],
    scratch: Path | str | None,
    wait: bool,
) -> Prepared:
    """Make the working copy, unless it is there with the same settings.

    Raises
    ------
    InUseError
        If another process is making it, and is not to be waited for.
    """
    resolved = _resolved(voxel_size, scan_file)
    if resolved is None:
        raise ParameterError(
            f"{scan_file.path}: the scan's voxels are not cubic, "
            f"{scan_file.grid.voxel_size} µm; choose a voxel size to resample to"
        )
    path = layout.prepared_sidecar(key, resolved).with_suffix(".h5")
    with layout.lock(layout.prepared_lock(key), **({} if wait else {"timeout": 0})):
        if open_prepared(layout, key, scan_file, resolved, clip) is not None:
            return Prepared(key.name, path, "kept")
        began = time.perf_counter()
        scan = scan_file.open()
        grid = model_grid(scan.grid, resolved)
        describe_derivative(layout, PREPARED, "Scans resampled and normalised by srseg")
        make_folder(path.parent)
        folder = _scratch(path.parent, grid, scratch, f"the working copy of {key.name}")
        with prepared_once(scan, voxel_size=resolved, clip=clip, scratch=folder) as (
            volume,
            normalisation,
        ):
            description = {
                **pixel_size(grid),
                "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json"],
                "Grid": grid.to_dict(),
                "VoxelSize": resolved,
                "ClipPercentiles": list(clip),
                "Normalisation": None if normalisation is None else normalisation.to_dict(),
                "ScanStamp": scan_file.stamp.to_dict(),
                "ScanGrid": scan_file.placed_grid.to_dict(),
                **({} if volume.field is None else {"FieldOfView": volume.field.to_dict()}),
                "Written": written_now(),
            }
            _write(path, volume, description, f"{key.stem}, resampled and normalised")
    seconds = time.perf_counter() - began
    return Prepared(key.name, path, "made", n_bytes=scan.nbytes, seconds=seconds)


def _write(path: Path, volume: Volume, description: dict[str, Any], title: str) -> None:
    """Write the working copy, and then the sidecar that makes it one."""

    def stored(box: Region) -> tuple[Region, NDArray[np.uint16]]:
        values = volume.read(box)
        values *= np.float32(_STEPS)
        return box, np.rint(values, out=values).astype(np.uint16)

    sidecar = path.with_suffix(".json")
    with (
        create_hdf5(
            path, volume.grid, np.uint16, normalised=True, scale=(1 / _STEPS, 0.0),
            compression=None, title=title, provenance=description, overwrite=True,
        ) as sink,
        task("writing", volume.grid.n_voxels) as progress,
    ):  # fmt: skip
        for box, block in ahead(stored, boxes(volume.shape, 4)):
            sink[box] = block
            progress.advance(block.size)
        sink.finish()  # nothing is taken away for a file that is not whole
        # from here until the new sidecar stands there is no working copy, never a wrong one
        sidecar.unlink(missing_ok=True)
    write_json(sidecar, description, seal=True)


def _scratch(target: Path, grid: Grid, chosen: Path | str | None, what: str) -> Path:
    """Choose the folder of the scratch file, with space left for the copy itself."""
    needed, copy = 4 * grid.n_voxels, 2 * grid.n_voxels
    folder = scratch_folder(needed, chosen, otherwise=target)
    shared = folder.stat().st_dev == target.stat().st_dev
    require_free_space(target, copy + needed * shared, what)
    return folder


def _resolved(voxel_size: float | None, scan: ScanFile) -> float | None:
    """Give the voxel size; None asks for the scan's own, which only cubic voxels have."""
    sizes = scan.placed_grid.voxel_size
    if voxel_size is None and np.allclose(sizes, sizes[0], rtol=1e-6, atol=0):
        return sizes[0]
    return voxel_size


def _placed_field(scan: ScanFile) -> FieldOfView | None:
    """Give the field of view where the sample lies: an alignment takes it along."""
    if scan.field is None or scan.alignment is None:
        return scan.field
    return scan.field.moved(scan.alignment)


def _fits(
    sidecar: Mapping[str, Any],
    scan: ScanFile,
    voxel_size: float,
    clip: tuple[float, float],
) -> bool:
    try:
        same_size = math.isclose(sidecar["VoxelSize"], voxel_size, rel_tol=1e-6)
        same_clip = np.allclose(sidecar["ClipPercentiles"], clip, rtol=0, atol=1e-9)
        stamp = FileStamp.from_dict(sidecar["ScanStamp"])
        # the same file may be registered again with another voxel size or region
        same_grid = Grid.from_dict(sidecar["ScanGrid"]) == scan.placed_grid
        same_file = not difference(stamp, scan.stamp, moved=scan.copied)
        field, given = _placed_field(scan), sidecar.get("FieldOfView")
        same_field = field == (None if given is None else FieldOfView.from_dict(given))
        return same_size and same_clip and same_grid and same_file and same_field
    except (KeyError, TypeError, ValueError, OverflowError, SRSegError):
        return False  # not one of ours: it is made anew
