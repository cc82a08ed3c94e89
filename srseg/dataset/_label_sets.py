"""Label sets: checked against grid and table, kept with every older revision."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.dataset._create import describe_derivative
from srseg.dataset._layout import LABELS, Layout, SampleKey, require_label
from srseg.dataset._revisions import keep_revision, number_revisions
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.dataset._tables import require_known_classes
from srseg.errors import GridError, LabelError
from srseg.io import create_hdf5, describe, open_volume
from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.storage import file_stamp, require_free_space, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.io import HDF5Sink, Reading
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Volume

# voxels that are counted at once: counting widens each to 8 bytes
_PIECE = 1 << 22


@dataclass(frozen=True)
class LabelsPlan:
    """What adding a label file would do; nothing is written yet.

    Parameters
    ----------
    source : Path
        The file.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set.
    volume : Volume
        The labels on their grid.
    revision : int
        The number that the new revision gets.
    """

    source: Path
    sample: str
    label_set: str
    volume: Volume
    revision: int

    def check_values(self) -> list[int]:
        """Read every voxel and refuse values that the label table lacks.

        Returns
        -------
        list of int
            The number of voxels of each value, 0 to 255.

        Raises
        ------
        LabelError
            If a value is not in the table, or nothing is labelled.
        """
        return _copy(self, None)

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            Keys ``source``, ``sample``, ``set``, ``revision``, ``shape``, ``voxel_size_um``.
        """
        return {
            "source": str(self.source),
            "sample": self.sample,
            "set": self.label_set,
            "revision": self.revision,
            "shape": list(self.volume.shape),
            "voxel_size_um": list(self.volume.grid.voxel_size),
        }


def plan_labels(
    layout: Layout,
    key: SampleKey,
    scan_grid: Grid,
    table: LabelTable,
    file: Path | str,
    *,
    label_set: str,
    voxel_size: float | None,
    reading: Reading | None,
) -> LabelsPlan:
    """Look at a label file and check its type, its table and its grid; values are checked later."""
    require_label(label_set, what="the label set")
    info = describe(file, reading)
    states = info.voxel_size is not None
    default = None if states else _default_grid(scan_grid, info.shape, voxel_size, file, key.name)
    volume = open_volume(
        file,
        reading,
        voxel_size=voxel_size if default is None else None,
        default_grid=default,
        labels=True,
    )
    if volume.table is not None:
        require_known_classes(table, volume.table, where=str(file))
    volume.table = table
    _check_grid(volume.grid, scan_grid, file, key.name)
    number = number_revisions(layout, key, label_set).following
    return LabelsPlan(info.path.resolve(), key.name, label_set, volume, number)


def write_labels(
    layout: Layout,
    key: SampleKey,
    plan: LabelsPlan,
    *,
    manual: bool | None,
    sources: Sequence[str],
    note: str,
) -> Path:
    """Carry out a plan: the new revision takes the place of the old one, which is kept."""
    with layout.lock(f"labels-{key.name}-{plan.label_set}"):
        numbers = number_revisions(layout, key, plan.label_set)
        revision = numbers.following
        sidecar = layout.labels_sidecar(key, plan.label_set)
        path = sidecar.with_suffix(".h5")
        describe_derivative(layout, LABELS, "Label sets kept by srseg")
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        grid, table = plan.volume.grid, plan.volume.table
        assert table is not None  # noqa: S101 - plan_labels set it
        require_free_space(path.parent, grid.n_voxels // 4, f"the label set of {plan.source}")
        description: dict[str, Any] = {
            **({} if manual is None else {"Manual": manual}),
            **({"Description": note} if note else {}),
            "SpatialReference": "orig",
            "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json", *sources],
            "Revision": revision,
            **({"PreviousRevision": revision - 1} if revision > 1 else {}),
            **pixel_size(grid),
            "Grid": grid.to_dict(),
            "LabelTable": table.to_dicts(),
            "SourceFile": str(plan.source),
            "Written": written_now(),
        }
        with create_hdf5(
            path, grid, np.uint8, table=table, compression="gzip",
            title=f"{key.stem}, label set {plan.label_set}, revision {revision}",
            provenance=description, overwrite=True,
        ) as sink:  # fmt: skip
            counts = _copy(plan, sink)
            # the old revision is safe under its own name before the new one takes its place
            if numbers.current is not None:
                keep_revision(layout, key, plan.label_set, numbers.current)
        description["Voxels"] = {str(v): int(n) for v, n in enumerate(counts) if n}
        description["Stamp"] = file_stamp(path).to_dict()
        write_json(sidecar, description, overwrite=True)
    return path


