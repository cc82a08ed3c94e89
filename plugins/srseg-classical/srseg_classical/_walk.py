"""Random walkers from labelled voxels, as scikit-image solves them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import random_walker

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOBODY, OUTSIDE = -1, -2


def walked(
    values: NDArray[np.float32], seeds: NDArray[np.int8], n_classes: int, beta: float
) -> NDArray[np.float32]:
    """Give the probability that a walker from a voxel comes to the seeds of each class first.

    Parameters
    ----------
    values : ndarray of shape (Z, Y, X), float32
        Grey values: a step between two voxels has the weight exp(-beta d²), d their difference.
    seeds : ndarray of shape (Z, Y, X), int8
        The class of a seed; -1 where a walker may begin, -2 where none may come to.
    n_classes : int
        Number of classes K.
    beta : float
        How hard it is to cross an edge.

    Returns
    -------
    ndarray of shape (K, Z, Y, X), float32
        Probabilities; 0 for every class where no walker comes to a seed.

    Examples
    --------
    >>> values = np.float32([[[0, 0, 0, 1, 1, 1]]])
    >>> seeds = np.int8([[[0, -1, -1, -1, -1, 1]]])
    >>> walked(values, seeds, 2, 10.0).argmax(0)
    array([[[0, 0, 0, 1, 1, 1]]])
    """
    found = np.zeros((n_classes, *values.shape), np.float32)
    for k in range(n_classes):
        found[k][seeds == k] = 1
    seeded = seeds >= 0
    arrives = ndimage.binary_propagation(seeded, mask=seeds != OUTSIDE) & ~seeded
    # no walker comes to the others; where they are cut off, scikit-image mixes up the classes
    met = seeded & ndimage.binary_dilation(arrives)
    present = np.unique(seeds[met])
    if not arrives.any() or len(present) == 1:  # nothing to be solved
        for k in present:
            found[k][arrives] = 1
        return found
    labels = np.where(met, np.searchsorted(present, seeds) + 1, np.where(arrives, 0, -1))
    spread = float(values.std(dtype=np.float64))
    walker: Any = random_walker  # scikit-image has no types
    with warnings.catch_warnings():
        # of seeds without a free neighbour, and of rounding beyond 0 and 1
        warnings.simplefilter("ignore")
        # it divides beta by ten times the standard deviation of what it is given, which would
        # make it another one in each block
        shares = walker(
            values.astype(np.float64) if spread else np.indices(values.shape).sum(0) % 2.0,
            labels,
            beta=10 * spread * beta,
            return_full_prob=True,
        )
    shares = np.clip(shares[:, arrives], 1e-12, 1)
    for k, share in zip(present, shares / shares.sum(0), strict=True):
        found[k][arrives] = share
    return found
