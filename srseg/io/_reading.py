"""How a file is to be read, where it does not say it itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

_AXES = re.compile(r"(-?)([zyx])(-?)([zyx])(-?)([zyx])")


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, where it does not say it itself.

    Parameters
    ----------
    dataset : str, optional
        Path of the volume inside an HDF5 or OME-Zarr file; it is searched for where it is None.
    axes : str, default="zyx"
        What the file's axes are, the slowest first; a minus stands before an axis that runs
        backwards in the file: ``"xyz"``, ``"-zyx"``. Voxel size and origin that the file states
        belong to its axes and go with them.
    follow_links : bool, default=False
        Whether an HDF5 file may take its voxels from other files (external links, virtual
        datasets); these must lie below its own folder.
    shape : tuple of int, optional
        Numbers of voxels along the file's axes, the slowest first, for a file of bare voxels.
    dtype : str, optional
        Type of the voxels of such a file, with ``>`` before it for big-endian ones: ``"uint16"``,
        ``">f4"``.
    offset : int, default=0
        Where the voxels of such a file begin, in bytes.
    voxel_size : float, optional
        Edge length of the voxels in µm that holds whatever the file states; for a file that states
        a wrong one and cannot be corrected. An origin in the file is corrected by the same factor.
    single_slices : bool, default=False
        Whether the file holds single slices of a volume, and not the whole of it: one slice is
        enough then, and the numbers of the files in a folder may have gaps. For labels of slices.

    Raises
    ------
    ParameterError
        If `axes` does not name each axis once, or a number cannot be.

    Examples
    --------
    >>> Reading(axes="xyz").order, Reading(axes="-zyx").backwards
    ((2, 1, 0), (True, False, False))
    """

    dataset: str | None = None
    axes: str = "zyx"
    follow_links: bool = False
    shape: tuple[int, int, int] | None = None
    dtype: str | None = None
    offset: int = 0
    voxel_size: float | None = None
    single_slices: bool = False

    def __post_init__(self) -> None:
        if sorted(self.axes.replace("-", "")) != ["x", "y", "z"] or not _AXES.fullmatch(self.axes):
            raise ParameterError(
                f"axes must name z, y and x once each, the slowest of the file first, found "
                f"{self.axes!r}; write zyx, xyz, or -zyx for a stack that runs backwards"
            )
        if self.shape is not None and (
            len(self.shape) != 3 or not all(type(n) is int and n > 0 for n in self.shape)
        ):
            raise ParameterError(
                f"shape must be three positive numbers of voxels, found {self.shape}"
            )
        if self.voxel_size is not None and not (
            math.isfinite(self.voxel_size) and self.voxel_size > 0
        ):
            raise ParameterError(
                f"voxel_size must be a positive length in µm, found {self.voxel_size}"
            )
        if self.offset < 0:
            raise ParameterError(f"offset must be a number of bytes, found {self.offset}")

    @property
    def order(self) -> tuple[int, int, int]:
        """The file's axis that is z, the one that is y, and the one that is x."""
        letters = self.axes.replace("-", "")
        return letters.index("z"), letters.index("y"), letters.index("x")

    @property
    def backwards(self) -> tuple[bool, bool, bool]:
        """Whether z, y and x run backwards in the file."""
        z, y, x = (f"-{letter}" in self.axes for letter in "zyx")
        return z, y, x

    def to_dict(self) -> dict[str, Any]:
        """Give what differs from the default as plain data for JSON.

        Returns
        -------
        dict
            Values by the name of the parameter.
        """
        return {
            f.name: list(value) if isinstance(value, tuple) else value
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reading:
        """Read from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        Reading
            How the file is to be read.

        Raises
        ------
        ParameterError
            If a key or a value is not one.
        """
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise ParameterError(f"unknown keys {sorted(unknown)} in how a file is read")
        values = dict(data)
        if isinstance(values.get("shape"), list | tuple):
            values["shape"] = tuple(values["shape"])
        kinds: dict[str, Any] = {
            "dataset": str,
            "axes": str,
            "dtype": str,
            "offset": int,
            "follow_links": bool,
            "single_slices": bool,
            "shape": tuple,
        }
        for name, kind in {**kinds, "voxel_size": (int, float)}.items():
            if name in values and not isinstance(values[name], kind):
                raise ParameterError(f"{name} cannot be {values[name]!r}")
        return cls(**values)
