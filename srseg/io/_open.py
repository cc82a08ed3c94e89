"""Open a scan or a label volume, whatever its format."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import FileFormatError, GridError, LabelError, ParameterError
from srseg.io._axes import TurnedSource, in_our_order
from srseg.io._format import format_of, require_file
from srseg.io._reading import Reading
from srseg.volumes import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.io._format import Format
    from srseg.io._info import ScanInfo
    from srseg.volumes import Grid


def describe(path: Path | str, reading: Reading | None = None) -> ScanInfo:
    """Tell what a file says of the volume in it, without reading voxels.

    Parameters
    ----------
    path : path
        A file, or a folder of TIFF slices.
    reading : Reading, optional
        How to read the file, where it does not say: path of the dataset inside it, order of its
        axes, shape and type of bare voxels.

    Returns
    -------
    ScanInfo
        Format, shape, type, voxel size and the metadata that were found.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If the format is not known, or the file does not hold one volume: raw projections, two
        volumes, a single slice, a missing slice.
    """
    reading = reading or Reading()
    return in_our_order(_described(path, reading)[1], reading)


def open_volume(
    path: Path | str,
    reading: Reading | None = None,
    *,
    voxel_size: float | None = None,
    default_grid: Grid | None = None,
    labels: bool = False,
) -> Volume:
    """Open a scan or a label volume; voxels are read when they are needed.

    HDF5, OME-Zarr, TIFF (uncompressed, or page by page), bare voxels, and uncompressed MHA, NRRD,
    NIfTI and Amira files are read box by box; compressed MHA, NRRD, NIfTI and Amira files are
    decoded whole at the first read and kept in memory, because their compression has no way to read
    a part.

    Parameters
    ----------
    path : path
        A file, or a folder of TIFF slices.
    reading : Reading, optional
        How to read the file, where it does not say: path of the dataset inside it, order of its
        axes, shape and type of bare voxels.
    voxel_size : float, optional
        Edge length of the voxels in µm, for a file that does not say it.
    default_grid : Grid, optional
        The grid to take where the file does not say its voxel size and has the same shape: labels
        drawn on a scan.
    labels : bool, default=False
        Whether this is a label volume: integers are required, and the label table that the file
        carries becomes that of the volume.

    Returns
    -------
    Volume
        The volume; it pickles as its path and is safe in worker processes.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If the file does not hold one volume, its voxel size is not known, or it states another than
        `voxel_size`.
    LabelError
        If labels are asked for and the voxels are not integers.
    """
    reading = reading or Reading()
    chosen, found = _described(path, reading)
    info = in_our_order(found, reading)
    if voxel_size is not None and not (math.isfinite(voxel_size) and voxel_size > 0):
        raise ParameterError(f"voxel_size must be a positive length in µm, found {voxel_size}")
    if labels and info.dtype.kind not in "iub":
        raise LabelError(
            f"{info.path}: labels must be integers, found {info.dtype}; "
            "save the label volume as 8-bit integers"
        )
    source = chosen.source(found)
    return Volume(
        source if reading.axes == "zyx" else TurnedSource(source, reading),
        _grid(info, reading, voxel_size, default_grid),
        normalised=info.normalised,
        table=info.table if labels else None,
    )


def _described(path: Path | str, reading: Reading) -> tuple[Format, ScanInfo]:
    path = require_file(path)
    chosen = format_of(path)
    if reading.dataset is not None and not chosen.has_datasets:
        raise ParameterError(
            f"{path}: dataset {reading.dataset!r} was asked for, but {chosen.name} holds "
            "one volume without a name; leave the dataset out"
        )
    if reading.follow_links and not chosen.follows_links:
        raise ParameterError(
            f"{path}: {chosen.name} has no links to follow; leave --follow-links out"
        )
    bare = (reading.shape, reading.dtype, reading.offset) != (None, None, 0)
    if bare and not chosen.bare_voxels:
        raise ParameterError(
            f"{path}: {chosen.name} says its shape and type itself; leave them out"
        )
    return chosen, chosen.describe(path, reading)


def _grid(info: ScanInfo, reading: Reading, voxel_size: float | None, default: Grid | None) -> Grid:
    try:
        if reading.voxel_size is not None:
            return _corrected(info, reading.voxel_size).grid()
        if info.voxel_size is None:
            if voxel_size is not None:
                return info.grid((voxel_size,) * 3)
            if default is not None and default.shape == info.shape:
                return default
            other = "" if default is None else f" and its shape {info.shape} is not {default.shape}"
            pixel = info.metadata.get("image_pixel_um")
            hint = f" (it says that a pixel of its projections is {pixel:g} µm)" if pixel else ""
            raise FileFormatError(
                f"{info.path}: no voxel size in the file{other}; pass --voxel-size 2.4um "
                f"(voxel_size=2.4), with the value of your scan{hint}"
            )
        if voxel_size is not None and any(
            not math.isclose(v, voxel_size, rel_tol=0.01) for v in info.voxel_size
        ):
            stated = ", ".join(f"{v:g}" for v in info.voxel_size)
            raise FileFormatError(
                f"{info.path} states a voxel size of {stated} µm (z, y, x), but {voxel_size:g} was "
                "given; leave it out to take the file's. If the file is wrong, say so with "
                "--override-voxel-size (Reading(voxel_size=…))"
            )
        return info.grid()
    except GridError as error:
        raise FileFormatError(f"{info.path}: {error}") from None


def _corrected(info: ScanInfo, voxel_size: float) -> ScanInfo:
    """Give the place with another voxel size; the first voxel stays as many voxels from zero.

    The origin was written with the same wrong unit or calibration: left as it is, a part of a scan
    would move against the scan.
    """
    sizes = (voxel_size,) * 3
    if info.voxel_size is None:
        return replace(info, voxel_size=sizes)
    turn = np.reshape(info.direction, (3, 3))
    along = np.asarray(info.origin) @ turn * (np.asarray(sizes) / info.voxel_size)
    z, y, x = (float(f"{v:.12g}") for v in turn @ along)
    return replace(info, voxel_size=sizes, origin=(z, y, x))
