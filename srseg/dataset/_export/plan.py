"""Look at what an export would write, before anything is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._export.formats import ExportFormat, FormatName, format_named, recorded
from srseg.dataset._export.maps import saved_stem, saved_volume, saved_with
from srseg.dataset._export.place import require_place
from srseg.dataset._layout import LABELS, Layout, SampleKey, parse_labels_name
from srseg.errors import DatasetError, ParameterError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._view import SampleView
    from srseg.labels import LabelTable


@dataclass(frozen=True)
class ExportFile:
    """One file, or OME-Zarr folder, of an export.

    Parameters
    ----------
    path : Path
        Where it goes, below the folder of the export.
    sample, subject : str
        Whose it is.
    scan : bool
        Whether it holds the scan.
    labels : tuple of str
        The label sets that it holds; of what was saved with predicted labels, theirs.
    n_bytes : int
        About how large it will be, at most.
    state : {"new", "there", "replaced"}
        Whether it will be written, is there already, or takes the place of another state.
    record : dict
        What it is made of, to recognise it again.
    saved : str, default=""
        What it holds of that which was saved with predicted labels: ``"entropy"``,
        ``"probabilities: bone"``; nothing where it is empty.
    """

    path: Path
    sample: str
    subject: str
    scan: bool
    labels: tuple[str, ...]
    n_bytes: int
    state: Literal["new", "there", "replaced"]
    record: dict[str, Any] = field(repr=False)
    saved: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the file as plain data for JSON.

        Returns
        -------
        dict
            Keys ``path``, ``sample``, ``scan``, ``labels``, ``saved``, ``bytes``, ``state``.
        """
        return {
            "path": str(self.path),
            "sample": self.sample,
            "scan": self.scan,
            "labels": list(self.labels),
            "saved": self.saved,
            "bytes": self.n_bytes,
            "state": self.state,
        }


