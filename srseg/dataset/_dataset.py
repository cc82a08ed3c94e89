"""A dataset on disk: opened, made, worked on and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._create import create_folder
from srseg.dataset._filling import Filling
from srseg.dataset._find import description_of, find_sample
from srseg.dataset._integrity.check import check_dataset
from srseg.dataset._layout import DESCRIPTION, Layout
from srseg.dataset._measures.write import write_measures
from srseg.dataset._predictions.write import create_prediction, prediction_sidecar
from srseg.dataset._scans.preprocess import preprocess_samples
from srseg.errors import DatasetError, MissingFileError
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.storage import read_json, scratch_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from srseg.dataset._integrity.problem import Problem
    from srseg.dataset._scans.prepared import Prepared
    from srseg.io import PredictionSink
    from srseg.quantification import Measures
    from srseg.volumes import Grid, RigidTransform


class Dataset(Filling):
    """Scans, metadata and label sets in a folder; an X for scikit-learn.

    An integer gives a sample; a slice, an array of integers or a mask gives a view: a dataset of
    the same class with fewer samples, still unread. It pickles as its path, its samples' names and
    its target.

    Parameters
    ----------
    path : path
        The dataset folder.

    Raises
    ------
    MissingFileError
        If the folder is not a dataset.

    Examples
    --------
    >>> folder = getfixture("tmp_path") / "mgbone"
    >>> dataset = Dataset.create(folder)
    >>> len(dataset), dataset.shape, dataset.table.names[1]
    (0, (0,), 'bone')
    """

    def __init__(self, path: Path | str) -> None:
        root = Path(path).absolute()
        _require_dataset(root, path)
        layout = Layout(root)
        super().__init__(layout, layout.samples())

    @classmethod
    def create(
        cls, path: Path | str, *, name: str | None = None, table: LabelTable = DEFAULT_LABELS
    ) -> Dataset:
        """Make an empty dataset.

        Parameters
        ----------
        path : path
            The folder; it is made where it does not exist.
        name : str, optional
            A title; the folder's name where it is None.
        table : LabelTable, default=DEFAULT_LABELS
            The classes of the study.

        Returns
        -------
        Dataset
            The new dataset.

        Raises
        ------
        DatasetError
            If the folder is a dataset already, or a file there has a name that is needed.
        """
        root = Path(path).absolute()
        create_folder(root, name or root.name, table)
        return cls(path)

    def create_prediction(
        self,
        sample: str,
        model: str,
        grid: Grid,
        *,
        description: str,
        provenance: Mapping[str, Any],
        table: LabelTable | None = None,
        saves: Iterable[str] = (),
        maps_grid: Grid | None = None,
        alignment: RigidTransform | Literal["now"] | None = "now",
        overwrite: bool = False,
    ) -> AbstractContextManager[PredictionSink]:
        """Give a place for what a model predicts: labels, and what is to be saved with them.

        All of it is kept when the block ends without an error; until then, and after a kill at any
        moment, an earlier prediction of that name stands as it was.

        Parameters
        ----------
        sample : str
            Name of the sample.
        model : str
            Name of the model; the folder is ``derivatives/srseg-<model>``.
        grid : Grid
            The grid of the labels.
        description : str
            Planes and voting in letters and digits: ``"soft9"``.
        provenance : mapping
            How they are made: model file, parameters, versions, checksum of the input.
        table : LabelTable, optional
            The model's label table, which must be the dataset's.
        saves : iterable of {"probabilities", "disagreement"}, default=()
            What is saved beside the labels: the probability of each class (``_probseg.h5``);
            entropy and margin (``_entropy.h5``, ``_margin.h5``). All are kept in 255ths, as uint8.
        maps_grid : Grid, optional
            Where these lie; on the grid of the labels where it is None.
        alignment : RigidTransform, "now" or None, default="now"
            The alignment (``scan_file.alignment``) that the scan had when it was read, which may
            be hours ago: the labels follow later ones.
        overwrite : bool, default=False
            Whether an earlier prediction of that name may be replaced, with all that was saved
            beside it.

        Returns
        -------
        context manager of PredictionSink
            Write to it as ``sink.labels[z0:z1] = block``, or all with ``sink.fill``; the labels are
            then ``dataset[sample].labels("srseg-<model>/<description>")``.
        """
        ours = self.table
        if table is not None:
            ours.require_same(table, where=f"the model {model}")
        key = find_sample(self._layout, sample)
        return create_prediction(
            self._layout,
            key,
            model,
            grid,
            ours,
            description=description,
            provenance=provenance,
            alignment=self._sample(key).scan_file.alignment if alignment == "now" else alignment,
            saves=saves,
            maps_grid=maps_grid,
            overwrite=overwrite,
        )

    def keep_measures(self, sample: str, label_set: str, measures: Measures) -> Path:
        """Keep implant numbers beside the labels that they are of; earlier ones are replaced.

        Parameters
        ----------
        sample : str
            Name of the sample.
        label_set : str
            Name of the label set or the prediction.
        measures : Measures
            With the fact ``labels_stamp``: what ``sample.labels_info(label_set)["Stamp"]`` was
            before the labels were read. It tells later whether they are still the same.

        Returns
        -------
        Path
            The JSON file, with a table (TSV) beside it; ``sample.measures(label_set)`` reads it.

        Raises
        ------
        DatasetError
            If the labels were replaced meanwhile.
        UnknownNameError
            If there is no such sample or label set.
        """
        key = find_sample(self._layout, sample)
        return write_measures(self._layout, self._sample(key).labels_sidecar(label_set), measures)

    def prediction_scratch(self, sample: str, model: str, *, description: str) -> Path:
        """Tell where a prediction keeps what it needs to go on after it was stopped.

        Parameters
        ----------
        sample : str
            Name of the sample.
        model : str
            Name of the model.
        description : str
            Planes and voting in letters and digits: ``"soft9"``.

        Returns
        -------
        Path
            A hidden folder beside the prediction, ``.<its name>.scratch``; it need not exist, nor
            the folder that it lies in. `check` tells of it as a prediction that goes on.
        """
        key = find_sample(self._layout, sample)
        sidecar = prediction_sidecar(self._layout, key, model, description)
        return scratch_beside(sidecar.with_suffix(".h5"))

    def preprocess(
        self,
        *,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        scratch: Path | str | None = None,
    ) -> list[Prepared]:
        """Make the working copies of these samples: resampled, clipped and scaled to [0, 1].

        Those that are there with the same settings are left alone. Several processes may work on
        one dataset: each copy is made once.

        Parameters
        ----------
        voxel_size : float or None, default=5.0
            Edge length of their voxels, in µm; None keeps the scan's own.
        clip : tuple of float, default=(0.5, 99.9)
            The percentiles that become 0 and 1.
        scratch : path, optional
            A folder for a temporary file of up to 4 bytes for each voxel of the copy; the one that
            `srseg.machine.scratch_folder` gives, or else that of the copy, where it is None.

        Returns
        -------
        list of Prepared
            What was done for each sample.

        Warns
        -----
        UserWarning
            If a sample could not be prepared; the others are.
        """
        return preprocess_samples(
            self._layout, list(self), voxel_size=voxel_size, clip=clip, scratch=scratch
        )

    def check(self, *, deep: bool = False, look_in: Sequence[Path | str] = ()) -> list[Problem]:
        """Look for what is wrong in the dataset; in a view, with its samples only.

        Parameters
        ----------
        deep : bool, default=False
            Whether to read every voxel and compare checksums and values, also those of scans
            elsewhere that were registered with `full_hash`.
        look_in : sequence of path, default=()
            Folders in which scans that are not at their place are looked for, with all below them.

        Returns
        -------
        list of Problem
            The most serious first; empty where all is well and no prediction is paused.

        Raises
        ------
        MissingFileError
            If there is no such folder to look in.
        """
        keys = None if self._whole else self._keys
        return check_dataset(
            self._layout, keys, deep=deep, look_in=[Path(folder) for folder in look_in]
        )


def _require_dataset(root: Path, shown: Path | str) -> None:
    if not root.is_dir():
        raise MissingFileError(
            f"{shown}: no such folder; make a dataset there with: srseg dataset init {shown}"
        )
    path = description_of(root)
    if path is None:
        raise MissingFileError(
            f"{shown} is not a dataset (it has no {DESCRIPTION}); make one there with: "
            f"srseg dataset init {shown}"
        )
    if read_json(path).get("DatasetType") == "derivative":
        raise DatasetError(
            f"{shown} is a derivative inside a dataset; open the dataset itself, "
            f"{root.parent.parent}"
        )
