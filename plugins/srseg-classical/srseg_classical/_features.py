"""Filters at several scales: what a pixel classifier knows of a voxel and of what is around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from srseg_classical._brightness import radius_of, smoothed
from srseg_classical._edges import difference
from srseg_classical._eigenvalues import eigenvalues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KINDS = ("gaussian", "gradient", "laplacian", "difference", "hessian", "structure")
"""Filters: smoothed grey value, magnitude of the gradient, Laplacian of Gaussian, difference of
Gaussians, eigenvalues of the Hessian matrix and of the structure tensor."""

_NARROWER = 0.66  # the second Gaussian of a difference, as ilastik has it
_WINDOW = 0.5  # of a structure tensor, against that of its gradient


class Filters:
    """The filters of one choice of scales, in a fixed order.

    Parameters
    ----------
    sigmas : sequence of float
        Standard deviations of the Gaussians in voxels.
    kinds : sequence of str
        Some of `KINDS`.
    dimensions : {2, 3}
        Whether a voxel knows of its slice alone, or of those above and below too.

    Examples
    --------
    >>> Filters([1.0, 2.0], ["gaussian", "hessian"], 3).n_features
    9
    """

    def __init__(self, sigmas: Sequence[float], kinds: Sequence[str], dimensions: int) -> None:
        self.sigmas = tuple(float(sigma) for sigma in sigmas)
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)
        self.dimensions = dimensions
        matrices = sum(kind in ("hessian", "structure") for kind in self.kinds)
        self._each = len(self.kinds) - matrices + matrices * dimensions

    @property
    def n_features(self) -> int:
        """How many numbers there are of a voxel: its grey value, and those of each scale."""
        return 1 + self._each * len(self.sigmas)

    @property
    def reach(self) -> int:
        """How far a voxel can influence another."""
        beyond = {"gaussian": 0, "difference": 0, "gradient": 1, "laplacian": 2, "hessian": 2}
        return max(
            radius_of(sigma)
            + max(
                1 + radius_of(_WINDOW * sigma) if kind == "structure" else beyond[kind]
                for kind in self.kinds
            )
            for sigma in self.sigmas
        )

    def __call__(self, block: NDArray[np.float32], n_threads: int = 1) -> NDArray[np.float32]:
        """Filter a box.

        Parameters
        ----------
        block : ndarray of shape (Z, Y, X), float32
            Grey values.
        n_threads : int, default=1
            How many scales are computed at a time.

        Returns
        -------
        ndarray of shape (n_features, Z, Y, X), float32
            One number of each voxel for each filter.
        """
        found = np.empty((self.n_features, *block.shape), np.float32)
        found[0] = block

        def fill(i: int) -> None:
            self._scale(block, self.sigmas[i], found[1 + i * self._each : 1 + (i + 1) * self._each])

        if n_threads > 1 and len(self.sigmas) > 1:
            with ThreadPoolExecutor(n_threads) as threads:
                list(threads.map(fill, reversed(range(len(self.sigmas)))))  # the slowest first
        else:
            for i in range(len(self.sigmas)):
                fill(i)
        return found

    def _scale(self, block: NDArray[np.float32], sigma: float, found: NDArray[np.float32]) -> None:
        axes = list(range(3 - self.dimensions, 3))
        pairs = [(i, j) for i in range(len(axes)) for j in range(i, len(axes))]
        smooth = smoothed(block, self._along(sigma))
        slopes = [difference(smooth, axis) for axis in axes]
        values: list[NDArray[np.float32]] = []
        for kind in self.kinds:
            if kind == "gaussian":
                values = [smooth]
            elif kind == "gradient":
                values = [np.sqrt(sum(slope * slope for slope in slopes))]
            elif kind == "difference":
                values = [smooth - smoothed(block, self._along(_NARROWER * sigma))]
            elif kind == "laplacian":
                bends = [difference(s, a) for s, a in zip(slopes, axes, strict=True)]
                values = [np.sum(bends, axis=0)]
            elif kind == "hessian":
                values = eigenvalues([difference(slopes[i], axes[j]) for i, j in pairs])
            else:
                window = self._along(_WINDOW * sigma)
                values = eigenvalues([smoothed(slopes[i] * slopes[j], window) for i, j in pairs])
            found[: len(values)] = values
            found = found[len(values) :]

    def _along(self, sigma: float) -> tuple[float, float, float]:
        return (sigma if self.dimensions == 3 else 0.0, sigma, sigma)
