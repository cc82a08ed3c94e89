"""Write a scan and its labels as one NeXus file that viewers show together."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, ParameterError
from srseg.io._format import require_utf8
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.seal import seal
from srseg.io._hdf5.sink import HDF5Sink
from srseg.io._hdf5.steady import steady_hdf5
from srseg.io._hdf5.write import DATASET, fill, store_checksums, written
from srseg.preprocessing import labels_on_grid
from srseg.storage import ChunkChecksums, atomic_path, chunk_shape, require_free_space

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Volume

_SUFFIXES = (".nxs", ".h5", ".hdf5", ".nx")


def write_nexus(
    path: Path | str,
    volume: Volume,
    *,
    labels: Mapping[str, Volume] | None = None,
    facts: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    quantity: str = "",
    overwrite: bool = False,
) -> None:
    """Write a scan as NeXus NXtomoproc, with its label sets as auxiliary signals.

    The scan is not compressed and the labels are with gzip, so that any HDF5 library reads them
    without plugins. An auxiliary signal has the grid of the scan: labels that lie on another are
    brought onto it (the nearest voxel, 255 outside), and the attribute ``resampled_from`` says so.

    Parameters
    ----------
    path : path
        The file to make: ``.nxs`` or ``.h5``.
    volume : Volume
        The scan; or labels, in a file without a scan.
    labels : mapping of str to Volume, optional
        Label sets by name; ``entry/data/labels_<name>`` in the file.
    facts : mapping, optional
        What is known of the scan, under the keys of `srseg.dataset.METADATA_KEYS`; ``sample`` is
        the name of the sample.
    provenance : mapping, optional
        How the file was made: plain data.
    quantity : str, default=""
        What the numbers are, in a file of neither a scan nor labels.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    FileFormatError
        If the name does not end as that of a NeXus file.
    GridError
        If labels do not overlap the scan in space.
    ParameterError
        If a label set has no label table.
    StorageError
        If the file exists and may not be replaced, or there is too little space.
    """
    path = require_utf8(path)
    if not path.name.lower().endswith(_SUFFIXES):
        raise FileFormatError(f"{path}: the name of a NeXus file ends in .nxs or .h5")
    sets = dict(labels or {})
    for name, one in sets.items():
        if one.table is None:
            raise ParameterError(f"{path.name}: label set {name!r} has no label table")
    with atomic_path(path, overwrite=overwrite) as temporary:
        needed = volume.nbytes + sum(volume.grid.n_voxels // 4 for _ in sets)
        require_free_space(path.parent, needed + (4 << 20), f"writing {path.name}")
        with written(
            temporary,
            volume.grid,
            volume.dtype,
            table=volume.table,
            normalised=volume.normalised,
            scale=None,
            compression="gzip" if quantity or volume.table is not None else None,
            title=path.name,
            provenance=provenance,
            facts=facts,
            quantity=quantity,
        ) as sink:
            fill(sink, volume)
        if sets:
            _add_labels(temporary, volume, sets)


def _add_labels(path: Path, volume: Volume, sets: Mapping[str, Volume]) -> None:
    signals: list[str] = []
    with steady_hdf5(path, "r+", path.name) as (file, below):
        data = file[DATASET].parent
        for name, one in sets.items():
            placed = labels_on_grid(one, volume.grid)
            signal = _free_name(name, signals)
            voxels = data.create_dataset(
                signal,
                placed.shape,
                placed.dtype.newbyteorder("<"),
                chunks=chunk_shape(placed.shape),
                compression="gzip",
                compression_opts=4,
            )
            Header(volume.grid, table=one.table).store(voxels)
            voxels.attrs["long_name"] = f"labels {name}"
            voxels.attrs["label_set"] = name
            if placed is not one:
                voxels.attrs["resampled_from"] = json.dumps(one.grid.to_dict())
            sums = ChunkChecksums(placed.shape)
            sink = HDF5Sink(voxels, sums, below, f"{path.name}, labels {name}")
            fill(sink, placed)
            sink.finish()
            store_checksums(file, sums.table, sums.chunk, voxels.name, f"crc32_{signal}")
            signals.append(signal)
        data.attrs["auxiliary_signals"] = signals
    seal(path, DATASET)


def _free_name(name: str, taken: list[str]) -> str:
    """Give a name that NeXus allows, and that no other label set has."""
    wanted = "labels_" + re.sub(r"[^0-9a-zA-Z_]", "_", name)
    found, number = wanted, 2
    while found in taken:
        found, number = f"{wanted}_{number}", number + 1
    return found
