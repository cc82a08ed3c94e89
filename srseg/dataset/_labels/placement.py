"""Where the labels of a file lie, and what its values mean, where the file does not say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from srseg.dataset._labels.value_map import ValueMap
    from srseg.io import Reading
    from srseg.volumes import Region, RigidTransform

# the first axis of a stack is the number of the slice, whatever the slices lie across
_STACKS = {"z": "zyx", "y": "yzx", "x": "xzy"}


class LabelOptions(TypedDict, total=False):
    """How a label file is read and placed; see `Dataset.add_labels`."""

    voxel_size: float | None
    reading: Reading | None
    placement: Placement | None


@dataclass(frozen=True)
class Placement:
    """Where the labels of a file lie, and what its values mean, where the file does not say it.

    At most one of `slices`, `box` and `transform`.

    Parameters
    ----------
    slices : tuple of int, optional
        The file is a stack of slices with these numbers, counted from 0 in the scan's file, also
        where the sample is a part of it; at another voxel size, on the sample resampled to that.
        All else is unlabelled.
    along : {"z", "y", "x"}, default="z"
        The axis that the slices are counted along. The stack's first axis is the number of the
        slice, the other two are those that are left of z, y, x.
    box : tuple of three slices, optional
        The file holds this box, in voxels counted in the same way.
    transform : RigidTransform, optional
        From the space of the labels to that of the scan: the labels keep their voxels on a grid
        that is turned and shifted.
    values : ValueMap, optional
        What the values of the file become; they are the dataset's where it is None.

    Raises
    ------
    ParameterError
        If more than one says where the labels lie, or `along` is no axis.
    """

    slices: tuple[int, ...] | None = None
    along: Literal["z", "y", "x"] = "z"
    box: Region | None = None
    transform: RigidTransform | None = None
    values: ValueMap | None = None

    def __post_init__(self) -> None:
        given = {"slices": self.slices, "box": self.box, "transform": self.transform}
        said = [name for name, value in given.items() if value is not None]
        if len(said) > 1:
            raise ParameterError(
                f"{' and '.join(said)} both say where the labels lie; give one of them"
            )
        if self.along not in _STACKS:
            raise ParameterError(f"along must be z, y or x, found {self.along!r}")
        if self.along != "z" and self.slices is None:
            raise ParameterError(f"along {self.along!r} needs the numbers of the slices; give them")
        if self.slices is not None:
            object.__setattr__(self, "slices", tuple(int(n) for n in self.slices))
            _require_once(self.slices)

    @property
    def axis(self) -> int:
        """The axis that slices are counted along: 0 is z."""
        return "zyx".index(self.along)

    def reading(self, reading: Reading) -> Reading:
        """Give how the file is read, now that it is known what it holds.

        Parameters
        ----------
        reading : Reading
            What was said of the file.

        Returns
        -------
        Reading
            The same; for a stack with the axes that its slices have.
        """
        if self.slices is not None:
            axes = _STACKS[self.along] if reading.axes == "zyx" else reading.axes
            return replace(reading, axes=axes, single_slices=True)
        thin = self.box is not None and any(part.stop - part.start == 1 for part in self.box)
        return replace(reading, single_slices=True) if thin else reading

    def to_dict(self) -> dict[str, Any]:
        """Give what was said of the place as it stands in the sidecar.

        Returns
        -------
        dict
            Keys ``Slices`` and ``SlicesAlong``, ``Box`` or ``Transform``; the values are apart.
        """
        if self.slices is not None:
            return {"Slices": list(self.slices), "SlicesAlong": self.along}
        if self.box is not None:
            return {"Box": [[part.start, part.stop] for part in self.box]}
        return {} if self.transform is None else {"Transform": self.transform.to_dict()}


def parse_slices(text: str) -> tuple[int, ...]:
    """Read numbers of slices: ``"100,200,300"``, ``"100:200:10"`` (200 is not part of it).

    Parameters
    ----------
    text : str
        Numbers and ranges, with commas between them.

    Returns
    -------
    tuple of int
        The numbers, in their order.

    Raises
    ------
    ParameterError
        If it is something else, or a number stands twice.

    Examples
    --------
    >>> parse_slices("5,10:40:10")
    (5, 10, 20, 30)
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?::([0-9]{1,9})(?::([0-9]{1,9}))?)?\s*", part)
        if match is None:
            raise ParameterError(
                f"{text!r} are no numbers of slices; write 100,200,300 or 100:200:10 (the last is "
                "not part of it), counted from 0"
            )
        first, last, step = int(match[1]), match[2], int(match[3] or 1)
        found = [first] if last is None else range(first, int(last), step) if step else ()
        if not found:
            raise ParameterError(f"{part.strip()!r} in {text!r} is no slice at all")
        if len(numbers) + len(found) > 10**6:
            raise ParameterError(f"{text!r} are over a million slices; no scan has as many")
        numbers += found
    _require_once(tuple(numbers))
    return tuple(numbers)


def _require_once(numbers: tuple[int, ...]) -> None:
    if not numbers or min(numbers) < 0:
        raise ParameterError("slices are counted from 0, and there must be at least one")
    repeated = [a for a, b in pairwise(sorted(numbers)) if a == b]
    if repeated:
        raise ParameterError(f"slice {repeated[0]} is named twice; each lies at one place")