@dataclass(frozen=True)
class ExportPlan:
    """What an export would write; nothing is written yet.

    Parameters
    ----------
    dataset : SampleView
        The samples.
    out : Path
        The folder of the export.
    format : ExportFormat
        The format.
    files : tuple of ExportFile
        The files, those that are there already among them.
    left_out : tuple of str
        What was asked for and is not there, in words.
    """

    dataset: SampleView
    out: Path
    format: ExportFormat
    files: tuple[ExportFile, ...]
    left_out: tuple[str, ...]

    @property
    def pending(self) -> tuple[ExportFile, ...]:
        """The files that are to be written."""
        return tuple(file for file in self.files if file.state != "there")

    @property
    def n_bytes(self) -> int:
        """About how many bytes will be written, at most."""
        return sum(file.n_bytes for file in self.pending)

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            Keys ``dataset``, ``out``, ``format``, ``files``, ``bytes``, ``left_out``.
        """
        return {
            "dataset": str(self.dataset.path),
            "out": str(self.out.resolve()),
            "format": self.format.name,
            "files": [file.to_dict() for file in self.files],
            "bytes": self.n_bytes,
            "left_out": list(self.left_out),
        }


def plan_export(
    dataset: SampleView,
    out: Path | str,
    *,
    format: FormatName,  # noqa: A002
    labels: str | Sequence[str] = "all",
    scan: bool = True,
    overwrite: bool = False,
) -> ExportPlan:
    """Look at a dataset and tell what `export_dataset` would write; the parameters are the same.

    Parameters
    ----------
    dataset : Dataset
        The samples to export; a view (``dataset.select(...)``) for some of them.
    out : path
        The folder of the export.
    format : {"ome-zarr", "ome-tif", "nexus", "tif"}
        The format.
    labels : str or sequence of str, default="all"
        The label sets.
    scan : bool, default=True
        Whether the scans are exported.
    overwrite : bool, default=False
        Whether files of another state may be replaced.

    Returns
    -------
    ExportPlan
        The files with their sizes.

    Raises
    ------
    DatasetError
        If the folder holds something else, or files made of another state of the samples.
    UnknownNameError
        If no sample has a label set that is asked for.
    """
    chosen = format_named(format)
    place = Path(out).absolute()
    require_place(place, dataset, chosen)
    wanted = _names(labels)
    if not scan and wanted == []:
        raise ParameterError("neither scans nor labels are asked for; nothing would be exported")
    planner = _Planner(Layout(dataset.path), place, chosen, dataset.table)
    files: list[ExportFile] = []
    left_out: list[str] = []
    found: set[str] = set()
    for sample in dataset:
        sets = sample.label_sets if wanted is None else []
        for name in wanted or ():
            try:
                sets.append(_full_name(sample, name))
                found.add(name)
            except UnknownNameError as error:
                left_out.append(str(error))
        files += planner.files_of(sample, sets, scan=scan)
    unknown = [name for name in wanted or () if name not in found]
    if unknown and len(dataset):
        raise UnknownNameError(f"no sample has a label set {unknown[0]!r}: {left_out[0]}")
    stale = [file for file in files if file.state == "replaced"]
    if stale and not overwrite:
        raise DatasetError(
            f"{place / stale[0].path} was made of another state of sample {stale[0].sample} (scan, "
            f"labels or metadata have changed since){_and_others(len(stale) - 1)}; --overwrite "
            "replaces what is not up to date, another folder keeps it"
        )
    return ExportPlan(dataset, place, chosen, tuple(files), tuple(left_out))


def _names(labels: str | Sequence[str]) -> list[str] | None:
    """Read which label sets are meant; None stands for all."""
    if labels == "all":
        return None
    if labels == "none":
        return []
    names = labels.split(",") if isinstance(labels, str) else list(labels)
    names = [name.strip() for name in names]
    if not all(names) or {"all", "none"} & set(names) or len(set(names)) < len(names):
        raise ParameterError(
            f"labels must be 'all', 'none', or names such as 'WF,HQ' or 'srseg-wf/soft9', each "
            f"once; found {labels!r}"
        )
    return names


@dataclass(frozen=True)
class _Planner:
    """Lists the files of one sample after the other."""

    layout: Layout
    out: Path
    format: ExportFormat
    table: LabelTable

    def files_of(self, sample: DatasetSample, sets: list[str], *, scan: bool) -> list[ExportFile]:
        """List the files of a sample: one, where the labels lie inside the scan's."""
        if scan and self.format.labels_inside:
            files = [self._file(sample, True, tuple(sets))]
        else:
            files = [self._file(sample, True, ())] if scan else []
            files += [self._file(sample, False, (name,)) for name in sets]
        saved = ((n, one) for n in sets for one in saved_with(sample, n, self.table))
        return files + [self._file(sample, False, (name,), one) for name, one in saved]

    def _file(
        self, sample: DatasetSample, scan: bool, labels: tuple[str, ...], saved: str = ""
    ) -> ExportFile:
        volumes = [sample.scan] if scan else []
        if saved:
            volumes.append(saved_volume(sample, labels[0], saved))
        else:
            volumes += [sample.labels(name) for name in labels]
        if scan:
            sidecar = self.layout.scan_sidecar(SampleKey(sample.subject, sample.name))
        else:
            sidecar = sample.labels_sidecar(labels[0])
        # the names are those of the dataset, which were checked when they were given
        stem = sidecar.name.removesuffix(".json")
        if saved:
            stem = saved_stem(stem, saved, self.table)
        stem += self.format.suffix_of(volumes[0])
        path = sidecar.with_name(stem).relative_to(self.layout.root)
        record = self._record(sample, scan, labels)
        if saved:
            record["Saved"] = saved
        there = os.path.lexists(self.out / path)
        same = there and recorded(self.out / path) == record
        return ExportFile(
            path=path,
            sample=sample.name,
            subject=sample.subject,
            scan=scan,
            labels=labels,
            n_bytes=sum(self.format.n_bytes(volume) for volume in volumes),
            state="there" if same else "replaced" if there else "new",
            record=record,
            saved=saved,
        )

    def _record(self, sample: DatasetSample, scan: bool, labels: tuple[str, ...]) -> dict[str, Any]:
        """Say what a file is made of: stamps, grid, and what is known where the file says it."""
        record: dict[str, Any] = {"Format": self.format.name, "Sample": sample.name}
        if scan:
            file = sample.scan_file
            record["Scan"] = {"Stamp": file.stamp.to_dict(), "Reading": file.reading.to_dict()}
            record["Grid"] = file.placed_grid.to_dict()
            if self.format.keeps_facts:
                record["Metadata"] = dict(sample.metadata)
        for name in labels:
            info = sample.labels_info(name)
            kept = {key: info.get(key) for key in ("Revision", "Stamp", "LabelTable")}
            record.setdefault("Labels", {})[name] = kept
        alignment = sample.scan_file.alignment
        if alignment is not None:  # labels lie elsewhere once it changes
            record["Alignment"] = alignment.to_dict()
        return record


def _full_name(sample: DatasetSample, name: str) -> str:
    """Give the name of a label set; of a prediction, with model and description."""
    sidecar = sample.labels_sidecar(name)
    parsed = parse_labels_name(sidecar.name)
    assert parsed is not None  # noqa: S101 - labels_sidecar gives such names only
    derivative = sidecar.parents[2].name
    return parsed[1] if derivative == LABELS else f"{derivative}/{parsed[1]}"


def _and_others(n: int) -> str:
    return f", and so were {n} more files" if n > 1 else ", and so was one more" if n else ""
