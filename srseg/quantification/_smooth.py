"""Bone-implant contact as a share of the area of a smoothed surface."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes

from srseg.quantification._codes import BONE, IMPLANT, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRUNCATE = 4  # standard deviations
_LOOK = 2  # standard deviations along the normal: the first voxel that is not implant decides


class ContactArea(NamedTuple):
    """Area of the smoothed surface of an implant, and of its part that bone touches."""

    area: float
    bone: float


def halo_of(sigma: float, voxel_size: tuple[float, float, float]) -> int:
    """Tell how many voxels around a block `contact_area` needs."""
    return max(math.ceil(_TRUNCATE * sigma / min(voxel_size)) + 1, 4)


def contact_area(
    codes: NDArray[np.uint8],
    halo: int,
    ends: tuple[bool, bool, bool],
    sigma: float,
    voxel_size: tuple[float, float, float],
) -> ContactArea:
    """Measure the smoothed surface of the implant in a block, and where bone lies next to it.

    Parameters
    ----------
    codes : ndarray of uint8, shape (z, y, x)
        Codes of the block, and of `halo` voxels around it.
    halo : int
        At least what `halo_of` gives.
    ends : tuple of bool
        Along which axes the volume ends with the block: nothing is found beyond its last voxel.
    sigma : float
        Standard deviation of the Gaussian, in the unit of the voxel size.
    voxel_size : tuple of float
        Edge lengths along z, y, x.

    Returns
    -------
    ContactArea
        Areas of triangles of the marching cubes whose first corner is in the block. Those do not
        count where the voxel outside is unlabelled, or implant up to two standard deviations from
        the surface.
    """
    sizes = np.asarray(voxel_size)
    smooth = gaussian_filter(
        ((codes & IMPLANT) != 0).astype(np.float32), sigma / sizes, truncate=_TRUNCATE
    )
    inner = tuple(
        slice(halo, n - halo + (not end)) for n, end in zip(codes.shape, ends, strict=True)
    )
    field = smooth[inner]
    if min(field.shape) < 2 or not field.min() < 0.5 < field.max():
        return ContactArea(0.0, 0.0)
    corners, triangles, *_ = marching_cubes(  # type: ignore[no-untyped-call]
        field, 0.5, allow_degenerate=False
    )
    a, b, c = (corners[triangles[:, i]] * sizes for i in range(3))
    normal = np.cross(c - a, b - a)  # outward: the triangles run clockwise
    twice = np.linalg.norm(normal, axis=1)
    keep = twice > 0
    outward = normal[keep] / twice[keep, None]
    centre = ((a + b + c) / 3)[keep] / sizes + halo
    seen = np.zeros(len(centre), np.uint8)
    open_ = np.ones(len(centre), bool)
    step = sizes.min() / 2
    for number in range(1, int(_LOOK * sigma / step + 1e-6) + 1):
        place = np.rint(centre + outward * number * step / sizes).astype(np.intp)
        code = codes[tuple(place.T)]
        decided = open_ & ((code & IMPLANT) == 0)
        seen[decided] = code[decided]
        open_ &= ~decided
    area = twice[keep] / 2
    counted = ~open_ & ((seen & UNKNOWN) == 0)
    return ContactArea(
        float(area[counted].sum()), float(area[counted & ((seen & BONE) != 0)].sum())
    )
