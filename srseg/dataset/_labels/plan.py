"""What adding a label file would do, and the check of every voxel of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.dataset._labels.counting import count_values
from srseg.errors import LabelError
from srseg.labels import UNLABELLED
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.dataset._labels.value_map import MappedSource
    from srseg.io import HDF5Sink
    from srseg.labels import LabelTable
    from srseg.volumes import Volume


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
        The labels on their grid, with the values and the table of the dataset.
    revision : int
        The number that the new revision gets.
    inside : float
        Share of the labels' volume that lies in the scan, to a percent or so.
    covered : float
        Share of the scan that the labels cover: of its volume, or of its slices.
    facts : mapping, default={}
        How the file was read, placed and mapped, as the sidecar has it: what it does not say.
    mapped : MappedSource, optional
        The voxels of the file, where their values are mapped.
    onto : bool, default=False
        Whether the labels were put together with the newest revision, so that no other may come
        between.
    doubtful : bool, default=False
        Whether some of the facts come from a sidecar that was edited by hand, or damaged.
    """

    source: Path
    sample: str
    label_set: str
    volume: Volume
    revision: int
    inside: float
    covered: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    mapped: MappedSource | None = None
    onto: bool = False
    doubtful: bool = False

    @property
    def n_filled(self) -> int:
        """Number of voxels that the file says something of."""
        slices = self.facts.get("Slices")
        if slices is None:
            return self.volume.grid.n_voxels
        axis = "zyx".index(self.facts["SlicesAlong"])
        return self.volume.grid.n_voxels // self.volume.shape[axis] * len(slices)

    def check_values(self) -> list[int]:
        """Read every voxel and refuse values that the label table lacks.

        Returns
        -------
        list of int
            The number of voxels of each value, 0 to 255.

        Raises
        ------
        LabelError
            If a value is not in the table, nothing is labelled, or a value that is to be mapped
            does not occur.
        """
        return copy_labels(self, None)

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            Keys ``source``, ``sample``, ``set``, ``revision``, ``shape``, ``voxel_size_um``,
            ``origin_um``, ``inside_scan``, ``covers_scan``, ``facts``.
        """
        grid = self.volume.grid
        return {
            "source": str(self.source),
            "sample": self.sample,
            "set": self.label_set,
            "revision": self.revision,
            "shape": list(grid.shape),
            "voxel_size_um": list(grid.voxel_size),
            "origin_um": list(grid.origin),
            "inside_scan": self.inside,
            "covers_scan": self.covered,
            "facts": dict(self.facts),
        }


def copy_labels(plan: LabelsPlan, sink: HDF5Sink | None) -> list[int]:
    """Read the labels and check them; write them where there is a sink. Counts each value."""
    volume = plan.volume
    assert volume.table is not None  # noqa: S101 - plan_labels set it
    counts = np.zeros(256, np.int64)
    allowed = [*volume.table.values, UNLABELLED]
    with task(f"labelling {plan.sample}", volume.grid.n_voxels) as progress:
        for box in boxes(volume.shape, volume.dtype.itemsize):
            block = volume.read(box)
            if block.dtype != np.uint8:
                _check(block, volume.table, plan)
                block = block.astype(np.uint8)
            found = count_values(block)
            if np.delete(found, allowed).any():
                _check(block, volume.table, plan)
            counts += found
            if sink is not None:
                sink[box] = block
            progress.advance(block.size)
    if plan.mapped is not None:
        plan.mapped.require_found(plan.source)
    if counts[UNLABELLED] == counts.sum():
        raise LabelError(
            f"{plan.source}: every voxel is {UNLABELLED} (unlabelled); nothing would be added"
        )
    background = volume.table.values[0]
    # between slices that were placed, 255 is not the file's
    theirs = counts[UNLABELLED] - (volume.grid.n_voxels - plan.n_filled)
    labelled = counts.sum() - counts[UNLABELLED]
    if not plan.onto and plan.mapped is None and theirs and counts[background] == labelled:
        warnings.warn(
            f"{plan.source} holds only {background} ({volume.table.names[0]}) and {UNLABELLED}, "
            f"which is unlabelled. If {UNLABELLED} is the mask of a class, say of which: "
            f"--map {UNLABELLED}={volume.table.values[1]}",
            stacklevel=4,
        )
    return [int(n) for n in counts]


def _check(block: NDArray[Any], table: LabelTable, plan: LabelsPlan) -> None:
    try:
        table.check(block, where=str(plan.source))
    except LabelError as error:
        raise LabelError(f"{error}; or say what it is to become, with --map VALUE=CLASS") from None
