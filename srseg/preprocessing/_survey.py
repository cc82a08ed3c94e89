"""Where the implant of a scan is, and which way it points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from srseg.errors import ParameterError
from srseg.preprocessing._bright_object import ELONGATED, Found, find_object, thresholds
from srseg.preprocessing._coarse import coarse_copy, coarse_grid
from srseg.preprocessing._model_grid import model_grid
from srseg.preprocessing._symmetry import across, symmetry_axis
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Grid, RigidTransform

IMPLANT = ("degradation layer", "residual material")
"""The classes that make up the implant, where none are named."""

_WHOLE, _BOX = 112**3, 128**3  # voxels of the coarse copies
# the box around the implant is read again unless it would be coarser: what lies far from it leads
# the registration of labels astray (1 degree instead of 0.1 on a small phantom)
_FINER = 1.01
_POINTS = 30_000  # that the axis is found from


@dataclass(frozen=True)
class Survey:
    """A coarse look at an implant; positions are (z, y, x), in µm.

    Parameters
    ----------
    image : Volume
        A coarse copy of the surroundings of the implant: grey values, or of labels the number of
        the class, counted in the order of the table. NaN where nothing was seen.
    implant : ndarray of bool, of the shape of `image`
        The implant.
    centre : ndarray of shape (3,)
        Its centre of mass.
    axis : ndarray of shape (3,)
        Unit vector along it, upwards (z is not negative).
    radius : float
        Its half width: the radius of the largest sphere inside it.
    elongation : float
        Variance along its longest axis over that along the next; below 2 it has no axis to speak
        of.
    from_labels : bool
        Whether labels were looked at, and not grey values.
    """

    image: Volume
    implant: NDArray[np.bool_]
    centre: NDArray[np.float64]
    axis: NDArray[np.float64]
    radius: float
    elongation: float
    from_labels: bool

    @property
    def elongated(self) -> bool:
        """Whether the axis means anything."""
        return self.elongation >= ELONGATED

    @property
    def tilt(self) -> float:
        """Angle between the axis and z, in degrees."""
        return float(np.degrees(np.arccos(min(1.0, abs(float(self.axis[0]))))))

    def moved(self, transform: RigidTransform) -> Survey:
        """Give the same look after a rotation and a shift.

        Parameters
        ----------
        transform : RigidTransform
            Where everything goes.

        Returns
        -------
        Survey
            The same voxels at their new places.
        """
        axis = transform.matrix @ self.axis
        return replace(
            self,
            image=self.image.moved(transform),
            centre=transform.apply(self.centre),
            axis=-axis if axis[0] < 0 else axis,
        )


def survey(volume: Volume, implant: Sequence[str] | None = None) -> Survey:
    """Look for the implant in coarse copies of a scan or of labels; memory is bounded.

    In labels it is the voxels of its classes. In a scan it is the thickest bright object (Otsu's
    threshold): bone is as bright as many alloys, but thinner. The axis is that about which it is
    most alike from all sides.

    Parameters
    ----------
    volume : Volume
        A scan; or labels, with their table.
    implant : sequence of str, optional
        For labels: the names of the classes that make up the implant; the degradation layer and
        the residual material where it is None.

    Returns
    -------
    Survey
        The implant.

    Raises
    ------
    ParameterError
        If the labels have none of these classes, no voxel has one, or the scan is empty.
    """
    labels = volume.table is not None
    classes, share = _meanings(volume, implant) if labels else (None, None)
    whole = coarse_copy(volume, coarse_grid(volume.grid, _WHOLE), share)
    if not np.isfinite(whole.read()).any():
        raise ParameterError("nothing of the volume was seen: every voxel is NaN or unlabelled")
    # thin labels fill no coarse voxel by half
    levels = [0.5, 0.0] if labels else thresholds(whole.read())
    found = _objects(whole, levels, thickest=not labels)
    if not found:
        raise ParameterError(
            f"no voxel is labelled {' or '.join(implant or IMPLANT)}; choose another label set"
        )
    # the lower threshold takes in the degradation layer, and where bone is as bright, bone too
    box = _box_around(volume.grid, _first_elongated(found))
    grid = coarse_grid(volume.grid.cropped(box), _BOX)
    if grid.voxel_size[0] < _FINER * whole.grid.voxel_size[0]:
        # of a large scan the implant is a small part: closer
        closer = coarse_copy(volume, grid, share)
        again = _objects(closer, levels, thickest=not labels)
        if again:  # labels thinner than a sample may be met in one copy and not in the other
            whole, found = closer, again
    image = coarse_copy(volume, whole.grid, classes) if labels else whole
    chosen = _first_elongated(found)
    axis = chosen.axis
    if chosen.elongated:
        grey = chosen.mask.astype(np.float32) if labels else image.read()
        axis = _best_axis(image.grid, grey, chosen, found)
    return Survey(
        image=image,
        implant=chosen.mask,
        centre=chosen.centre,
        axis=-axis if axis[0] < 0 else axis,
        radius=chosen.radius,
        elongation=chosen.elongation,
        from_labels=labels,
    )


def tilt_after(seen: Survey, transform: RigidTransform) -> float:
    """Measure the tilt of an implant anew, in its image as it is once it was moved.

    Parameters
    ----------
    seen : Survey
        The implant where it lies.
    transform : RigidTransform
        Where it goes.

    Returns
    -------
    float
        Angle between its axis and z, in degrees.
    """
    grid = model_grid(seen.image.grid.moved(transform), seen.image.grid.voxel_size[0])
    share = Volume(seen.implant.astype(np.float32), seen.image.grid)
    grey = share if seen.from_labels else seen.image
    mask = coarse_copy(share.moved(transform), grid)
    found = find_object(mask, 0.5, thickest=False)
    assert found is not None  # noqa: S101 - the grid covers all of it
    axis = _best_axis(grid, coarse_copy(grey.moved(transform), grid).read(), found, [found])
    return float(np.degrees(np.arccos(min(1.0, abs(float(axis[0]))))))


def _objects(image: Volume, levels: Sequence[float], thickest: bool) -> list[Found]:
    found = (find_object(image, level, thickest=thickest) for level in levels)
    return [one for one in found if one is not None]


def _first_elongated(found: Sequence[Found]) -> Found:
    return next((one for one in found if one.elongated), found[-1])


def _meanings(
    labels: Volume, implant: Sequence[str] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give for each label value the number of its class, and whether it is implant."""
    assert labels.table is not None  # noqa: S101 - the caller looked
    names = IMPLANT if implant is None else implant
    known = list(labels.table.names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ParameterError(
            f"the label table has no class {', '.join(unknown)}; name the classes that make up "
            f"the implant, of: {', '.join(known)}"
        )
    classes, share = np.full((2, 256), np.nan, np.float32)
    for number, one in enumerate(labels.table):
        classes[one.value], share[one.value] = number, one.name in names
    return classes, share


def _box_around(grid: Grid, found: Found) -> tuple[slice, slice, slice]:
    """Give the box of voxels around an object, with its radius left on all sides."""
    along = np.abs(found.axis)
    across = np.sqrt(1 - np.minimum(along**2, 1))
    reach = along * found.half_length + 2.5 * found.radius * np.maximum(across, 0.4)
    if not found.elongated:
        reach = np.full(3, found.half_length + found.radius)
    corners = found.centre + np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T * reach
    index = grid.to_index(corners)
    first = np.clip(np.floor(index.min(0)), 0, np.array(grid.shape) - 1).astype(int)
    last = np.clip(np.ceil(index.max(0)) + 1, first + 1, grid.shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return z, y, x


def _best_axis(
    grid: Grid, grey: NDArray[np.float32], chosen: Found, objects: list[Found]
) -> NDArray[np.float64]:
    """Find the axis of symmetry of what is around the implant, beginning at each guess."""
    points, values = _sampled(grid, grey, chosen)
    guesses = [one for one in objects if abs(float(one.axis @ chosen.axis)) > 0.8]
    fits = [
        symmetry_axis(points, values, one.centre, one.axis, grid.voxel_size[0]) for one in guesses
    ]
    return min(fits, key=lambda fit: fit[2])[1]


def _sampled(
    grid: Grid, grey: NDArray[np.float32], chosen: Found
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take grey values at random points in a cylinder around an object.

    Not at the voxels: rings about an axis that lies along the grid would fit their lattice.
    """
    rng = np.random.default_rng(0)
    first, second = across(chosen.axis)
    # fewer towards the ends: what is cut off there, half a turn of a thread, would tilt the axis
    height = 1.1 * (2 * rng.beta(2, 2, _POINTS) - 1) * chosen.half_length
    distance = 1.9 * chosen.radius * np.sqrt(rng.random(_POINTS))
    angle = rng.uniform(0, 2 * np.pi, _POINTS)
    points = (
        chosen.centre
        + height[:, None] * chosen.axis
        + (distance * np.cos(angle))[:, None] * first
        + (distance * np.sin(angle))[:, None] * second
    )
    index = grid.to_index(points).T
    seen = ndimage.map_coordinates(
        np.isfinite(grey).astype(np.float32), index, order=1, mode="constant"
    )
    values = ndimage.map_coordinates(np.nan_to_num(grey), index, order=1)[seen > 0.999]
    return points[seen > 0.999], (values - values.mean()).astype(np.float64)
