"""The working copy of a scan: resampled and normalised once, read many times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.dataset._create import describe_derivative
from srseg.dataset._layout import PREPARED, Layout, SampleKey
from srseg.dataset._sidecar import ScanFile, difference, pixel_size, written_now
from srseg.errors import ParameterError, SRSegError
from srseg.io import create_hdf5, open_volume
from srseg.preprocessing import fit_normalisation, model_grid, prepare, resample
from srseg.progress import task
from srseg.storage import FileStamp, read_json, require_free_space, write_json
from srseg.volumes import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Volume

_STEPS = 65535


@dataclass(frozen=True)
class Prepared:
    """What was done for one sample.

    Parameters
    ----------
    sample : str
        Its name.
    path : Path
        The working copy.
    status : {"made", "kept"}
        Whether it was made now, or was already there with the same settings.
    """

    sample: str
    path: Path
    status: Literal["made", "kept"]


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
    return open_volume(path)


def make_prepared(
    layout: Layout,
    key: SampleKey,
    scan_file: ScanFile,
    scan: Volume,
    voxel_size: float | None,
    clip: tuple[float, float],
) -> Prepared:
    """Make the working copy, unless it is there with the same settings."""
    voxel_size = _resolved(voxel_size, scan_file)
    if voxel_size is None:
        raise ParameterError(
            f"{scan_file.path}: the scan's voxels are not cubic, "
            f"{scan_file.grid.voxel_size} µm; choose a voxel size to resample to"
        )
    sidecar = layout.prepared_sidecar(key, voxel_size)
    path = sidecar.with_suffix(".h5")
    with layout.lock(f"prepared-{key.name}"):
        if open_prepared(layout, key, scan_file, voxel_size, clip) is not None:
            return Prepared(key.name, path, "kept")
        describe_derivative(layout, PREPARED, "Scans resampled and normalised by srseg")
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {}
        if scan.normalised:
            volume = prepare(scan, voxel_size=voxel_size, clip=clip)
        else:
            grid = model_grid(scan.grid, voxel_size)
            normalisation = fit_normalisation(resample(scan, grid, order="linear"), clip)
            facts = normalisation.to_dict()
            volume = prepare(scan, voxel_size=voxel_size, clip=clip, normalisation=normalisation)
        require_free_space(path.parent, 2 * volume.grid.n_voxels, f"the working copy of {key.name}")
        description = {
            **pixel_size(volume.grid),
            "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json"],
            "Grid": volume.grid.to_dict(),
            "VoxelSize": voxel_size,
            "ClipPercentiles": list(clip),
            "Normalisation": facts or None,
            "ScanStamp": scan_file.stamp.to_dict(),
            "ScanGrid": scan_file.placed_grid.to_dict(),
            "Written": written_now(),
        }
        with (
            create_hdf5(
                path, volume.grid, np.uint16, normalised=True, scale=(1 / _STEPS, 0.0),
                compression=None, title=f"{key.stem}, resampled and normalised",
                provenance=description, overwrite=True,
            ) as sink,
            task(f"preparing {key.name}", volume.grid.n_voxels) as progress,
        ):  # fmt: skip
            for box in boxes(volume.shape, 4):
                block = np.rint(volume.read(box) * np.float32(_STEPS)).astype(np.uint16)
                sink[box] = block
                progress.advance(block.size)
            sink.finish()  # nothing is taken away for a file that is not whole
            # from here until the new sidecar stands there is no working copy, never a wrong one
            sidecar.unlink(missing_ok=True)
        write_json(sidecar, description)
    return Prepared(key.name, path, "made")


def _resolved(voxel_size: float | None, scan: ScanFile) -> float | None:
    """Give the voxel size; None asks for the scan's own, which only cubic voxels have."""
    sizes = scan.placed_grid.voxel_size
    if voxel_size is None and np.allclose(sizes, sizes[0], rtol=1e-6, atol=0):
        return sizes[0]
    return voxel_size


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
        # the same file may be registered again with another voxel size
        same_grid = Grid.from_dict(sidecar["ScanGrid"]) == scan.placed_grid
        same_file = not difference(stamp, scan.stamp, moved=scan.copied)
        return same_size and same_clip and same_grid and same_file
    except (KeyError, TypeError, ValueError, OverflowError, SRSegError):
        return False  # not one of ours: it is made anew
