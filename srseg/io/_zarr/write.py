"""Write a scan with its labels as OME-Zarr 0.5: pyramids in shards, streamed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingPackageError, ParameterError
from srseg.io._ahead import read_ahead
from srseg.io._format import require_utf8
from srseg.io._provenance import provenance_json
from srseg.io._zarr.arrays import SHARD, make_pyramids
from srseg.io._zarr.metadata import image_label, multiscales
from srseg.io._zarr.pyramid import level_shapes
from srseg.machine import usable_cores
from srseg.progress import task
from srseg.storage import CHUNK, atomic_folder, require_free_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from srseg.io._zarr.pyramid import PyramidLevel
    from srseg.volumes import Region, Volume

VERSION = "0.5"
SUFFIX = ".ome.zarr"

_BAND_BYTES = 128 << 20


def write_ome_zarr(
    path: Path | str,
    volume: Volume,
    *,
    labels: Mapping[str, Volume] | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a volume as OME-Zarr 0.5 (Zarr 3), with its label sets inside.

    Each level of the pyramid halves the axes, by the mean for scans and by the nearest voxel for
    labels, until the longest has less than 256 voxels. Chunks are 64³, compressed (Blosc LZ4 for
    scans, Zstandard for labels), 64 of them in a file. Voxel size and origin are kept as scale and
    translation in micrometre; a direction is kept under ``srseg`` only, because OME-Zarr 0.5 has no
    rotation. Memory holds some bands of 64 slices, never the volume.

    Parameters
    ----------
    path : path
        The folder to make; its name ends in ``.ome.zarr``.
    volume : Volume
        The scan; or labels, which become an image that is a label image itself.
    labels : mapping of str to Volume, optional
        Label sets by name, each on its own grid.
    provenance : mapping, optional
        How it was made: plain data.
    overwrite : bool, default=False
        Whether an existing folder may be replaced.

    Raises
    ------
    MissingPackageError
        If zarr is not installed.
    FileFormatError
        If the name does not end in ``.ome.zarr``, or Zarr has no form for the type of the voxels.
    ParameterError
        If a label set has no label table, or its name cannot be that of a folder.
    StorageError
        If the folder exists and may not be replaced, or there is too little space.
    """
    path = require_utf8(path)
    if not path.name.lower().endswith(SUFFIX):
        raise FileFormatError(f"{path}: the name of an OME-Zarr ends in {SUFFIX}")
    sets = dict(labels or {})
    for name, one in sets.items():
        if one.table is None or not _is_node(name):
            raise ParameterError(
                f"{path.name}: label set {name!r} needs a label table, and a name of letters, "
                "digits, '.', '_', '+' and '-'"
            )
    note = None if provenance is None else provenance_json(provenance, path.name)
    with atomic_folder(path, overwrite=overwrite) as temporary:
        needed = sum(v.nbytes * 8 // 7 for v in (volume, *sets.values()))
        require_free_space(path.parent, needed + (4 << 20), f"writing {path.name}")
        write_zarr(temporary, volume, sets, note, path.name.removesuffix(SUFFIX))


def write_zarr(
    folder: Path, volume: Volume, labels: Mapping[str, Volume], note: str | None, name: str
) -> None:
    """Write the groups and arrays themselves into an empty folder; see `write_ome_zarr`."""
    zarr = import_zarr()
    root = zarr.open_group(folder, mode="a", zarr_format=3)
    levels = _write_image(root, folder, volume, name, note=note)
    if not labels:
        return
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": VERSION, "labels": list(labels)}
    for set_name, one in labels.items():
        below = group.create_group(set_name)
        place = folder / "labels" / set_name
        _write_image(below, place, one, set_name, n_levels=levels, source="../../")


def import_zarr() -> Any:
    """Import zarr, which is installed with the extra ``omezarr``."""
    try:
        import zarr
    except ImportError:
        raise MissingPackageError(
            "OME-Zarr needs the package zarr; install it with: pip install 'srseg[omezarr]'"
        ) from None
    return zarr


def _write_image(
    group: Any,
    folder: Path,
    volume: Volume,
    name: str,
    *,
    note: str | None = None,
    n_levels: int | None = None,
    source: str | None = None,
) -> int:
    stored = volume.dtype.newbyteorder("=")
    if stored.kind not in "iuf":
        raise FileFormatError(f"{name}: OME-Zarr holds integers and floats, not {stored}")
    shapes, labels = level_shapes(volume.shape, n_levels), volume.table is not None
    (top,) = make_pyramids(group, folder, stored, shapes, "labels" if labels else "scan")
    _fill(top, volume, name)
    ome: dict[str, Any] = {
        "version": VERSION,
        "multiscales": [multiscales(volume.grid, shapes, name, labels=labels)],
    }
    own: dict[str, Any] = {"grid": volume.grid.to_dict(), "normalised": volume.normalised}
    if volume.table is not None:
        ome["image-label"] = image_label(volume.table, source)
        own["labels"] = volume.table.to_dicts()
    if note is not None:
        own["provenance"] = note
    group.attrs.update({"ome": ome, "srseg": own})
    return len(shapes)


def _fill(top: PyramidLevel, volume: Volume, name: str) -> None:
    """Write all levels in one pass; while a block is written, the next is read and this halved."""
    with (
        ThreadPoolExecutor(usable_cores(), "srseg-zarr") as pool,
        task(f"writing {name}", total=volume.grid.n_voxels) as progress,
    ):
        for (z, y, _), block in read_ahead(volume, shard_boxes(volume)):
            top.take(z.start, y.start, block, pool)
            progress.advance(block.size)


def shard_boxes(volume: Volume) -> Iterator[Region]:
    """Divide a volume into boxes of whole shards, of about 128 MiB where slices are large.

    Where each slice is decoded whole, however small the part, a box has whole slices.
    """
    depth, rows, columns = volume.shape
    beam = CHUNK * SHARD * columns * volume.dtype.itemsize
    band = SHARD * max(1, _BAND_BYTES // beam)
    if getattr(volume.source, "whole_slices", False):
        band = rows
    for z in range(0, depth, CHUNK):
        for y in range(0, rows, band):
            yield (
                slice(z, min(z + CHUNK, depth)),
                slice(y, min(y + band, rows)),
                slice(0, columns),
            )


def _is_node(name: str) -> bool:
    allowed = name.isascii() and all(c.isalnum() or c in "._+-" for c in name)
    return bool(name) and allowed and name.strip(".") != "" and not name.startswith("__")
