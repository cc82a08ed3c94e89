"""A place that is worth correcting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Region

Axis = Literal["z", "y", "x"]


@dataclass(frozen=True)
class Suggestion:
    """A slice or a box that is worth correcting.

    Parameters
    ----------
    kind : {"slice", "box"}
        What it is.
    axis : {"z", "y", "x"} or None
        The axis that a slice lies across; None for a box.
    index : int or None
        The number of a slice along that axis, from 0; None for a box.
    box : tuple of three slices
        Its voxels, counted in the labels (z, y, x); that of a slice has a thickness of 1.
    expected : float
        How many of its voxels may be expected to be wrong, as far as the disagreement tells.
    share : float
        Which share of all that is expected to be wrong in the sample lies in it, 0 to 1.

    Examples
    --------
    >>> one = Suggestion.of_slice("z", 7, (20, 30, 40), expected=12.0, share=0.25)
    >>> one.name, one.n_voxels
    ('z 7', 1200)
    """

    kind: Literal["slice", "box"]
    axis: Axis | None
    index: int | None
    box: Region
    expected: float
    share: float

    @classmethod
    def of_slice(
        cls, axis: Axis, index: int, shape: tuple[int, int, int], *, expected: float, share: float
    ) -> Suggestion:
        """Suggest a slice.

        Parameters
        ----------
        axis : {"z", "y", "x"}
            The axis that it lies across.
        index : int
            Its number along that axis.
        shape : tuple of int
            Number of voxels of the labels along z, y, x.
        expected : float
            How many of its voxels may be expected to be wrong.
        share : float
            The share of those of the sample.

        Returns
        -------
        Suggestion
            The slice.
        """
        z, y, x = (
            slice(index, index + 1) if name == axis else slice(0, n)
            for name, n in zip("zyx", shape, strict=True)
        )
        return cls("slice", axis, index, (z, y, x), expected, share)

    @property
    def name(self) -> str:
        """How it is called: ``z 120``, or a box as ``100:164,0:64,32:96``."""
        if self.kind == "slice":
            return f"{self.axis} {self.index}"
        return ",".join(f"{part.start}:{part.stop}" for part in self.box)

    @property
    def n_voxels(self) -> int:
        """Number of its voxels."""
        z, y, x = (part.stop - part.start for part in self.box)
        return int(z * y * x)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON.

        Returns
        -------
        dict
            Keys ``kind``, ``axis``, ``index``, ``box``, ``expected``, ``share``.
        """
        return {
            "kind": self.kind,
            "axis": self.axis,
            "index": self.index,
            "box": [[part.start, part.stop] for part in self.box],
            "expected": self.expected,
            "share": self.share,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str) -> Suggestion:
        """Read it from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.
        where : str
            The file, for messages.

        Returns
        -------
        Suggestion
            The slice or box.

        Raises
        ------
        FileFormatError
            If it is something else.
        """
        try:
            z, y, x = (slice(int(first), int(last)) for first, last in data["box"])
            if data["kind"] not in ("slice", "box") or data["axis"] not in ("z", "y", "x", None):
                raise ValueError
            return cls(
                data["kind"],
                data["axis"],
                None if data["index"] is None else int(data["index"]),
                (z, y, x),
                float(data["expected"]),
                float(data["share"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise FileFormatError(
                f"{where}: {dict(data)!r} is no suggestion of srseg; export the correction again"
            ) from None
