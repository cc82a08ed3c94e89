"""What the viewer shows of one sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Region, Volume


@dataclass(frozen=True)
class ViewerSample:
    """A scan with what lies over it.

    Everything is shown on the grid of the label set with the most voxels, the first of equals, or
    of the scan where there is none; what lies on another grid is brought onto it. Nothing is read
    before the page is made.

    Parameters
    ----------
    name : str
        The name in the list of samples.
    scan : Volume
        The scan.
    labels : mapping of str to Volume
        Label sets by name, each with its label table. The last one is shown at first.
    maps : mapping of str to Volume
        Maps of values from 0 to 1 by name, such as the disagreement of a prediction.
    boxes : mapping of str to tuple of three slices
        Boxes of voxels of that grid by name, which can be chosen in the list of samples and are
        shown in finer voxels than the whole.

    Raises
    ------
    ParameterError
        If a label set has no label table.
    """

    name: str
    scan: Volume
    labels: Mapping[str, Volume] = field(default_factory=dict)
    maps: Mapping[str, Volume] = field(default_factory=dict)
    boxes: Mapping[str, Region] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, volume in self.labels.items():
            if volume.table is None:
                raise ParameterError(
                    f"{self.name}: label set {name} has no label table, so its classes have no "
                    "names and colours; give Volume(..., table=...)"
                )
