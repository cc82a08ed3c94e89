"""Write a volume in the format that the name of the file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.io._format import format_of, not_written, require_utf8
from srseg.io._zarr.write import write_ome_zarr
from srseg.storage import atomic_path, require_free_space

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Volume


def write_volume(
    path: Path | str,
    volume: Volume,
    *,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a volume in the format that the name of the file says.

    All but NIfTI are written slab by slab. Voxels, voxel size, origin and direction come back from
    `open_volume` as they were; the label table travels in ``.h5``, ``.tif`` and ``.nrrd`` (best
    named ``.seg.nrrd``, which 3D Slicer opens as a segmentation).

    Parameters
    ----------
    path : path
        The file to make: ``.h5``, ``.tif``, ``.ome.tif``, ``.mha``, ``.nrrd``, ``.seg.nrrd``,
        ``.nii``, ``.nii.gz``, ``.ome.zarr``.
    volume : Volume
        The volume; labels are checked against its table.
    provenance : mapping, optional
        How it was made: plain data, kept where the format has a place (not in NIfTI).
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    FileFormatError
        If the format is not known or cannot hold the volume, or the name is not UTF-8.
    LabelError
        If a label is not in the table.
    StorageError
        If the file exists and may not be replaced, or there is too little space.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg import Volume
    >>> from srseg.io import open_volume
    >>> path = getfixture("tmp_path") / "scan.mha"
    >>> write_volume(path, Volume.from_array(np.zeros((4, 5, 6), np.uint16), voxel_size=2.4))
    >>> open_volume(path)
    Volume(scan, 4 x 5 x 6 uint16, voxel 2.4 x 2.4 x 2.4 µm)
    """
    path = require_utf8(path)
    if path.name.lower().endswith(".ome.zarr"):
        # a folder, which is written in another way than a file
        write_ome_zarr(path, volume, provenance=provenance, overwrite=overwrite)
        return
    chosen = format_of(path)
    if chosen.reads_only and path.name.lower().endswith(chosen.reads_only):
        raise not_written(path.name)
    suffix = path.name[-chosen.match(path) :] if chosen.writes_by_suffix else ""
    with atomic_path(path, overwrite=overwrite, suffix=suffix) as temporary:
        require_free_space(path.parent, volume.nbytes + (4 << 20), f"writing {path.name}")
        chosen.write(temporary, volume, provenance, path.name)
