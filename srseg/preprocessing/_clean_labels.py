"""Labels corrected by the grey values of their scan, where the two contradict each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import UNLABELLED
from srseg.preprocessing._squared_distance import squared_distance
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.labels import LabelTable

_SLAB = 64  # slices that are worked on at a time
_CORE = 2  # voxels: what lies deeper in its class shows what the class looks like
_FEW = 500  # voxels: a class with fewer such shows all it has
_VALUES = 200_000  # of a class, that its spread is taken from
_LEAST_SPREAD = 0.02  # on the scale [0, 1]
_FAINT = 0.02  # weight of the whole scan's mean beside that of the surroundings


class Box(Protocol):
    """What is sliced by a box of three slices, as an array is."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along z, y, x."""

    def __getitem__(self, region: Any, /) -> NDArray[Any]:
        """Read a box."""


@dataclass(frozen=True)
class LabelCleaning:
    """How labels are corrected by the grey values before a network is trained on them.

    Labels made with a semi-automatic workflow (WF) have smoothed boundaries, and know no cracks in
    the degradation layer (paper, Discussion). Each class shows what it looks like where it is deep
    inside itself: a mean that changes slowly over the scan, and a spread. Near a boundary, a voxel
    takes the class that explains its grey value best, where a class is the less likely the farther
    away it is labelled. Cracks are what is darker, in the layer, than half-way to the background.
    No true label is needed; where labels follow the grey values already, little changes.

    Parameters
    ----------
    reach : float, default=3.0
        How far from a boundary labels may change, in voxels.
    trust : float, default=1.0
        How much the labels are trusted: at this many voxels from a class, its grey value must fit
        better by as much as a deviation by 1.4 times its spread.
    surroundings : float, default=12.0
        Over how many voxels the means of the classes are local (standard deviation).
    smoothing : float, default=0.5
        Standard deviation of the Gaussian that takes noise from the grey values, in voxels.
    cracks : tuple of (str or int), optional, default=("degradation layer", "background")
        The class that cracks lie in and the one that they are: names or positions in the label
        table. None looks for no cracks; names that the table lacks are left out.
    spared : tuple of str, default=("HQ",)
        Label sets that are better than this and stay as they are.

    Notes
    -----
    Mean IoU against the truth over bone, DL and RM, before and after, on two phantoms of 128 voxels
    in real trabecular bone (P05), by the quality of their WF labels (`degrade_labels`):

    =========  ======  =====
    quality    before  after
    =========  ======  =====
    0.25       0.602   0.781
    0.5        0.711   0.858
    0.75       0.843   0.899
    0.9        0.943   0.916
    the truth  1.000   0.922
    =========  ======  =====

    Labels that are better than grey values can tell are harmed. In these phantoms bone and marrow
    differ clearly in grey value; where classes look alike, less can be gained.

    Examples
    --------
    >>> from srseg.labels import LabelTable
    >>> rng = np.random.default_rng(0)
    >>> truth = np.zeros((24, 24, 24), np.uint8)
    >>> truth[6:18, 6:18, 6:18] = 1
    >>> scan = (0.2 + 0.5 * truth + 0.03 * rng.normal(size=truth.shape)).astype(np.float32)
    >>> labels = np.roll(truth, 2, axis=0)  # two slices off
    >>> cleaned = LabelCleaning().apply(scan, labels, LabelTable.from_values({0, 1}))
    >>> int((labels != truth).sum()), int((cleaned != truth).sum())
    (576, 0)
    """

    reach: float = 3.0
    trust: float = 1.0
    surroundings: float = 12.0
    smoothing: float = 0.5
    cracks: tuple[str | int, str | int] | None = ("degradation layer", "background")
    spared: tuple[str, ...] = ("HQ",)

    def __post_init__(self) -> None:
        for name in ("reach", "trust", "surroundings"):
            if not 0 < getattr(self, name) < math.inf:
                raise ParameterError(
                    f"label cleaning: {name} must be a positive number of voxels, found "
                    f"{getattr(self, name)!r}"
                )
        if self.reach > 15:
            raise ParameterError(f"label cleaning: reach is at most 15 voxels, found {self.reach}")
        if not 0 <= self.smoothing < math.inf:
            raise ParameterError(
                f"label cleaning: smoothing must be 0 or more voxels, found {self.smoothing!r}"
            )

    def for_table(self, table: LabelTable) -> LabelCleaning:
        """Look up the classes of cracks in a label table.

        Parameters
        ----------
        table : LabelTable
            The classes.

        Returns
        -------
        LabelCleaning
            The same with positions in the place of names; without cracks where the table has no
            class of the default names.

        Raises
        ------
        UnknownNameError
            If names were given that the table lacks.
        """
        if self.cracks is None:
            return self
        names = list(table.names)
        missing = [c for c in self.cracks if isinstance(c, str) and c not in names]
        if missing and self.cracks == LabelCleaning.cracks:
            return replace(self, cracks=None)
        if missing:
            raise UnknownNameError(
                f"label cleaning: the label table has no class {missing[0]!r}; it has: "
                f"{', '.join(names)}"
            )
        inside, into = (names.index(c) if isinstance(c, str) else c for c in self.cracks)
        return replace(self, cracks=(inside, into))

    def apply(self, image: Box, classes: NDArray[np.uint8], table: LabelTable) -> NDArray[np.uint8]:
        """Correct the labels of one scan.

        Parameters
        ----------
        image : ndarray or what is sliced like one, of shape (Z, Y, X)
            Grey values in [0, 1]; read in slabs.
        classes : ndarray of uint8, of shape (Z, Y, X)
            Positions in the label table; 255 where unlabelled, which stays so.
        table : LabelTable
            The classes.

        Returns
        -------
        ndarray of uint8, of shape (Z, Y, X)
            The corrected labels.

        Raises
        ------
        ParameterError
            If image and labels differ in shape.
        UnknownNameError
            If the table lacks a class of the cracks.
        """
        if tuple(image.shape) != classes.shape or classes.ndim != 3:
            raise ParameterError(
                f"label cleaning: the scan has shape {tuple(image.shape)}, its labels "
                f"{classes.shape}; they must be one (Z, Y, X)"
            )
        cleaned = classes.copy()
        # what the layer looks like is only known when its cracks are
        rounds = 1 if self.cracks is None else 2
        with task("cleaning labels", (rounds + 1) * classes.shape[0]) as step:
            looks = _Looks(self.for_table(table), image, classes, len(table))
            for _ in range(rounds):
                for slab in _slabs(classes.shape[0]):
                    looks.learn(slab)
                    step.advance(slab.stop - slab.start)
                looks.settle()
            for slab in _slabs(classes.shape[0]):
                cleaned[slab] = looks.corrected(slab)
                step.advance(slab.stop - slab.start)
        return cleaned


