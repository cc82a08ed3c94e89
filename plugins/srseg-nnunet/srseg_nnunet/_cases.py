"""Volumes in the format that nnU-Net reads, slab by slab."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK

from srseg.labels import UNLABELLED
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume

DATASET = "Dataset001_srseg"
ENDING = ".mha"
SHIFT = 1.0
"""Added to grey values: nnU-Net takes 0 for what lies outside of a scan, and cuts it off."""
_SLAB = 1 << 24  # voxels; its preprocessing takes some 60 bytes for each


class Case(NamedTuple):
    """A slab of a volume, as nnU-Net knows it.

    Parameters
    ----------
    name : str
        Its name.
    weight : float
        How often its patches are drawn, against those of others.
    shape : list of int
        Its shape.
    check : int
        A checksum of grey values and labels.
    """

    name: str
    weight: float
    shape: list[int]
    check: int

    def files(self) -> dict[str, Any]:
        """Tell its files, from the folder of raw data.

        Returns
        -------
        dict
            The ``images``, of one channel, and the ``label``.
        """
        images = [f"imagesTr/{self.name}_0000{ENDING}"]
        return {"images": images, "label": f"labelsTr/{self.name}{ENDING}"}


class Raw(NamedTuple):
    """What was written.

    Parameters
    ----------
    cases : list of Case
        The slabs.
    fingerprint : dict
        What nnU-Net plans by.
    description : dict
        Its ``dataset.json``.
    """

    cases: list[Case]
    fingerprint: dict[str, Any]
    description: dict[str, Any]


def write_cases(
    volumes: Sequence[LabelledVolume],
    planes: int,
    n_classes: int,
    voxel_size: float | None,
    folder: Path,
) -> Raw:
    """Write volumes as nnU-Net wants them, with its description of them.

    A volume is divided into slabs, so that the memory that nnU-Net takes for one is bounded; slices
    are whole. Slabs in which nothing is labelled are left out.

    The fingerprint is made here, and not by nnU-Net, which would read all of it again: nothing is
    cropped, and voxels are all of one size. Its grey values are those of all voxels, and not of the
    foreground alone, and its extreme percentiles are the least and greatest value: srseg has
    clipped each scan already, and a foreground of one grey value would otherwise leave no contrast.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        The volumes.
    planes : {1, 3}
        Whether slices are taken along the first axis, or each volume is written along each.
    n_classes : int
        Number of classes K; what is unlabelled becomes K, which nnU-Net is told to ignore.
    voxel_size : float or None
        Edge length of voxels in µm.
    folder : Path
        The folder of raw data that is made.

    Returns
    -------
    Raw
        What was written.
    """
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    spacing = 1.0 if voxel_size is None else voxel_size / 1000  # mm
    cases: list[Case] = []
    missing = False
    values = _Values()
    total = planes * sum(volume.image.shape[0] for volume in volumes)
    with task("writing slices for nnU-Net", total=total) as step:
        for number, volume in enumerate(volumes):
            for axis in range(planes):
                shape = volume.image.shape
                thick = max(1, _SLAB * shape[axis] // int(np.prod(shape)))
                for start in range(0, shape[axis], thick):
                    stop = min(shape[axis], start + thick)
                    z, y, x = (slice(start, stop) if a == axis else slice(None) for a in range(3))
                    labels = np.moveaxis(np.asarray(volume.classes[z, y, x]), axis, 0)
                    unlabelled = labels == UNLABELLED
                    step.advance(len(labels) / shape[axis] * shape[0])
                    if unlabelled.all():
                        continue
                    missing |= bool(unlabelled.any())
                    name = f"volume{number:04}axis{axis}slice{start:05}"
                    image = np.moveaxis(np.asarray(volume.image[z, y, x]), axis, 0)
                    image = np.asarray(image, np.float32) + np.float32(SHIFT)
                    values.add(image)
                    known = np.where(unlabelled, np.uint8(n_classes), labels)
                    check = zlib.crc32(known.tobytes(), zlib.crc32(image.tobytes()))
                    weight = volume.weight * len(labels)
                    cases.append(Case(name, weight, list(labels.shape), check))
                    files = cases[-1].files()
                    _write(folder / files["images"][0], image, spacing)
                    _write(folder / files["label"], known, spacing)
    description = {
        **describe(n_classes, ignored=missing),
        "numTraining": len(cases),
        # where there is no list, nnU-Net starts a dozen processes that look at the names of files
        "dataset": {case.name: case.files() for case in cases},
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    fingerprint = {
        "spacings": [[spacing] * 3] * len(cases),
        "shapes_after_crop": [case.shape for case in cases],
        "foreground_intensity_properties_per_channel": {"0": values.statistics()},
        "median_relative_size_after_cropping": 1.0,
    }
    return Raw(cases, fingerprint, description)


def describe(n_classes: int, *, ignored: bool = False) -> dict[str, Any]:
    """Describe the dataset as nnU-Net's ``dataset.json`` does.

    The grey values of all scans are on one scale already. The channel's name is how nnU-Net is told
    so: values of ``CT`` are normalised by statistics of all training data, the same for each slice,
    and not by those of the volume, which is not at hand where slices are predicted.

    Parameters
    ----------
    n_classes : int
        Number of classes K.
    ignored : bool, default=False
        Whether some voxels have no label.

    Returns
    -------
    dict
        Plain data.
    """
    names = ["background", *(f"class {k}" for k in range(1, n_classes))]
    labels = {name: value for value, name in enumerate(names)}
    if ignored:
        labels["ignore"] = n_classes
    return {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ENDING}


class _Values:
    """Mean, deviation and range of grey values that come in parts."""

    def __init__(self) -> None:
        self._n, self._sum, self._squares = 0, 0.0, 0.0
        self._least, self._greatest = np.inf, -np.inf

    def add(self, values: NDArray[np.float32]) -> None:
        self._n += values.size
        self._sum += float(values.sum(dtype=np.float64))
        self._squares += float(np.square(values, dtype=np.float64).sum())
        self._least = min(self._least, float(values.min()))
        self._greatest = max(self._greatest, float(values.max()))

    def statistics(self) -> dict[str, float]:
        mean = self._sum / self._n
        return {
            "mean": mean,
            "std": max(0.0, self._squares / self._n - mean**2) ** 0.5,
            "percentile_00_5": self._least,
            "percentile_99_5": self._greatest,
        }


def _write(path: Path, array: Any, spacing: float) -> None:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([spacing] * 3)
    SimpleITK.WriteImage(image, str(path))
