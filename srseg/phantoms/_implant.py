"""The implant as it was put in: a threaded screw or a pin, as an exact shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Implant", "ImplantKind"]

ImplantKind = Literal["screw", "pin"]

# proportions of the screw, in radii of its thread
_CORE = 0.76
_PITCH = 0.6
_HEAD_RADIUS = 1.3
_HEAD_HEIGHT = 0.5
_TIP = 0.5
# the thread is a trapezoid: share of half a pitch below and above which it is flat
_GROOVE, _CREST = 0.2, 0.7


@dataclass(frozen=True)
class Implant:
    """A screw or a pin with its place in the volume; lengths in voxels, axes (z, y, x).

    Parameters
    ----------
    kind : {"screw", "pin"}
        A screw has a head, a thread and a blunt conical tip; a pin is a cylinder.
    radius : float
        Radius of the pin, or of the crests of the thread.
    length : float
        From the head's top to the tip.
    centre : tuple of float
        Middle of the axis, as an index.
    axes : tuple of 3 tuples of float
        Unit vectors: the axis from head to tip, and two across it.
    """

    kind: ImplantKind
    radius: float
    length: float
    centre: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...]

    @classmethod
    def place(
        cls, kind: ImplantKind, shape: tuple[int, int, int], rng: np.random.Generator
    ) -> Implant:
        """Put an implant upright near the middle of a volume, a little shifted and tilted.

        Parameters
        ----------
        kind : {"screw", "pin"}
            The kind of implant.
        shape : tuple of int
            Shape of the volume.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        Implant
            The implant.
        """
        across = min(shape[1:])
        tilt, towards, roll = np.deg2rad(5) * rng.random(), *(2 * np.pi * rng.random(2))
        axis = np.array(
            [np.cos(tilt), np.sin(tilt) * np.cos(towards), np.sin(tilt) * np.sin(towards)]
        )
        first = np.cross(axis, (0.0, -np.sin(roll), np.cos(roll)))
        first /= np.linalg.norm(first)
        second = np.cross(axis, first)
        shift = rng.uniform(-1, 1, 3) * (0.02 * shape[0], 0.05 * across, 0.05 * across)
        centre = (np.array(shape) - 1) / 2 + shift
        z, y, x = centre.tolist()
        return cls(
            kind,
            0.21 * across * rng.uniform(0.97, 1.06),
            0.76 * shape[0],
            (z, y, x),
            tuple((v[0], v[1], v[2]) for v in (axis.tolist(), first.tolist(), second.tolist())),
        )

    @property
    def head_height(self) -> float:
        """Height of the head, in voxels; 0 for a pin."""
        if self.kind == "pin":
            return 0.0
        return min(_HEAD_HEIGHT * self.radius, 0.2 * self.length)

    @property
    def head_radius(self) -> float:
        """Largest radius, in voxels."""
        return self.radius * (_HEAD_RADIUS if self.kind == "screw" else 1.0)

    def box(self, shape: tuple[int, int, int], margin: float) -> tuple[slice, slice, slice]:
        """Give the box of a volume that holds the implant.

        Parameters
        ----------
        shape : tuple of int
            Shape of the volume.
        margin : float
            Voxels to leave around the implant.

        Returns
        -------
        tuple of 3 slices
            The box, cut at the faces of the volume.
        """
        axis = np.abs(self.axes[0])
        reach = axis * self.length / 2 + np.sqrt(1 - axis**2) * self.head_radius + margin
        low = np.maximum(np.floor(np.array(self.centre) - reach), 0).astype(int)
        high = np.minimum(np.ceil(np.array(self.centre) + reach) + 1, shape).astype(int)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return z, y, x

    def depth(self, box: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        """Tell how deep each voxel of a box lies under the initial surface.

        Parameters
        ----------
        box : tuple of 3 slices
            Part of the volume.

        Returns
        -------
        ndarray of float32
            Distance to the initial surface in voxels, positive inside; exact on the pin's mantle,
            close to it elsewhere.
        """
        offsets = [
            np.arange(s.start, s.stop, dtype=np.float32) - np.float32(c)
            for s, c in zip(box, self.centre, strict=True)
        ]
        z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
        along, first, second = (
            np.float32(v[0]) * z + np.float32(v[1]) * y + np.float32(v[2]) * x for v in self.axes
        )
        along += np.float32(self.length / 2)
        rho = np.hypot(first, second)
        ends = np.minimum(along, self.length - along)
        if self.kind == "pin":
            pin: NDArray[np.float32] = np.minimum(self.radius - rho, ends)
            return pin
        angle = np.arctan2(second, first)
        rho += self._taper(along)
        tooth = self._tooth(along, angle)
        rise = (1 - _CORE) * self.radius
        # height of the flank at this radius, and the way to it along the axis
        wanted = _GROOVE + (_CREST - _GROOVE) * (rho - _CORE * self.radius) / rise
        run = (_CREST - _GROOVE) * _PITCH * self.radius / 2
        flank = (tooth - wanted) * (_PITCH * self.radius / 2) * (rise / math.hypot(rise, run))
        thread = np.minimum(self.radius - rho, flank)
        shaft = np.minimum(np.maximum(_CORE * self.radius - rho, thread), ends)
        head = np.minimum(self.head_radius - rho, np.minimum(along, self.head_height - along))
        screw: NDArray[np.float32] = np.maximum(shaft, head)
        return screw

    def volume_and_surface(self) -> tuple[float, float]:
        """Give the initial volume and surface, integrated over angle and length of the shape.

        Returns
        -------
        volume : float
            Volume in voxels.
        surface : float
            Surface in faces of a voxel, the ends included.
        """
        start = self.head_height
        along = np.linspace(start, self.length, 4001)
        angle = np.linspace(0, 2 * np.pi, 181)
        radius = self._radius(along[:, None], angle)
        slope = np.gradient(radius, along, axis=0)
        turn = np.gradient(radius, angle, axis=1)
        mantle = np.sqrt(radius**2 * (1 + slope**2) + turn**2)
        section = np.asarray(np.trapezoid(radius**2 / 2, angle, axis=1))
        volume = float(np.trapezoid(section, along))
        surface = float(np.trapezoid(np.trapezoid(mantle, angle, axis=1), along) + section[-1])
        if self.kind == "pin":
            return volume, surface + float(section[0])
        disc = np.pi * self.head_radius**2
        volume += disc * start
        surface += 2 * np.pi * self.head_radius * start + disc + (disc - float(section[0]))
        return volume, surface

    def _taper(self, along: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much smaller the radius is towards the tip."""
        tip = _TIP * self.radius
        narrower: NDArray[np.float32] = np.clip((along - self.length) / tip + 1, 0, 1) * tip
        return narrower

    def _tooth(self, along: NDArray[np.float32], angle: NDArray[np.float32]) -> NDArray[np.float32]:
        """Triangle wave of the helix: 0 in the middle of the groove, 1 on that of the crest."""
        phase = along / (_PITCH * self.radius) - angle / (2 * np.pi)
        wave: NDArray[np.float32] = 1 - 2 * np.abs(phase - np.floor(phase) - 0.5)
        return wave

    def _radius(
        self, along: NDArray[np.float64], angle: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.kind == "pin":
            return np.full(np.broadcast_shapes(along.shape, angle.shape), self.radius)
        tooth = self._tooth(along, angle)  # type: ignore[arg-type]
        height = np.clip((tooth - _GROOVE) / (_CREST - _GROOVE), 0, 1)
        radius = self.radius * (_CORE + (1 - _CORE) * height)
        tapered: NDArray[np.float64] = radius - self._taper(along)  # type: ignore[arg-type]
        return tapered
