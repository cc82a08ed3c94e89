"""What after-treatment changed: numbers of before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.labels import LabelTable


@dataclass(frozen=True)
class TreatedStep:
    """What one step changed.

    Parameters
    ----------
    title : str
        A few words for tables: ``"islands of bone"``.
    settings : mapping
        What it was made with, and the rules that hold.
    moved : mapping of (int, int) to int
        Number of voxels that went from one value to another.
    voxels : mapping of int to int
        Number of voxels of each value of the table and of 255, after it.
    facts : mapping
        What was found: ``pieces`` and ``largest_voxels`` of islands and holes; ``level`` and
        ``separation`` of a threshold.
    """

    title: str
    settings: Mapping[str, Any]
    moved: Mapping[tuple[int, int], int]
    voxels: Mapping[int, int]
    facts: Mapping[str, Any]

    @property
    def changed(self) -> int:
        """Number of voxels that have another value than before."""
        return sum(self.moved.values())


@dataclass(frozen=True)
class Treatment:
    """What after-treatment changed, step by step.

    Parameters
    ----------
    table : LabelTable
        The classes.
    voxel_size : tuple of float
        Edge lengths of a voxel along z, y, x, in µm.
    before : mapping of int to int
        Number of voxels of each value of the table and of 255, at first.
    steps : tuple of TreatedStep
        The steps, in the order in which they were made.
    """

    table: LabelTable
    voxel_size: tuple[float, float, float]
    before: Mapping[int, int]
    steps: tuple[TreatedStep, ...]

    @property
    def after(self) -> Mapping[int, int]:
        """Number of voxels of each value of the table and of 255, at last."""
        return self.steps[-1].voxels

    @property
    def names(self) -> Mapping[int, str]:
        """The classes by value, and ``"unlabelled"`` where there are such voxels."""
        unlabelled = {UNLABELLED: "unlabelled"} if self.before[UNLABELLED] else {}
        return {c.value: c.name for c in self.table} | unlabelled

    def volume_mm3(self, voxels: int) -> float:
        """Give the volume of a number of voxels.

        Parameters
        ----------
        voxels : int
            How many.

        Returns
        -------
        float
            Their volume in mm³.
        """
        return float(voxels * math.prod(self.voxel_size) * 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Give the treatment as plain data for JSON.

        Returns
        -------
        dict
            Keys ``voxel_size_um``, ``classes`` (by name: voxels and mm³, before and after) and
            ``steps`` (title, settings, facts, voxels changed, from which class to which, and voxels
            by class after the step).
        """
        names = self.names
        return {
            "voxel_size_um": list(self.voxel_size),
            "classes": {
                name: {
                    "voxels_before": self.before[value],
                    "voxels_after": self.after[value],
                    "mm3_before": self.volume_mm3(self.before[value]),
                    "mm3_after": self.volume_mm3(self.after[value]),
                }
                for value, name in names.items()
            },
            "steps": [
                {
                    "step": step.title,
                    "settings": dict(step.settings),
                    "found": dict(step.facts),
                    "voxels_changed": step.changed,
                    "moved": [
                        {"from": names[old], "to": names[new], "voxels": n}
                        for (old, new), n in step.moved.items()
                    ],
                    "voxels": {name: step.voxels[value] for value, name in names.items()},
                }
                for step in self.steps
            ],
        }
