"""Bone around an implant: trabeculae, a cortical shell, and new bone on part of the surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.phantoms._noise import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit_mask", "grow_bone", "new_bone"]


def grow_bone(
    shape: tuple[int, int, int], radius: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Grow trabecular bone under a cortical shell.

    The shell is a curved plate with canals that the implant passes near its head; above it lies
    soft tissue, below it marrow with trabecular plates and rods (sheets near the zero of one
    random field, perforated by another).

    Parameters
    ----------
    shape : tuple of int
        Shape of the volume.
    radius : float
        Radius of the implant, in voxels: all sizes follow it.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    bone : ndarray of bool
        The bone.
    outside : ndarray of bool
        Soft tissue outside the shell.
    """
    spacing = 0.62 * radius
    plates = np.abs(smooth_field(rng, shape, (1.25 * spacing, spacing, spacing)))
    holes = smooth_field(rng, shape, 0.8 * spacing)
    bone = plates < 0.33 + 0.1 * np.minimum(holes, 0)
    bone &= holes > -0.75
    # a shell bent about an axis that lies across the implant, as the shaft of a tibia is
    turn = rng.uniform(0, np.pi)
    y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in shape[1:])
    across = np.cos(turn) * y[:, None] + np.sin(turn) * x
    bend = 0.5 * across**2 / (rng.uniform(1.3, 2.0) * min(shape[1:]))
    wave = smooth_field(rng, shape[1:], 1.2 * radius)
    top = shape[0] * rng.uniform(0.13, 0.19) + bend + 0.06 * radius * wave
    thick = shape[0] * rng.uniform(0.10, 0.15)
    below = np.arange(shape[0], dtype=np.float32)[:, None, None] - top
    outside = below < 0
    rough = 0.12 * radius * smooth_field(rng, shape, 0.5 * radius)
    bone |= below < thick + rough
    canals = smooth_field(rng, shape, 0.45 * radius) ** 2
    canals += smooth_field(rng, shape, 0.45 * radius) ** 2
    bone &= (canals > 0.12) | (below > thick)
    return bone & ~outside, outside


def fit_mask(
    mask: NDArray[Any], shape: tuple[int, int, int], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    """Cut a piece of the wanted shape out of a mask of real bone.

    Parameters
    ----------
    mask : ndarray of shape (Z, Y, X)
        Bone is what is not 0. Where it is smaller than the wanted shape it is continued by
        reflection.
    shape : tuple of int
        The wanted shape.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    bone : ndarray of bool
        The piece.
    offset : tuple of int
        Index of the mask at which the piece starts.

    Raises
    ------
    ParameterError
        If the mask has not three axes, or is all bone or has none.
    """
    if mask.ndim != 3:
        raise ParameterError(
            f"bone_mask: a mask has three axes (z, y, x), found shape {mask.shape}; "
            "give a volume in which bone is not 0"
        )
    bone = mask != 0
    if bone.all() or not bone.any():
        raise ParameterError(
            f"bone_mask: of the {bone.size} voxels {np.count_nonzero(bone)} are bone (not 0); "
            "give a mask with bone and marrow"
        )
    missing = [max(want - have, 0) for want, have in zip(shape, bone.shape, strict=True)]
    bone = np.pad(bone, [(0, n) for n in missing], mode="symmetric")
    z, y, x = (
        int(rng.integers(0, have - want + 1)) for want, have in zip(shape, bone.shape, strict=True)
    )
    return bone[z : z + shape[0], y : y + shape[1], x : x + shape[2]].copy(), (z, y, x)


def new_bone(
    depth: NDArray[np.float32], radius: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Let bone grow onto part of the implant's surface.

    Parameters
    ----------
    depth : ndarray of float32
        Depth under the initial surface, in voxels; negative outside.
    radius : float
        Radius of the implant, in voxels.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    ndarray of bool
        Patches of bone no further than 0.4 radii from the initial surface.
    """
    height = 0.14 * smooth_field(rng, depth.shape, 1.1 * radius)
    height += 0.06 * smooth_field(rng, depth.shape, 0.35 * radius) + 0.05
    grown: NDArray[np.bool_] = -depth < radius * np.minimum(height, 0.4)
    return grown
