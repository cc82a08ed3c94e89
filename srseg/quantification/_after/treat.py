"""After-treatment of a label volume, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import GridError, LabelError, ParameterError
from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.quantification._after.report import TreatedStep, Treatment
from srseg.quantification._after.store import Store
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.quantification._after.step import Change, TreatmentStep

_PIECE = 1 << 22  # voxels


def treat(
    labels: Volume,
    steps: Sequence[TreatmentStep],
    *,
    scan: Volume | None = None,
    scratch: Path | str | None = None,
) -> tuple[Volume, Treatment]:
    """Change labels by explicit steps, and tell what each of them changed.

    The volume is gone through slab by slab; of one of more than 2^28 voxels, two copies of a byte a
    voxel lie in scratch files. The result does not depend on how it is cut into slabs.

    Parameters
    ----------
    labels : Volume
        The labels, with their table. They are only read.
    steps : sequence of SmoothLabels, RemoveIslands, FillHoles or ThresholdCracks
        What is done, in this order.
    scan : Volume, optional
        Grey values on the grid of the labels, normalised (`srseg.preprocessing.prepare`): for
        thresholds.
    scratch : path, optional
        A folder for scratch files; that which `srseg.machine.scratch_folder` gives where it is
        None.

    Returns
    -------
    treated : Volume
        The new labels, on the same grid, with the same table; their scratch file is gone with them.
    treatment : Treatment
        Voxels and volumes before and after.

    Raises
    ------
    ParameterError
        If there is no step, or no scan, or none that is normalised, where a step needs it.
    GridError
        If the scan does not lie on the grid of the labels.
    LabelError
        If the labels have no table, or a value that the table lacks.
    UnknownNameError
        If the table lacks a class that a step names.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> from srseg.quantification import FillHoles, RemoveIslands
    >>> voxels = np.zeros((8, 8, 8), np.uint8)
    >>> voxels[2:7, 2:7, 2:7] = 1
    >>> voxels[4, 4, 4], voxels[0, 0, 0] = 0, 3
    >>> labels = Volume.from_array(voxels, voxel_size=5.0, table=DEFAULT_LABELS)
    >>> treated, treatment = treat(labels, [RemoveIslands(1000), FillHoles()])
    >>> treated.read()[4, 4, 4], treated.read()[0, 0, 0]
    (np.uint8(1), np.uint8(0))
    >>> [(step.title, step.changed) for step in treatment.steps if step.changed]
    [('islands of residual material', 1), ('holes', 1)]
    """
    if labels.table is None:
        raise LabelError("the labels have no table; say what their values mean: Volume(…, table=…)")
    if not steps:
        raise ParameterError("no step of after-treatment was given")
    if any(step.needs_scan for step in steps):
        _check_scan(scan, labels)
    changes = [change for step in steps for change in step.changes(labels.table, labels.grid)]
    store, counts = _copied(labels, labels.table, scratch)
    before, done = _by_value(counts, labels.table), []
    for change in changes:
        store, one = _changed(change, store, scan, counts, labels.table, scratch)
        done.append(one)
    treated = Volume(store, labels.grid, table=labels.table, field=labels.field)
    return treated, Treatment(labels.table, labels.grid.voxel_size, before, tuple(done))


def _check_scan(scan: Volume | None, labels: Volume) -> None:
    if scan is None:
        raise ParameterError("thresholds need the grey values: give the scan too")
    if not scan.normalised:
        raise ParameterError(
            "thresholds need normalised grey values: give prepare(scan, voxel_size=…) of "
            "srseg.preprocessing"
        )
    if not scan.grid.same_as(labels.grid):
        raise GridError(
            f"the scan has {scan.shape} voxels of {scan.grid.voxel_size} µm, the labels "
            f"{labels.shape} of {labels.grid.voxel_size} µm, or they lie elsewhere; resample the "
            "scan to the grid of the labels"
        )


def _copied(
    labels: Volume, table: LabelTable, scratch: Path | str | None
) -> tuple[Store, NDArray[np.int64]]:
    """Copy the labels to where boxes of any form are read fast, checked and counted."""
    store, counts = Store(labels.shape, scratch), np.zeros(256, np.int64)
    with task("reading labels", labels.shape[0]) as step:
        for start, block in labels.slabs():
            table.check(block)
            voxels = block.astype(np.uint8, copy=False)
            store.write(start, voxels)
            flat = voxels.reshape(-1)
            for first in range(0, flat.size, _PIECE):
                counts += np.bincount(flat[first : first + _PIECE], minlength=256)
            step.advance(len(block))
    return store, counts


def _changed(
    change: Change,
    store: Store,
    scan: Volume | None,
    counts: NDArray[np.int64],
    table: LabelTable,
    scratch: Path | str | None,
) -> tuple[Store, TreatedStep]:
    """Make one change; the counts follow."""
    new, moved = Store(store.shape, scratch), np.zeros((256, 256), np.int64)

    def write(start: int, block: NDArray[np.uint8]) -> None:
        old = store.slab(start, start + len(block))
        differs = old != block
        if differs.any():
            pairs = old[differs].astype(np.uint16) << 8 | block[differs]
            moved.reshape(-1)[:] += np.bincount(pairs, minlength=1 << 16)
        new.write(start, block)

    facts = change.run(store, scan, write)
    counts += moved.sum(0) - moved.sum(1)
    found = {(int(a), int(b)): int(moved[a, b]) for a, b in np.argwhere(moved)}
    after = _by_value(counts, table)
    return new, TreatedStep(change.title, change.settings, found, after, facts)


def _by_value(counts: NDArray[np.int64], table: LabelTable) -> Mapping[int, int]:
    return {value: int(counts[value]) for value in (*table.values, UNLABELLED)}
