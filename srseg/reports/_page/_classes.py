"""How much there is of each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from srseg.labels import UNLABELLED
from srseg.reports._page._parts import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.labels import LabelTable
    from srseg.volumes import Volume


def count_classes(labels: Volume) -> dict[int, int]:
    """Count the voxels of each value, slab by slab.

    Parameters
    ----------
    labels : Volume
        The labels.

    Returns
    -------
    dict of int to int
        Voxels by value, of those that occur.
    """
    counts = np.zeros(256, np.int64)
    for _, block in labels.slabs():
        for one in block:  # counting takes 8 bytes a voxel
            counts += np.bincount(one.ravel(), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def shares_table(
    counts: Mapping[str, Mapping[int, int]],
    table: LabelTable,
    sizes: Mapping[str, tuple[float, float, float]],
) -> Table:
    """Give the share of the labelled voxels and the volume of each class.

    Parameters
    ----------
    counts : mapping of str to mapping of int to int
        Voxels of each value, by label set.
    table : LabelTable
        The classes.
    sizes : mapping of str to tuple of float
        Voxel sizes [µm], by label set.

    Returns
    -------
    Table
        A row for each class, a column for each label set.
    """
    rows = [[c.name] for c in table]
    for name, found in counts.items():
        labelled = sum(n for value, n in found.items() if value != UNLABELLED)
        voxel = math.prod(sizes[name]) * 1e-9
        for row, c in zip(rows, table, strict=True):
            n = found.get(c.value, 0)
            share = f"{100 * n / labelled:.2f} %" if labelled else "–"
            row.append(f"{share} ({n * voxel:.4g} mm³)")
    captions = ["Share of the labelled voxels, and volume."]
    for name, found in counts.items():
        open_ = found.get(UNLABELLED, 0) / max(1, sum(found.values()))
        if open_:
            captions.append(f"In {name}, {100 * open_:.3g} % of the voxels are not labelled.")
    return Table(["class", *counts], rows, captions)