class _Looks:
    """What the classes of one scan look like, and what its voxels should be called."""

    def __init__(
        self, how: LabelCleaning, image: Box, classes: NDArray[np.uint8], n_classes: int
    ) -> None:
        self._how = how
        self._image = image
        self._classes = classes
        self._n = n_classes
        # means change slowly: they are kept for blocks of some voxels
        self._block = max(1, round(how.surroundings / 3))
        coarse = tuple(-(-n // self._block) for n in classes.shape)
        self._sums = np.zeros((n_classes, *coarse), np.float32)
        self._counts = np.zeros((n_classes, *coarse), np.float32)
        self._means = np.zeros((n_classes, *coarse), np.float32)
        self._values: list[list[NDArray[np.float32]]] = [[] for _ in range(n_classes)]
        self._shallow: list[list[NDArray[np.float32]]] = [[] for _ in range(n_classes)]
        self._spread = np.full(n_classes, np.nan, np.float32)
        self._middle = np.full(n_classes, np.nan, np.float32)

    def learn(self, slab: slice) -> None:
        """Look at what lies deep inside of each class."""
        grey, classes, inner = self._with_margin(slab)
        classes = self._without_cracks(grey, classes)
        away = self._away(classes, _CORE)
        for k in range(self._n):
            others = np.full(classes.shape, UNLABELLED, np.uint8)
            for j in range(self._n):
                if j != k:
                    np.minimum(others, away[j], out=others)
            mine = classes == k
            deep = (mine & (others > _CORE**2))[inner]
            values = grey[inner]
            _add_blocks(self._sums[k], np.where(deep, values, 0), slab.start, self._block)
            _add_blocks(self._counts[k], deep, slab.start, self._block)
            share = max(1, self._classes.size // (8 * _VALUES))
            self._values[k].append(values[deep][::share].copy())
            self._shallow[k].append(values[mine[inner]][: _FEW * 4].copy())

    def settle(self) -> None:
        """Make means and spreads of what was seen."""
        sigma = self._how.surroundings / self._block
        for k in range(self._n):
            values = np.concatenate(self._values[k])
            deep = self._counts[k].sum()
            if deep < _FEW:  # a class of thin things: all of it counts, and is the same everywhere
                values = np.concatenate(self._shallow[k])
                self._sums[k] = self._counts[k] = 0
            if not values.size:
                continue
            low, high = np.percentile(values, (15.865, 84.135))
            self._spread[k] = max((high - low) / 2, _LEAST_SPREAD)
            self._middle[k] = np.median(values)
            count = gaussian_filter(self._counts[k], sigma) / self._block**3
            total = gaussian_filter(self._sums[k], sigma) / self._block**3
            self._means[k] = (total + _FAINT * values.mean()) / (count + _FAINT)
            self._values[k], self._shallow[k] = [], []
        self._sums[:] = self._counts[:] = 0

    def corrected(self, slab: slice) -> NDArray[np.uint8]:
        """Give the classes of a slab."""
        grey, classes, inner = self._with_margin(slab)
        reach = self._how.reach
        classes = self._without_cracks(grey, classes)
        away = self._away(classes, math.ceil(reach))
        near = np.zeros(classes.shape, bool)
        for distance in away:
            near |= (distance > 0) & (distance <= reach**2)
        near &= classes != UNLABELLED
        near[: inner[0].start], near[inner[0].stop :] = False, False
        where = np.nonzero(near)
        best = np.full(len(where[0]), np.inf, np.float32)
        found = classes[where]
        value = grey[where]
        first = slab.start - inner[0].start
        at = [
            (axis + 0.5 + (first if number == 0 else 0)) / self._block - 0.5
            for number, axis in enumerate(where)
        ]
        for k in range(self._n):
            if np.isnan(self._spread[k]):
                continue
            mean = map_coordinates(self._means[k], at, order=1, mode="nearest")
            squared = away[k][where].astype(np.float32)
            cost = 0.5 * ((value - mean) / self._spread[k]) ** 2 + np.log(self._spread[k])
            cost += squared / self._how.trust**2
            better = (cost < best) & (squared <= reach**2)
            best[better] = cost[better]
            found[better] = k
        classes[where] = found
        return classes[inner]

    def _without_cracks(
        self, grey: NDArray[np.float32], classes: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        if self._how.cracks is None:
            return classes.copy()
        inside, into = (int(c) for c in self._how.cracks)
        layer, gap = self._middle[inside], self._middle[into]
        # not known yet, one of them is nowhere, or they look alike
        if np.isnan(layer) or np.isnan(gap) or layer == gap:
            return classes.copy()
        # written so that a gap may be brighter than what it lies in
        crack = (classes == inside) & ((grey - gap) / (layer - gap) < 0.5)
        return np.where(crack, np.uint8(into), classes)

    def _with_margin(
        self, slab: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], tuple[slice, slice, slice]]:
        """Give smoothed grey values and classes of a slab and what is around, and where it lies."""
        margin = math.ceil(self._how.reach) + _CORE + 4
        first = max(0, slab.start - margin)
        last = min(self._classes.shape[0], slab.stop + margin)
        _, rows, columns = self._classes.shape
        box = (slice(first, last), slice(0, rows), slice(0, columns))
        sigma = self._how.smoothing
        grey = np.asarray(self._image[box], np.float32)
        grey = gaussian_filter(grey, sigma) if sigma else grey
        inner = (slice(slab.start - first, slab.stop - first), slice(0, rows), slice(0, columns))
        return grey, self._classes[box], inner

    def _away(self, classes: NDArray[np.uint8], reach: int) -> list[NDArray[np.uint8]]:
        return [squared_distance(classes == k, reach) for k in range(self._n)]


def _slabs(n: int) -> Iterator[slice]:
    for start in range(0, n, _SLAB):
        yield slice(start, min(n, start + _SLAB))


def _add_blocks(sums: NDArray[np.float32], values: NDArray[Any], start: int, block: int) -> None:
    """Add the sums over blocks of voxels; `values` begin at slice `start` of the volume."""
    for axis in range(3):
        offset = start % block if axis == 0 else 0
        edges = np.arange(0, values.shape[axis] + offset, block) - offset
        values = np.add.reduceat(values, np.maximum(edges, 0), axis, dtype=np.float32)
    first = start // block
    sums[first : first + len(values)] += values
