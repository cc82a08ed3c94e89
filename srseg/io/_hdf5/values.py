"""Look at what an HDF5 dataset or attribute holds before it is believed."""

from __future__ import annotations

import math
from typing import Any

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed import KNOWN

_SHUFFLE, _FLETCHER32 = 2, 3
_LARGEST_CHUNK = 1 << 28


def text_of(value: Any) -> str:
    """Give a string however HDF5 keeps it: str, bytes, or an array of one of them.

    Parameters
    ----------
    value : object
        An attribute or the value of a dataset.

    Returns
    -------
    str
        The text; empty where it is none.
    """
    if getattr(value, "shape", ()) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def is_numbers(item: Any, shape: tuple[int, ...] | None = None) -> bool:
    """Whether an object is a dataset of real numbers that lie in its own file.

    Parameters
    ----------
    item : object
        A dataset, a group, or None.
    shape : tuple of int, optional
        The shape it must have.

    Returns
    -------
    bool
        True where it is.
    """
    return (
        item is not None
        and hasattr(item, "dtype")
        and item.dtype.kind in "iuf"
        and (shape is None or item.shape == shape)
        and not (item.is_virtual or item.external)
    )


def volume_axes(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Tell which axes of a dataset are those of a volume.

    Parameters
    ----------
    shape : tuple of int
        Shape of the dataset.

    Returns
    -------
    tuple of int or None
        Its three axes, or of up to five the only three that are longer than 1: ilastik writes time
        and channel too. None where it is no volume.

    Examples
    --------
    >>> volume_axes((7, 8, 9)), volume_axes((1, 7, 8, 9, 1)), volume_axes((7, 8, 9, 3))
    ((0, 1, 2), (1, 2, 3), None)
    """
    if len(shape) == 3:
        return 0, 1, 2
    long = [axis for axis, length in enumerate(shape) if length != 1]
    if len(shape) > 5 or len(long) != 3:
        return None
    z, y, x = long
    return z, y, x


def volume_shape(dataset: Any) -> tuple[int, int, int]:
    """Give the shape of a volume without the axes that have a length of 1 only.

    Parameters
    ----------
    dataset : h5py.Dataset
        A dataset for which `is_volume` is true.

    Returns
    -------
    tuple of int
        Number of voxels along its three axes.
    """
    z, y, x = (dataset.shape[axis] for axis in volume_axes(dataset.shape) or ())
    return z, y, x


def is_volume(item: Any) -> bool:
    """Whether an object is a 3D numeric dataset.

    Parameters
    ----------
    item : object
        A dataset or group.

    Returns
    -------
    bool
        True where it is.
    """
    import h5py

    return (
        isinstance(item, h5py.Dataset)
        and item.shape is not None
        and volume_axes(item.shape) is not None
        and min(item.shape) > 0
        and item.dtype.kind in "biuf"
    )


def require_plain(dataset: Any) -> None:
    """Refuse a dataset whose voxels lie elsewhere, or cannot be what it declares.

    Parameters
    ----------
    dataset : h5py.Dataset
        A 3D numeric dataset.

    Raises
    ------
    FileFormatError
        If it is virtual, stored externally, larger than the bytes in the file allow, or was not
        written to its end.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.is_virtual:
        raise FileFormatError(
            f"{where} is a virtual dataset made of parts of other files; srseg reads them only "
            "where it is told to (--follow-links), and only below the folder of the file. Or copy "
            "it into one file (h5repack does)"
        )
    if dataset.external:
        raise FileFormatError(
            f"{where} keeps its voxels in another file ({dataset.external[0][0]}), which srseg "
            "does not follow; copy it into one file (h5repack does)"
        )
    _require_filters(dataset, where)
    # of floats that numpy lacks (bfloat16), h5py gives wider ones than lie in the file
    itemsize = dataset.id.get_type().get_size()
    declared = dataset.size * itemsize
    stored = dataset.id.get_storage_size()
    if not stored:
        raise FileFormatError(f"{where} declares {dataset.shape} voxels but none were written")
    if dataset.chunks is None and stored < declared:
        raise FileFormatError(
            f"{where} declares {declared} bytes but the file holds {stored}; it is cut short"
        )
    chunk = 1 if dataset.chunks is None else itemsize
    for length in dataset.chunks or ():
        chunk *= length
    if chunk > _LARGEST_CHUNK:
        raise FileFormatError(
            f"{where} is stored in chunks of {chunk >> 20} MiB, which cannot be read in parts; "
            "copy it with smaller chunks (h5repack -l CHUNK=64x64x64)"
        )
    if dataset.chunks is not None:
        _require_all_chunks(dataset, where)


def _require_filters(dataset: Any, where: str) -> None:
    """Refuse a compression that this installation cannot undo, before a voxel is read."""
    import h5py

    settings = dataset.id.get_create_plist()
    for n in range(settings.get_nfilters()):
        number, _, _, name = settings.get_filter(n)
        if not h5py.h5z.filter_avail(number):
            called = f" ({text_of(name)})" if name else ""
            raise FileFormatError(
                f"{where} is compressed with HDF5 filter {number}{called}, which this installation "
                "lacks; install the plugin for it, or write the file anew without it where it was "
                "made (h5repack -f NONE)"
            )
        if number not in (_SHUFFLE, _FLETCHER32, *KNOWN):
            raise FileFormatError(
                f"{where} is compressed with HDF5 filter {number} ({text_of(name)}), which a "
                "damaged file could end the program with; write the file anew without it where it "
                "was made (h5repack -f NONE)"
            )


def _require_all_chunks(dataset: Any, where: str) -> None:
    """Refuse a volume that was not written to its end: HDF5 reads the missing chunks as zeros."""
    pairs = zip(dataset.shape, dataset.chunks, strict=True)
    expected = math.prod(-(-length // step) for length, step in pairs)
    missing = expected - dataset.id.get_num_chunks()
    if missing > 0:
        raise FileFormatError(
            f"{where}: {missing} of its {expected} chunks were never written and would be read as "
            "zeros; the program that made it was probably stopped, so run it again. Where the gaps "
            "are meant (a sparse file), write the volume once more with every voxel"
        )
