"""What people add to a dataset: scans, and label volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack

from srseg.dataset._find import find_sample
from srseg.dataset._labels.sets import plan_labels, write_labels
from srseg.dataset._scans.plan import plan_sample
from srseg.dataset._scans.register import register
from srseg.dataset._view import SampleView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from srseg.dataset._labels.placement import LabelOptions, Placement
    from srseg.dataset._labels.plan import LabelsPlan
    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._scans.plan import SamplePlan, ScanOptions
    from srseg.io import Reading
    from srseg.volumes import FieldOfView, Region


class Filling(SampleView):
    """Samples of a dataset that more can be added to; the part of `Dataset` that takes files in.

    Each of scan and labels is looked at first (``plan_…``), which writes nothing, and then
    registered.
    """

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
