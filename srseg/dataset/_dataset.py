"""A dataset on disk: opened, made, filled and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from srseg.dataset._create import create_folder
from srseg.dataset._integrity.check import check_dataset
from srseg.dataset._labels.sets import plan_labels, write_labels
from srseg.dataset._layout import DESCRIPTION, Layout
from srseg.dataset._measures.write import write_measures
from srseg.dataset._predictions.write import create_prediction, prediction_sidecar
from srseg.dataset._sample import DatasetSample, find_sample
from srseg.dataset._scans.plan import plan_sample
from srseg.dataset._scans.preprocess import preprocess_samples
from srseg.dataset._scans.register import register
from srseg.dataset._view import SampleView
from srseg.errors import DatasetError, MissingFileError
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.storage import read_json, scratch_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from srseg.dataset._integrity.problem import Problem
    from srseg.dataset._labels.placement import LabelOptions, Placement
    from srseg.dataset._labels.plan import LabelsPlan
    from srseg.dataset._scans.plan import SamplePlan, ScanOptions
    from srseg.dataset._scans.prepared import Prepared
    from srseg.io import PredictionSink, Reading
    from srseg.quantification import Measures
    from srseg.volumes import FieldOfView, Grid, Region, RigidTransform


class Dataset(SampleView):
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

    def plan_sample(self, file: Path | str, **options: Unpack[ScanOptions]) -> SamplePlan:
        """Look at a scan and tell what `add_sample` would do; nothing is written.

        Parameters
        ----------
        file : path
            A scan, or a folder of slices.
        **options
            Those of `add_sample`.

        Returns
        -------
        SamplePlan
            What would be registered, for `register`.
        """
        return plan_sample(self._layout, file, **options)

    def add_sample(
        self,
        file: Path | str,
        *,
        name: str | None = None,
        subject: str | None = None,
        voxel_size: float | None = None,
        reading: Reading | None = None,
        metadata: Mapping[str, object] | None = None,
        copy: bool | None = None,
        roi: Region | None = None,
        field: FieldOfView | Literal["auto"] | None = "auto",
        full_hash: bool = False,
    ) -> DatasetSample:
        """Register a scan.

        Parameters
        ----------
        file : path
            A scan, or a folder of slices, in any format that `srseg.io` reads.
        name : str, optional
            Name of the sample; the file's stem, without what BIDS does not allow, where it is None.
        subject : str, optional
            The animal or person; a new one, with the next free number, where it is None.
        voxel_size : float, optional
            Edge length of the voxels in µm, for a file that does not say it.
        reading : Reading, optional
            How to read the file, where it does not say: the path inside an HDF5 file, the order of
            its axes, shape and type of bare voxels.
        metadata : mapping, optional
            What is known of the sample, by key, in the units of the keys or as text with a unit;
            free keys under ``"extra"``.
        copy : bool, optional
            Whether the voxels are copied into the dataset; files of up to 4 GB are, and larger ones
            stay where they are, where it is None.
        roi : tuple of three slices, optional
            The part of the file that is the sample, in voxels of the file (z, y, x); the whole
            where it is None. Percentiles, training and prediction see nothing else.
        field : FieldOfView, "auto" or None, default="auto"
            Where the reconstruction saw anything, in µm; "auto" looks for the circle outside of
            which slices are 0 or NaN, None takes every voxel as seen.
        full_hash : bool, default=False
            Whether every byte of a file that stays where it is goes into a checksum (SHA-256), for
            ``check(deep=True)``; that reads the whole file.

        Returns
        -------
        DatasetSample
            The sample.

        Raises
        ------
        DatasetError
            If the name is taken.
        FileFormatError
            If the file does not hold one reconstructed volume, or no voxel size is known.
        ParameterError
            If a name or the metadata cannot be kept.
        """
        plan = self.plan_sample(
            file,
            name=name,
            subject=subject,
            voxel_size=voxel_size,
            reading=reading,
            metadata=metadata,
            copy=copy,
            roi=roi,
            field=field,
            full_hash=full_hash,
        )
        return self.register(plan)

    def register(self, plan: SamplePlan) -> DatasetSample:
        """Carry out what `plan_sample` found.

        Parameters
        ----------
        plan : SamplePlan
            What to register.

        Returns
        -------
        DatasetSample
            The sample.
        """
        key = register(self._layout, plan)
        if self._whole:
            self._keys = tuple(self._layout.samples())
        return self._sample(key)

    def plan_labels(
        self, file: Path | str, *, sample: str, label_set: str, **options: Unpack[LabelOptions]
    ) -> LabelsPlan:
        """Look at a label file and tell what `add_labels` would do; nothing is written.

        Parameters
        ----------
        file : path
            The label volume.
        sample : str
            Name of the sample.
        label_set : str
            Name of the label set.
        **options
            Those of `add_labels` that say how the file is read: ``voxel_size``, ``reading`` and
            ``placement``.

        Returns
        -------
        LabelsPlan
            What would be added, for `register_labels`.
        """
        key = find_sample(self._layout, sample)
        scan = self._sample(key).scan_file
        return plan_labels(
            self._layout, key, scan, self.table, file, label_set=label_set, **options
        )

    def add_labels(
        self,
        file: Path | str,
        *,
        sample: str,
        label_set: str,
        voxel_size: float | None = None,
        reading: Reading | None = None,
        placement: Placement | None = None,
        manual: bool | None = None,
        sources: Sequence[str] = (),
        note: str = "",
    ) -> Path:
        """Add a label volume to a sample; an earlier one of that name is kept as a revision.

        Parameters
        ----------
        file : path
            The label volume, of integers.
        sample : str
            Name of the sample.
        label_set : str
            Name of the label set: ``"WF"``, ``"HQ"``, ….
        voxel_size : float, optional
            Edge length of the voxels in µm, for a file that does not say it; without one, labels of
            the scan's shape lie on the scan's grid.
        reading : Reading, optional
            How to read the file, where it does not say: the path inside an HDF5 file, the order of
            its axes, shape and type of bare voxels.
        placement : Placement, optional
            Where the labels lie and what their values mean, where the file does not say: numbers of
            slices, a box, a transform, a map of values.
        manual : bool, optional
            Whether they were drawn by hand; None where that is not known.
        sources : sequence of str, default=()
            What they were made from, beside the scan.
        note : str, default=""
            How they were made.

        Returns
        -------
        Path
            The label file in the dataset.

        Raises
        ------
        GridError
            If they do not overlap the scan in space, or contradict its voxel size.
        LabelError
            If they are not integers, hold a value that ``dseg.tsv`` lacks, or carry another table.
        UnknownNameError
            If there is no such sample.
        """
        plan = self.plan_labels(
            file,
            sample=sample,
            label_set=label_set,
            voxel_size=voxel_size,
            reading=reading,
            placement=placement,
        )
        return self.register_labels(plan, manual=manual, sources=sources, note=note)

    def register_labels(
        self,
        plan: LabelsPlan,
        *,
        manual: bool | None = None,
        sources: Sequence[str] = (),
        note: str = "",
    ) -> Path:
        """Carry out what `plan_labels` found; the other parameters are those of `add_labels`.

        Parameters
        ----------
        plan : LabelsPlan
            What to add.
        manual : bool, optional
            Whether they were drawn by hand.
        sources : sequence of str, default=()
            What they were made from, beside the scan.
        note : str, default=""
            How they were made.

        Returns
        -------
        Path
            The label file in the dataset.
        """
        key = find_sample(self._layout, plan.sample)
        return write_labels(self._layout, key, plan, manual=manual, sources=sources, note=note)

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
    path = root / DESCRIPTION
    if not path.is_file():
        raise MissingFileError(
            f"{shown} is not a dataset (it has no {DESCRIPTION}); make one there with: "
            f"srseg dataset init {shown}"
        )
    if read_json(path).get("DatasetType") == "derivative":
        raise DatasetError(
            f"{shown} is a derivative inside a dataset; open the dataset itself, "
            f"{root.parent.parent}"
        )
