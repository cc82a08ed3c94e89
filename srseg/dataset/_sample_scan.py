"""The scan of a sample in a dataset, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._metadata.parse import from_sidecar
from srseg.dataset._scans.prepared import open_prepared
from srseg.dataset._sidecar import ScanFile, read_sample_sidecar, read_scan_file
from srseg.errors import MissingFileError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._metadata.values import MetadataValue
    from srseg.volumes import Grid, Volume


class SampleScan:
    """A sample without its label sets; the part of `DatasetSample` that knows the scan.

    Parameters
    ----------
    root : Path
        The dataset folder.
    subject : str
        The animal or person it comes from.
    name : str
        Its name.
    target : str, default="WF"
        The label set that fit and score use.
    """

    def __init__(self, root: Path, subject: str, name: str, target: str = "WF") -> None:
        self._layout = Layout(root)
        self._key = SampleKey(subject, name)
        self.target = target

    @property
    def name(self) -> str:
        """Name of the sample, unique in its dataset."""
        return self._key.name

    @property
    def subject(self) -> str:
        """The animal or person it comes from; folds never divide a subject."""
        return self._key.subject

    @property
    def sidecar(self) -> dict[str, Any]:
        """What the sidecar says, read now."""
        path = self._layout.scan_sidecar(self._key)
        try:
            return read_sample_sidecar(path)
        except MissingFileError:
            raise UnknownNameError(
                f"{self._layout.root} has no sample {self.name!r} of subject {self.subject!r} any "
                f"more: {path} is gone"
            ) from None

    @property
    def metadata(self) -> Mapping[str, MetadataValue]:
        """What is known of sample and acquisition, by key; the units are in the keys."""
        return from_sidecar(self.sidecar)

    @property
    def scan_file(self) -> ScanFile:
        """Where the voxels of the scan are, as it was registered."""
        return read_scan_file(self.sidecar, self._layout.scan_sidecar(self._key))

    @property
    def scan(self) -> Volume:
        """The scan as it was registered, on its own grid.

        Raises
        ------
        MissingFileError
            If its file is gone.
        DatasetError
            If its file has changed since.
        """
        return self.scan_file.open()

    @property
    def scan_grid(self) -> Grid:
        """The scan's grid, known even while the scan itself is away."""
        return self.scan_file.placed_grid

    def prepared(self, voxel_size: float | None, clip: tuple[float, float]) -> Volume | None:
        """Give the kept working copy made with these settings.

        Parameters
        ----------
        voxel_size : float or None
            Edge length of its voxels, in µm; None is the scan's own.
        clip : tuple of float
            The percentiles it was clipped to.

        Returns
        -------
        Volume or None
            The normalised volume; None where there is none of these settings and this scan.
        """
        return open_prepared(self._layout, self._key, self.scan_file, voxel_size, clip)
