"""The scans and labels that a segmenter is trained on, brought to one grid size and one table."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import LabelError, ParameterError
from srseg.estimators._callers import callers_level
from srseg.estimators._identity import fingerprint
from srseg.estimators._prepared import prepared_volume
from srseg.estimators._training_space import warn_of_coarse
from srseg.estimators._voting import truth_on_grid
from srseg.labels import UNLABELLED, LabelTable
from srseg.preprocessing import seen_voxels
from srseg.progress import task
from srseg.training import LabelledVolume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.estimators._volume_store import VolumeStore
    from srseg.preprocessing import LabelCleaning
    from srseg.volumes import Sample, Volume, VoxelSource


def load_labelled(
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    voxel_size: float | None,
    clip: tuple[float, float],
    table: LabelTable,
    weights: Sequence[float],
    store: VolumeStore,
    cleaning: LabelCleaning | None = None,
) -> tuple[list[LabelledVolume], list[LabelledVolume]]:
    """Read and prepare samples with their labels; what a scan did not see is unlabelled.

    Parameters
    ----------
    training, held_out : sequence of Sample
        What is trained and validated on.
    voxel_size : float or None
        Edge length of the voxels, in µm; None takes them as they are.
    clip : tuple of float
        Percentiles to clip to.
    table : LabelTable
        The classes.
    weights : sequence of float
        How often slices of each training sample are drawn.
    store : VolumeStore
        Where they are kept.
    cleaning : LabelCleaning, optional
        How labels are corrected; not at all where it is None.

    Returns
    -------
    training, held_out : list of LabelledVolume
        The volumes, in the same order.

    Raises
    ------
    LabelError
        If labels do not fit the table, or nothing but background is left to learn from.
    NotEnoughMemoryError
        If the labels of one sample do not fit into the memory that is free.
    StorageError
        If scans fit neither into memory nor into a scratch folder.

    Warns
    -----
    UserWarning
        If no training sample has a voxel of some class, or scans are made much finer than they are.
    """
    warn_of_coarse([*training, *held_out], voxel_size)
    store.require([*training, *held_out], clip)
    names = Counter(sample.name for sample in [*training, *held_out])
    images: dict[str, VoxelSource] = {}
    with task("preparing", len(training) + len(held_out)) as progress:

        def load(sample: Sample, weight: float = 1.0) -> LabelledVolume:
            volume = prepared_volume(sample, voxel_size, clip)
            # the truth first: what is wrong with it is found before much is read
            classes = truth_on_grid(sample, volume.grid, table)
            seen = seen_voxels(volume, sample.scan_grid)
            if seen is not None:
                np.copyto(classes, UNLABELLED, where=~seen)
            # a scan with two label sets is kept once
            key = sample.name if names[sample.name] == 1 else _scan_key(sample, volume)
            if key not in images:
                images[key] = store.image(volume)
            if cleaning is not None and sample.target not in cleaning.spared:
                classes = cleaning.apply(images[key], classes, table)
            progress.advance(1, sample.name)
            kept = store.classes(classes)
            return LabelledVolume(images[key], kept, sample.name, seen, weight)

        volumes = [load(*pair) for pair in zip(training, weights, strict=True)]
        _require_classes(volumes, table)
        return volumes, [load(sample) for sample in held_out]


def _scan_key(sample: Sample, volume: Volume) -> str:
    return f"{sample.name} {fingerprint(sample.scan)} {volume.grid}"


def common_table(samples: Sequence[Sample]) -> LabelTable:
    """Give the label table of all samples, or one made of the values in use.

    Parameters
    ----------
    samples : sequence of Sample
        The samples.

    Returns
    -------
    LabelTable
        The classes.

    Raises
    ------
    LabelError
        If two samples have different tables, or the labels are no classes.
    """
    labels = [(sample, sample.labels()) for sample in samples]
    tables = [volume.table for _, volume in labels if volume.table is not None]
    if tables:
        for sample, volume in labels:
            if volume.table is not None:
                where = f"label set {sample.target} of sample {sample.name}"
                tables[0].require_same(volume.table, where=where)
        return tables[0]
    values: set[int] = set()
    for sample, volume in labels:
        found = {int(v) for _, slab in volume.slabs() for v in np.unique(slab)} - {UNLABELLED}
        if found and not 0 <= min(found) <= max(found) < UNLABELLED:
            raise LabelError(
                f"labels of {sample.name} hold {min(found)} … {max(found)}; allowed are 0 to 254, "
                "and 255 for unlabelled"
            )
        values |= found
    if len(values) < 2:
        raise LabelError(
            f"the training labels hold {'nothing but ' + str(*values) if values else 'no value'}; "
            "label at least two classes, the background and one other"
        )
    return LabelTable.from_values(values)


def common_voxel_size(samples: Sequence[Sample]) -> float:
    """Give the voxel size of all scans, which must be cubic and the same.

    Parameters
    ----------
    samples : sequence of Sample
        The samples.

    Returns
    -------
    float
        Edge length of the voxels, in µm.

    Raises
    ------
    ParameterError
        If they differ.
    """
    first = samples[0].scan_grid.voxel_size
    for sample in samples:
        if not np.allclose(sample.scan_grid.voxel_size, first[0], rtol=1e-6):
            raise ParameterError(
                f"voxel_size=None takes the scans' own cubic voxel size, but {samples[0].name} has "
                f"{first} µm and {sample.name} {sample.scan_grid.voxel_size} µm; give voxel_size"
            )
    return first[0]


def _require_classes(volumes: Sequence[LabelledVolume], table: LabelTable) -> None:
    """Refuse labels of nothing but background, and warn of classes that cannot be learned."""
    present = np.zeros(256, bool)
    for volume in volumes:
        for z in range(volume.classes.shape[0]):  # counting widens each voxel to 8 bytes
            plane = np.asarray(volume.classes[z : z + 1, slice(None), slice(None)])
            present |= np.bincount(plane.ravel(), minlength=256).astype(bool)
    absent = [c.name for i, c in enumerate(table) if not present[i]]
    if not present[1 : len(table)].any():
        raise LabelError(
            f"the training labels hold nothing but background ({table.names[0]}); "
            "label at least one other class"
        )
    if absent:
        warnings.warn(
            f"no training sample has a voxel of {', '.join(absent)}: it cannot be learned",
            stacklevel=callers_level(),
        )
