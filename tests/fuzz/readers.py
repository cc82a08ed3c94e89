"""What is fuzzed: each reader of srseg, with the name of the file that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 1 << 20
"""Bytes of voxels that are read whole; of larger volumes a box."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Parameters
    ----------
    name : str
        Name of the file or folder.
    read : callable
        Reads a `judge.Case`.
    several : bool
        Whether an input is several files in a folder.
    longest : int
        Bytes of an input at most.
    """

    name: str
    read: Callable
    several: bool = False
    longest: int = 1 << 16


def scan(case):
    """Read a file of voxels in each way that there is."""
    from srseg.io import describe, open_volume

    info = None
    with case.step():
        info = describe(case.path)
    if info is None:
        return
    size = None if info.voxel_size else 2.4
    for labels in (False, True):
        with case.step():
            volume = open_volume(case.path, voxel_size=size, labels=labels)
            _read(volume)


def _read(volume):
    if volume.dtype.itemsize * np.prod(volume.shape, dtype=float) <= MOST:
        volume.read()
        return
    middle = tuple(slice(n // 2, n // 2 + 2) for n in volume.shape)
    volume.read((slice(0, 1), slice(0, 2), slice(0, 3)))
    volume.read(middle)


def hdf5(case):
    """Read a file of voxels, its provenance, its checksums and its channels."""
    from srseg.io import open_probabilities, read_provenance, verify_hdf5

    scan(case)
    with case.step():
        read_provenance(case.path)
    with case.step():
        verify_hdf5(case.path)
    with case.step():
        for channel in open_probabilities(case.path).values():
            _read(channel)


def segments(case):
    """Read a segmentation of 3D Slicer by value and by the names of its segments."""
    from srseg.io import open_segments, segment_names

    scan(case)
    with case.step():
        names = segment_names(case.path)
        values = {name: n % 255 for n, name in enumerate(names)}
        _read(open_segments(case.path, values, outside=0))


def bare(case):
    """Read bare voxels with a header of a reconstruction program beside them."""
    from srseg.io import Reading, describe, open_volume

    path = case.path / "scan.vol"
    with case.step():
        describe(path)
        _read(open_volume(path, voxel_size=None if describe(path).voxel_size else 2.4))
    with case.step():
        _read(open_volume(path, Reading(shape=(3, 4, 5), dtype="uint16"), voxel_size=2.4))


def transform(case):
    """Read a rigid transform."""
    from srseg.io import read_transform

    with case.step():
        read_transform(case.path)


def mesh(case):
    """Measure an STL mesh."""
    from srseg.quantification import implant_from_mesh

    with case.step():
        implant_from_mesh(case.path)


def toml(case):
    """Read metadata of a scan."""
    from srseg.dataset import parse_metadata, read_metadata_file

    with case.step():
        parse_metadata(read_metadata_file(case.path), where=str(case.path))


def classes(case):
    """Read a label table."""
    from srseg.dataset import read_label_table

    with case.step():
        read_label_table(case.path)


def curves(case):
    """Read the table that training writes."""
    from srseg.reports._curve import _curves

    with case.step():
        _curves(case.path)


def dataset(case):
    """Open a dataset, list, select and show its samples, check it, export its metadata."""
    from srseg import Dataset
    from srseg.cli.dataset._summary import summary

    found = None
    with case.step():
        found = Dataset(case.path)
        repr(found)
    if found is None:
        return
    with case.step():
        _ = found.table, found.title
    with case.step():
        found.select(has="WF", alloy="Ti", energy="38 keV")
    for sample in list(found)[:4]:
        with case.step():
            summary(sample)
        with case.step():
            _ = sample.scan_grid
            _read(sample.scan)
        for name in sample.label_sets[:4]:
            with case.step():
                sample.labels_info(name)
                sample.revisions(name)
            with case.step():
                _read(sample.labels(name))
            with case.step():
                sample.measures(name)
        for name in sample.predictions[:4]:
            with case.step():
                _read(sample.labels(name))
    with case.step():
        found.check(deep=True)


def sheet(case):
    """Plan the import of a table of metadata into a dataset."""
    from srseg import Dataset
    from srseg.dataset import plan_metadata_import

    with case.step():
        plan_metadata_import(Dataset(case.path / "study"), case.path / "sheet.csv")


def correction(case):
    """Read what an export for corrections noted."""
    from srseg.corrections import read_correction

    with case.step():
        read_correction(case.path)


def model(case):
    """Load a model whose parts are sealed here, and let it predict."""
    from models import seal

    path = seal(case.path)
    case.names += (path.name,)
    loaded = _loaded(case, path)
    if loaded is None:
        return
    case.names = ("",)  # what it predicts has no file
    with case.step():
        loaded.predict(np.linspace(0, 1, 8 * 9 * 10, dtype=np.float32).reshape(8, 9, 10))


def _loaded(case, path):
    from srseg import load_model
    from srseg.estimators import model_facts

    with case.step():
        model_facts(path)
    with case.step():
        return load_model(path)
    return None


def safetensors(case):
    """Load a model file."""
    _loaded(case, case.path)


def sealed(case):
    """Read the file that training goes on from."""
    from srseg.training import Checkpoint

    with case.step():
        Checkpoint(case.path, {}).read()


TARGETS = {
    "hdf5": Target("scan.h5", hdf5),
    "tiff": Target("scan.tif", scan),
    "slices": Target("slices", scan, several=True),
    "nrrd": Target("scan.nrrd", scan),
    "seg-nrrd": Target("scan.seg.nrrd", segments),
    "mha": Target("scan.mha", scan),
    "nifti": Target("scan.nii", scan),
    "amira": Target("scan.am", scan),
    "ome-zarr": Target("scan.ome.zarr", scan, several=True),
    "raw": Target("raw", bare, several=True),
    "nifti-gz": Target("scan.nii.gz", scan),
    "transform": Target("move.tfm", transform, longest=4096),
    "transform-mat": Target("move.mat", transform, longest=4096),
    "transform-h5": Target("move.h5", transform, longest=1 << 14),
    "transform-json": Target("move.json", transform, longest=4096),
    "stl": Target("implant.stl", mesh),
    "toml": Target("scan.toml", toml, longest=8192),
    "dseg": Target("dseg.tsv", classes, longest=4096),
    "curve": Target("curve.csv", curves, longest=8192),
    "dataset": Target("study", dataset, several=True, longest=1 << 17),
    "sheet": Target("import", sheet, several=True),
    "correction": Target("correction.json", correction, longest=8192),
    "safetensors": Target("model.srseg", safetensors),
    "checkpoint": Target("model.checkpoint", sealed),
    **{
        f"model-{name}": Target("model", model, several=True, longest=1 << 17)
        for name in (
            "unet",
            "threshold",
            "watershed",
            "random-forest",
            "random-walker",
            "cracks",
            "vnet",
            "nnunet",
        )
    },
}
"""The readers by the name by which they are chosen."""


def present():
    """List the readers whose packages are installed: those of models need their plugins."""
    from srseg.estimators import list_segmenters

    there = set(list_segmenters())
    return [t for t in TARGETS if not t.startswith("model-") or t.partition("-")[2] in there]
