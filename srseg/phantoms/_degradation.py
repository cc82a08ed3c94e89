"""What corrosion makes of an implant: residual metal under a fragmented, cracked layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg.phantoms._noise import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Corrosion", "corrode"]


@dataclass(frozen=True)
class Corrosion:
    """A corroded implant, in the box around it.

    Parameters
    ----------
    metal : ndarray of bool
        The residual material.
    layer : ndarray of bool
        The degradation layer, without cracks and gaps.
    gaps : ndarray of bool
        Cracks and gaps inside the layer's outline.
    grade : ndarray of float32
        Where the layer's grey value lies between that of metal (0) and of bone (1); its texture
        goes beyond both.
    """

    metal: NDArray[np.bool_]
    layer: NDArray[np.bool_]
    gaps: NDArray[np.bool_]
    grade: NDArray[np.float32]


def corrode(
    depth: NDArray[np.float32], radius: float, stage: float, rng: np.random.Generator
) -> Corrosion:
    """Corrode an implant.

    The metal retreats by a depth that varies over the surface, and further in pits. The layer
    takes its place and swells a little past the initial surface. Its outer part is fragmented.
    Thin curved sheets of fluid cross it, most of them from inside outwards, some along it.

    Parameters
    ----------
    depth : ndarray of float32
        Depth under the initial surface, in voxels.
    radius : float
        Radius of the implant, in voxels: all sizes follow it.
    stage : float
        How far the corrosion has come; 1 is a layer of about a fifth of the radius.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    Corrosion
        The corroded implant.
    """

    def field(length: float) -> NDArray[np.float32]:
        return smooth_field(rng, depth.shape, max(length * radius, 2.0))

    lost = 0.15 + 0.045 * field(0.9) + 0.02 * field(0.25)
    lost += 0.25 * np.maximum(field(0.5) - 1.1, 0)
    lost = np.maximum(lost * stage, 0.03) * radius
    swollen = np.maximum(0.07 + 0.045 * field(0.6) + 0.02 * field(0.2), -0.02) * radius
    metal = depth > lost
    outline = (depth > -swollen) & ~metal
    thickness = np.maximum(lost + swollen, 1.0)
    outward = np.clip((lost - depth) / thickness, 0, 1)

    # gaps become frequent towards the outside, where the layer falls apart
    gaps = field(0.17) > 2.8 - 1.7 * outward
    half_width = min(max(0.035 * radius, 0.55), 2.0)
    spacing = 0.75
    sheet = np.abs(field(spacing)) * np.float32(spacing * radius / 1.6)
    gaps |= sheet < half_width * np.clip(field(0.45) + 0.5, 0, 1)
    sheet = np.abs(outward - 0.45 - 0.12 * field(0.4)) * thickness
    gaps |= sheet < half_width * np.clip(field(0.5) - 0.5, 0, 1)
    gaps &= outline

    grade = 0.5 + 0.5 * outward
    grade += 0.08 * field(0.4) + 0.16 * field(0.15) + 0.16 * field(0.06)
    return Corrosion(metal, outline & ~gaps, gaps, np.clip(grade, -0.3, 1.35))
