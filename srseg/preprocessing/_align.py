"""Rigid registration of one implant onto another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from srseg.errors import GridError
from srseg.preprocessing._itk_register import Matcher
from srseg.preprocessing._symmetry import across
from srseg.preprocessing._upright import about, turn
from srseg.progress import task
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.preprocessing._survey import Survey

_ROLLS = 24  # starts about the long axis, each way up: the thread of a screw repeats itself
_FOLLOWED = 4  # of which so many are followed
_MARGIN = 0.75  # of the implant's radius: what around the implant counts
_SEED = 20210


@dataclass(frozen=True)
class Registration:
    """How one implant was brought onto another.

    Parameters
    ----------
    transform : RigidTransform
        From the space of the moving scan to that of the fixed one.
    before, after : float or None
        Mattes' mutual information, in bits, where the scans lay and where they lie then: how much
        one tells of the other. None where they did not overlap.
    overlap_before, overlap_after : float
        Dice of the two implants, 0 to 1.
    """

    transform: RigidTransform
    before: float | None
    after: float | None
    overlap_before: float
    overlap_after: float


def register(moving: Survey, fixed: Survey) -> Registration:
    """Bring one implant onto another by a rotation and a shift.

    Coarse copies are registered by their mutual information (of grey values, of the classes of
    labels, or of one and the other), in the implant and around it. It begins where the scans lie,
    and with the long axes upon each other, either way up, turned by every 15 degrees; the best few
    are followed, from coarse to fine. The same input gives the same result, but for rounding.

    Parameters
    ----------
    moving : Survey
        The implant to be moved.
    fixed : Survey
        The reference.

    Returns
    -------
    Registration
        The transform, and how well it fits.

    Raises
    ------
    GridError
        If no start brings the two to overlap.
    """
    matcher = Matcher(moving, fixed, _around(fixed), _SEED)
    here = RigidTransform()
    starts = [here, *_starts(moving, fixed)]
    with task("registering", len(starts) + _FOLLOWED + 1) as progress:
        scored = []
        for number, start in enumerate(starts):
            score = matcher.information(start, coarse=True)
            if score is not None:
                scored.append((-score, number))
            progress.advance()
        if not scored:
            raise GridError(
                "the two scans cannot be brought to overlap; are both of the same kind of implant?"
            )
        # where they lie is always followed: small motions are the rule
        chosen = [number for _, number in sorted(scored)[:_FOLLOWED]]
        if any(number == 0 for _, number in scored) and 0 not in chosen:
            chosen.append(0)
        followed = []
        for number in chosen:
            followed.append(matcher.follow(starts[number], coarse=True))
            progress.advance()
        best = _most_informed(matcher, followed, coarse=True)
        final = matcher.follow(best, coarse=False)
        progress.advance()
    # nothing is moved for the worse
    transform = _most_informed(matcher, [final, best, here], coarse=False)
    return Registration(
        transform=transform,
        before=matcher.information(here, coarse=False),
        after=matcher.information(transform, coarse=False),
        overlap_before=overlap(moving, fixed, here),
        overlap_after=overlap(moving, fixed, transform),
    )


def _most_informed(
    matcher: Matcher, transforms: Sequence[RigidTransform], *, coarse: bool
) -> RigidTransform:
    """Give the transform of the largest mutual information, of equals the first."""
    found = [matcher.information(one, coarse=coarse) for one in transforms]
    scores = [-math.inf if one is None else one for one in found]
    return transforms[scores.index(max(scores))]


def overlap(moving: Survey, fixed: Survey, transform: RigidTransform) -> float:
    """Give the Dice of two implants once one is moved.

    Parameters
    ----------
    moving, fixed : Survey
        The implants.
    transform : RigidTransform
        Where the moving one goes.

    Returns
    -------
    float
        Twice the volume in common over the sum of the volumes.
    """
    # a voxel of the fixed image is looked up in the moving one
    places = fixed.image.grid.to_physical(np.argwhere(fixed.implant))
    index = moving.image.grid.to_index(transform.inverse().apply(places)).T
    common = ndimage.map_coordinates(moving.implant.astype(np.float32), index, order=1).sum()
    sizes = [np.prod(s.image.grid.voxel_size) * s.implant.sum() for s in (moving, fixed)]
    return float(2 * common * np.prod(fixed.image.grid.voxel_size) / sum(sizes))


def _starts(moving: Survey, fixed: Survey) -> Iterator[RigidTransform]:
    """Give the motions that lay centre upon centre, and axis upon axis where there are two."""
    shift = fixed.centre - moving.centre
    if not (moving.elongated and fixed.elongated):
        yield RigidTransform(translation=tuple(shift.tolist()))
        return
    to_fixed = RigidTransform(translation=tuple(shift.tolist()))
    for axis in (fixed.axis, -fixed.axis):
        laid = about(turn(moving.axis, axis), moving.centre).then(to_fixed)
        for step in range(_ROLLS):
            angle = 2 * np.pi * step / _ROLLS
            yield laid.then(about(_rotation(fixed.axis, angle), fixed.centre))


def _rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    first, second = across(axis)
    matrix: NDArray[np.float64] = (
        np.outer(axis, axis)
        + np.cos(angle) * (np.outer(first, first) + np.outer(second, second))
        + np.sin(angle) * (np.outer(second, first) - np.outer(first, second))
    )
    return matrix


def _around(fixed: Survey) -> NDArray[np.bool_]:
    """Give the voxels that count: the implant, and what is near it."""
    away = ndimage.distance_transform_edt(~fixed.implant) * fixed.image.grid.voxel_size[0]
    near: NDArray[np.bool_] = away <= _MARGIN * fixed.radius
    near &= np.isfinite(fixed.image.read())
    return near