def _copy(plan: LabelsPlan, sink: HDF5Sink | None) -> list[int]:
    volume = plan.volume
    assert volume.table is not None  # noqa: S101 - plan_labels set it
    counts = np.zeros(256, np.int64)
    with task(f"labelling {plan.sample}", volume.grid.n_voxels) as progress:
        for box in boxes(volume.shape, volume.dtype.itemsize):
            block = volume.read(box)
            volume.table.check(block, where=str(plan.source))
            block = block.astype(np.uint8, copy=False)
            flat = block.reshape(-1)
            for start in range(0, flat.size, _PIECE):
                counts += np.bincount(flat[start : start + _PIECE], minlength=256)
            if sink is not None:
                sink[box] = block
            progress.advance(block.size)
    if counts[UNLABELLED] == counts.sum():
        raise LabelError(
            f"{plan.source}: every voxel is {UNLABELLED} (unlabelled); nothing would be added"
        )
    return [int(n) for n in counts]


def _default_grid(
    scan_grid: Grid,
    shape: tuple[int, int, int],
    voxel_size: float | None,
    file: Path | str,
    sample: str,
) -> Grid | None:
    """Find the grid of labels whose file states none: the scan's, or the scan's resampled.

    Raises
    ------
    GridError
        If it has the shape of neither: where it lies cannot be known.
    """
    if voxel_size is None:
        return scan_grid if shape == scan_grid.shape else None
    resampled = scan_grid.resampled(voxel_size)
    if shape != resampled.shape:
        raise GridError(
            f"{file} does not state where its voxels lie, and its shape {shape} is not that of the "
            f"scan of {sample} at {voxel_size:g} µm, {resampled.shape} (z, y, x; the scan itself: "
            f"{scan_grid.shape} at {_size(scan_grid)} µm). Are the axes in that order? Labels of a "
            "part need a file that states its origin, such as .mha or .nrrd"
        )
    return resampled


def _check_grid(grid: Grid, scan_grid: Grid, file: Path | str, sample: str) -> None:
    ours, theirs = _size(grid), _size(scan_grid)
    if grid.shape == scan_grid.shape and not np.allclose(
        grid.voxel_size, scan_grid.voxel_size, rtol=1e-3
    ):
        raise GridError(
            f"{file} has as many voxels as the scan of {sample}, {grid.shape}, but a voxel size of "
            f"{ours} µm where the scan has {theirs} µm; one of the two is wrong. Correct it in the "
            "file, or register the scan with its right --voxel-size"
        )
    if not grid.overlaps(scan_grid):
        raise GridError(
            f"{file} does not overlap the scan of {sample} in space: labels {grid.shape} of {ours} "
            f"µm from {grid.origin}, scan {scan_grid.shape} of {theirs} µm from "
            f"{scan_grid.origin} (z, y, x; µm). Is it the right sample?"
        )
    if grid.shape == scan_grid.shape and not grid.same_as(scan_grid):
        # it may be meant so, but labels are seldom drawn on a grid that is only moved
        shift = ", ".join(f"{a - b:g}" for a, b in zip(grid.origin, scan_grid.origin, strict=True))
        turned = "" if grid.direction == scan_grid.direction else " and its axes are turned"
        warnings.warn(
            f"{file} has the shape and voxel size of the scan of {sample}, but states an origin "
            f"that lies ({shift}) µm from the scan's (z, y, x){turned}; the labels are placed "
            "there. If they were drawn on the whole scan, give them the scan's origin",
            stacklevel=4,
        )


def _size(grid: Grid) -> str:
    return " x ".join(f"{v:g}" for v in grid.voxel_size)
