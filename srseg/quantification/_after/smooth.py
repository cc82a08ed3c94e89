"""Label smoothing: each voxel takes the class that most voxels around it have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.labels import UNLABELLED
from srseg.machine import ahead
from srseg.progress import task
from srseg.quantification._after.store import slabs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.quantification._after.step import Write
    from srseg.quantification._after.store import Store
    from srseg.volumes import Grid, Volume

_SLAB = 1 << 25  # voxels
_TILE = 1 << 19  # voxels: what is added up stays in the cache of a core
_LARGEST = 20.0


@dataclass(frozen=True)
class SmoothLabels:
    """Give each voxel the class that most voxels in a ball around it have.

    A voxel that is as often its own class as any other stays what it is; of several others the
    smallest value is taken. Unlabelled voxels (255) stay so and have no vote, and there are none
    outside of the volume. Flat boundaries do not move; what is thinner than the ball is wide,
    a crack of one voxel too, is lost: threshold cracks after smoothing.

    A vote is taken and not a mean of probabilities (a Gaussian for each class, then the largest),
    because it counts in whole numbers: the result does not depend on how a scan was cut into parts,
    and can be said in a sentence.

    Parameters
    ----------
    radius : float, default=1.0
        Radius of the ball in voxels, 1 to 20: 1 is the voxel and its 6 neighbours, 1.5 the 18 that
        share a face or an edge, 2 has 33 voxels.

    Raises
    ------
    ParameterError
        If the radius is less than 1, or more than 20.
    """

    radius: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius) and 1 <= self.radius <= _LARGEST):
            raise ParameterError(
                f"the radius of label smoothing is {self.radius!r} voxels; allowed are 1 to "
                f"{_LARGEST:g}, 1 being the voxel and its 6 neighbours"
            )

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for: no."""
        return False

    def changes(self, table: LabelTable, grid: Grid) -> list[_Smoothing]:  # noqa: ARG002
        """Settle what is to be done.

        Parameters
        ----------
        table : LabelTable
            The classes of the labels.
        grid : Grid
            Where they lie.

        Returns
        -------
        list of Change
            One change.
        """
        return [_Smoothing(self.radius, table.values)]


@dataclass(frozen=True)
class _Smoothing:
    radius: float
    values: tuple[int, ...]

    @property
    def title(self) -> str:
        return f"smoothing, radius {self.radius:g}"

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"radius_voxels": self.radius, "rule": "majority in a ball; ties keep the class"}

    def run(self, labels: Store, scan: Volume | None, write: Write) -> Mapping[str, Any]:  # noqa: ARG002
        with task(self.title, labels.shape[0]) as step:
            for slab in slabs(labels.shape, _SLAB):
                write(slab.start, self._smoothed(_with_margin(labels, slab, int(self.radius))))
                step.advance(slab.stop - slab.start)
        return {}

    def _smoothed(self, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
        margin = int(self.radius)
        depth, rows, columns = (n - 2 * margin for n in block.shape)
        high = max(1, _TILE // (depth * columns))
        tiles = (
            block[:, start : min(start + high, rows) + 2 * margin] for start in range(0, rows, high)
        )
        return np.concatenate(list(ahead(self._vote, tiles)), axis=1)

    def _vote(self, tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
        margin = int(self.radius)
        inner = (slice(margin, -margin),) * 3
        core = tile[inner]
        present = [value for value in self.values if (tile == value).any()]
        if len(present) < 2:
            return core.copy()
        found = core.copy()
        most = np.zeros(core.shape, np.uint16)
        own = np.zeros(core.shape, np.uint16)
        for value in present:
            count = _in_ball((tile == value).view(np.uint8), self.radius)
            better = count > most
            found[better] = value
            np.copyto(own, count, where=core == value)
            np.copyto(most, count, where=better)
        keeps = (own == most) | (core == UNLABELLED)
        np.copyto(found, core, where=keeps)
        return found


def _in_ball(mask: NDArray[np.uint8], radius: float) -> NDArray[np.uint16]:
    """Count the voxels of a mask in a ball around each voxel that has a whole one around it."""
    margin = int(radius)
    depth, rows, columns = (n - 2 * margin for n in mask.shape)
    # sums over 1, 3, 5, … voxels along x, of which the ball is made
    sums = [mask[:, :, margin : margin + columns]]
    for half in range(1, margin + 1):
        left = mask[:, :, margin - half : margin - half + columns]
        right = mask[:, :, margin + half : margin + half + columns]
        sums.append(sums[-1] + left + right)
    total = np.zeros((depth, rows, columns), np.uint16)
    for z, y, half in _lines(radius):
        total += sums[half][margin + z : margin + z + depth, margin + y : margin + y + rows]
    return total


def _lines(radius: float) -> Iterator[tuple[int, int, int]]:
    """Give the lines along x that make a ball: their place along z and y, and half their length."""
    margin = int(radius)
    for z in range(-margin, margin + 1):
        for y in range(-margin, margin + 1):
            left = radius**2 - z**2 - y**2
            if left >= 0:
                yield z, y, math.isqrt(int(left))


def _with_margin(labels: Store, slab: slice, margin: int) -> NDArray[np.uint8]:
    """Read a slab and what is around it, unlabelled where that is outside of the volume."""
    first, last = max(0, slab.start - margin), min(labels.shape[0], slab.stop + margin)
    outside = (
        (first - (slab.start - margin), slab.stop + margin - last), (margin, margin),
        (margin, margin),
    )  # fmt: skip
    return np.pad(labels.slab(first, last), outside, constant_values=UNLABELLED)
