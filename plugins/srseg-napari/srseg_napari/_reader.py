"""What napari opens with srseg: files, samples, datasets, corrections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset import Dataset, find_dataset
from srseg.errors import SRSegError
from srseg.io import describe, open_volume
from srseg_napari._correction import correction_layers
from srseg_napari._frame import Frame
from srseg_napari._layers import labels_layer, scan_layer
from srseg_napari._sample import open_sample, sample_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from srseg_napari._layers import Layer

_LABELS = ("dseg", "label", "seg.nrrd", "mask")  # in the names of label files without a table


def get_reader(path: str | list[str]) -> Callable[[str], list[Layer]] | None:
    """Choose how a path is read; napari asks for it.

    Parameters
    ----------
    path : str or list of str
        A file, or a folder: of slices, OME-Zarr, a dataset or a correction. Several at once are
        left to other readers.

    Returns
    -------
    callable or None
        Gives the layers of a path; None where this is nothing for srseg.
    """
    if not isinstance(path, str):
        return None
    given = Path(path)
    for name, read in _BY_NAME.items():
        if given.name.endswith(name) or (given.is_dir() and (given / name).is_file()):
            return read
    try:
        describe(path)
    except SRSegError:
        return None  # another plugin may know it
    return _read_file


def _read_file(path: str) -> list[Layer]:
    """Give the one layer of a scan or a label file."""
    file = Path(path)
    info = describe(file)
    whole = info.dtype.kind in "iub"
    is_labels = info.table is not None or (
        whole and any(word in file.name.lower() for word in _LABELS)
    )
    # without a voxel size it can be looked at, in voxels
    size = None if info.voxel_size else 1.0
    volume = open_volume(file, voxel_size=size, labels=is_labels)
    frame = Frame(volume.grid)
    name = file.name.partition(".")[0]
    if is_labels:
        return [labels_layer(volume, frame, name, of={"file": str(file)})]
    return [scan_layer(volume, frame, name)]


def _read_dataset(path: str) -> list[Layer]:
    """Give the only sample of a dataset, named by its folder or the file that describes it."""
    given = Path(path)
    return open_sample(given if given.is_dir() else given.parent)


def _read_sample(path: str) -> list[Layer]:
    """Give a sample by the name of its sidecar: ``sub-01_sample-A_XPCT.json``."""
    name = Path(path).name.split("_sample-")[-1].removesuffix("_XPCT.json")
    return sample_layers(Dataset(find_dataset(Path(path).parent))[name])


_BY_NAME: dict[str, Callable[[str], list[Layer]]] = {
    "dataset_description.json": _read_dataset,
    "correction.json": correction_layers,
    "_XPCT.json": _read_sample,
}
