"""What the estimators need to know of a sample, wherever it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from srseg.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes._grid import Grid
    from srseg.volumes._volume import Volume


@runtime_checkable
class Sample(Protocol):
    """A scan with its label sets: what ``fit``, ``predict`` and ``score`` take."""

    @property
    def name(self) -> str:
        """Name of the sample, unique in its study."""

    @property
    def subject(self) -> str:
        """The animal or person it comes from; folds never divide a subject."""

    @property
    def scan(self) -> Volume:
        """The scan as it was registered, on its own grid."""

    @property
    def scan_grid(self) -> Grid:
        """The scan's grid, known even while the scan itself is away."""

    @property
    def target(self) -> str:
        """Name of the label set that fit and score use."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known of sample and acquisition."""

    def labels(self, label_set: str | None = None) -> Volume:
        """Give a label set by name (the target where it is None), on its own grid."""

    def prepared(self, voxel_size: float | None, clip: tuple[float, float]) -> Volume | None:
        """Give a kept working copy made with these settings, or None where there is none."""


@dataclass
class ArraySample:
    """A sample in memory.

    Parameters
    ----------
    name : str
        Name of the sample.
    scan : Volume
        The scan.
    label_sets : dict of str to Volume, default={}
        The label sets by name.
    subject : str, default=""
        The subject; the name of the sample where it is empty.
    target : str, default="WF"
        Name of the label set that fit and score use.
    metadata : mapping, default={}
        What is known of the sample.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg import Volume
    >>> scan = Volume.from_array(np.zeros((4, 4, 4), np.float32), voxel_size=5)
    >>> ArraySample("A", scan).subject
    'A'
    """

    name: str
    scan: Volume
    label_sets: dict[str, Volume] = field(default_factory=dict)
    subject: str = ""
    target: str = "WF"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.subject = self.subject or self.name

    @property
    def scan_grid(self) -> Grid:
        """The scan's grid."""
        return self.scan.grid

    def labels(self, label_set: str | None = None) -> Volume:
        """Give a label set.

        Parameters
        ----------
        label_set : str, optional
            Its name; the target where it is None.

        Returns
        -------
        Volume
            The labels, on their own grid.

        Raises
        ------
        UnknownNameError
            If the sample has no such label set.
        """
        wanted = label_set or self.target
        if wanted not in self.label_sets:
            there = ", ".join(sorted(self.label_sets)) or "none"
            raise UnknownNameError(
                f"sample {self.name} has no label set {wanted!r}; it has: {there}"
            )
        return self.label_sets[wanted]

    def prepared(self, voxel_size: float | None, clip: tuple[float, float]) -> Volume | None:  # noqa: ARG002
        """Give None: a sample in memory keeps no working copy.

        Parameters
        ----------
        voxel_size : float or None
            Edge length of the working copy's voxels, in µm.
        clip : tuple of float
            The percentiles it was clipped to.

        Returns
        -------
        None
            Always.
        """
        return None
