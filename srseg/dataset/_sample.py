"""A sample that is kept in a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.history import list_revisions, sidecar_of
from srseg.dataset._labels.revisions import data_of, recorded_stamp, voxels_of
from srseg.dataset._layout import PREDICTION_PREFIX, Layout, SampleKey
from srseg.dataset._measures.read import read_measures
from srseg.dataset._predictions.read import read_maps
from srseg.dataset._sample_scan import SampleScan
from srseg.dataset._scans.aligned import alignment_in, follow
from srseg.dataset._sidecar import difference, read_grid, require_same_grid
from srseg.dataset._tables import read_label_table, require_known_classes
from srseg.errors import DatasetError, MissingFileError, SRSegError, UnknownNameError
from srseg.io import open_volume
from srseg.storage import file_stamp, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._labels.history import LabelRevision
    from srseg.quantification import Measures
    from srseg.volumes import Volume


class DatasetSample(SampleScan):
    """A scan in a dataset, with its label sets; meets `srseg.volumes.Sample`.

    It holds paths only: voxels are read when they are needed, and it pickles in a few bytes.

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

    @property
    def label_sets(self) -> list[str]:
        """Names of the label sets, sorted."""
        return self._layout.label_sets_of(self._key)

    @property
    def predictions(self) -> list[str]:
        """What models predicted, as ``srseg-<model>/<planes and voting>``, sorted."""
        return [
            f"{PREDICTION_PREFIX}{model}/{description}"
            for model in self._layout.models()
            for description in self._layout.label_sets_of(self._key, PREDICTION_PREFIX + model)
        ]

    def labels(self, label_set: str | None = None, *, revision: int | None = None) -> Volume:
        """Give a label set, or a prediction, on its own grid; it follows the scan's alignment.

        Parameters
        ----------
        label_set : str, optional
            Its name, the target where it is None. ``"srseg-wf/soft9"`` is a prediction;
            ``"srseg-wf"`` is enough where that model has only one.
        revision : int, optional
            The number of an older revision; the newest where it is None.

        Returns
        -------
        Volume
            The labels, with the dataset's label table.

        Raises
        ------
        UnknownNameError
            If the sample has no such label set, or the label set no such revision.
        MissingFileError
            If its file is gone.
        DatasetError
            If its file is not the one that was added, or does not lie where its sidecar says.
        LabelError
            If its file has another label table than the dataset.
        """
        sidecar = self.labels_sidecar(label_set, revision)
        described = read_json(sidecar)
        path = voxels_of(sidecar, described)
        if path is None:
            raise _not_as_added(sidecar)
        volume = open_volume(path, labels=True)
        if "Grid" in described:
            said = read_grid(described, sidecar)
            require_same_grid(volume, said, path, sidecar.name)
        table = read_label_table(self._layout.label_table)
        if volume.table is not None:
            require_known_classes(table, volume.table, where=str(path))
        volume.table = table
        return follow(volume, alignment_in(described, sidecar), self.scan_file.alignment)

    def probabilities(self, prediction: str) -> dict[str, Volume]:
        """Give the probabilities that were saved with a prediction.

        Parameters
        ----------
        prediction : str
            Its name, as for `labels`.

        Returns
        -------
        dict of str to Volume
            For each class, by name, its probability at each voxel, float32.

        Raises
        ------
        UnknownNameError
            If there is no such prediction, or none were saved with it.
        DatasetError
            If their file is not the one that was saved.
        """
        now = self.scan_file.alignment
        return read_maps(self.labels_sidecar(prediction), ("probabilities",), now)

    def disagreement(
        self, prediction: str, names: tuple[str, ...] = ("entropy", "margin")
    ) -> dict[str, Volume]:
        """Give the disagreement that was saved with a prediction.

        Parameters
        ----------
        prediction : str
            Its name, as for `labels`.
        names : tuple of str, default=("entropy", "margin")
            What to open of it.

        Returns
        -------
        dict of str to Volume
            ``entropy``, 0 to 1, and ``margin``, 1 to 0 where the classes are ever more alike;
            float32.

        Raises
        ------
        UnknownNameError
            If there is no such prediction, or none was saved with it.
        DatasetError
            If a file is not the one that was saved.
        """
        now = self.scan_file.alignment
        return read_maps(self.labels_sidecar(prediction), names, now)

    def measures(self, label_set: str | None = None) -> Measures | None:
        """Give the implant numbers that ``srseg quantify`` kept of a label set or a prediction.

        Parameters
        ----------
        label_set : str, optional
            Its name, as for `labels`; the target where it is None.

        Returns
        -------
        Measures or None
            None where it was not measured, or the labels were replaced since.

        Raises
        ------
        UnknownNameError
            If the sample has no such label set.
        FileFormatError
            If the file that keeps them cannot be read.
        """
        return read_measures(self.labels_sidecar(label_set))

    def revisions(self, label_set: str | None = None) -> list[LabelRevision]:
        """List the revisions of a label set.

        Parameters
        ----------
        label_set : str, optional
            Its name, the target where it is None.

        Returns
        -------
        list of LabelRevision
            Number, who, when, note and voxels of each class; the oldest first.
        """
        return list_revisions(self._layout, self._key, self._own_set(label_set))

    def labels_info(
        self, label_set: str | None = None, *, revision: int | None = None
    ) -> dict[str, Any]:
        """Give what the sidecar of a label set says: who, when, how, which revision.

        Parameters
        ----------
        label_set : str, optional
            Its name, the target where it is None.
        revision : int, optional
            The number of an older revision; the newest where it is None.

        Returns
        -------
        dict
            The sidecar.
        """
        return read_json(self.labels_sidecar(label_set, revision))

    def labels_sidecar(self, label_set: str | None = None, revision: int | None = None) -> Path:
        """Find the sidecar of a label set; its voxels lie beside it.

        Parameters
        ----------
        label_set : str, optional
            Its name, the target where it is None.
        revision : int, optional
            The number of an older revision; the newest where it is None.

        Returns
        -------
        Path
            The sidecar.

        Raises
        ------
        UnknownNameError
            If the sample has no such label set, or the label set no such revision.
        """
        if revision is not None:
            return sidecar_of(self._layout, self._key, self._own_set(label_set), revision)
        wanted = label_set or self.target
        if wanted in self.label_sets:
            return self._layout.labels_sidecar(self._key, wanted)
        found = [p for p in self.predictions if wanted in (p, p.partition("/")[0])]
        if len(found) == 1:
            model, _, description = found[0].removeprefix(PREDICTION_PREFIX).partition("/")
            return self._layout.prediction_sidecar(self._key, model, description)
        if found:
            raise UnknownNameError(
                f"sample {self.name} has several predictions of {wanted}; name one of: "
                f"{', '.join(found)}"
            )
        there = ", ".join([*self.label_sets, *self.predictions]) or "none"
        raise UnknownNameError(f"sample {self.name} has no label set {wanted!r}; it has: {there}")

    def _own_set(self, label_set: str | None) -> str:
        """Give the name of a label set, which has revisions; predictions have none."""
        wanted = label_set or self.target
        if wanted not in self.label_sets:
            there = ", ".join(self.label_sets) or "none"
            raise UnknownNameError(
                f"sample {self.name} has no label set {wanted!r} with revisions; it has: {there}"
            )
        return wanted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetSample):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[Layout, SampleKey, str]:
        return self._layout, self._key, self.target

    def __repr__(self) -> str:
        sets = ", ".join(self.label_sets) or "none"
        return f"DatasetSample({self.name!r}, subject {self.subject!r}, labels: {sets})"


def _not_as_added(sidecar: Path) -> SRSegError:
    path = data_of(sidecar)
    if not path.is_file():
        return MissingFileError(f"{path} is missing, but {sidecar.name} describes it")
    how = difference(recorded_stamp(sidecar, read_json(sidecar)), file_stamp(path), moved=True)
    return DatasetError(
        f"{path} is not what {sidecar.name} describes: {how}. Put the old file back; or, if these "
        "are the right labels, copy the file elsewhere and add it with: srseg dataset label"
    )
