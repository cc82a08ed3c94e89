"""Bring scans and labels out of a dataset, in formats that others read."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from srseg.dataset._export.maps import saved_facts, saved_volume
from srseg.dataset._export.plan import ExportFile, ExportPlan, plan_export
from srseg.dataset._export.tree import write_descriptions, write_sidecar, write_tables
from srseg.errors import SRSegError, StorageError
from srseg.progress import task
from srseg.storage import make_folder, require_free_space, unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._export.formats import FormatName
    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._view import SampleView
    from srseg.volumes import Volume


def export_dataset(
    dataset: SampleView,
    out: Path | str,
    *,
    format: FormatName,  # noqa: A002
    labels: str | Sequence[str] = "all",
    scan: bool = True,
    overwrite: bool = False,
) -> ExportPlan:
    """Write scans and labels as OME-Zarr, OME-TIFF, NeXus or TIFF, in a BIDS dataset of their own.

    What is there already, whole and made of the same scan and labels, is left alone: an export that
    was stopped goes on where it was. Each file is written aside and renamed.

    Parameters
    ----------
    dataset : Dataset
        The samples to export; a view (``dataset.select(...)``) for some of them.
    out : path
        The folder of the export: new, empty, or an earlier export of this dataset.
    format : {"ome-zarr", "ome-tif", "nexus", "tif"}
        OME-Zarr 0.5 with the labels inside (needs the extra ``omezarr``); OME-TIFF; NeXus
        NXtomoproc with the labels as auxiliary signals; TIFF that ImageJ opens.
    labels : str or sequence of str, default="all"
        ``"all"`` label sets, ``"none"``, or names: ``"WF,HQ"``, ``["WF", "srseg-wf/soft9"]``.
        Predictions are exported where they are named, with the probabilities and disagreement that
        were saved with them: a file of bytes for each (value / 255), of each class.
    scan : bool, default=True
        Whether the scans are exported; without them each label set is a file of its own.
    overwrite : bool, default=False
        Whether files that were made of another state of the samples are replaced.

    Returns
    -------
    ExportPlan
        The files, and which of them were there.

    Raises
    ------
    DatasetError
        If the folder holds something else, or files made of another state of the samples.
    MissingPackageError
        If the format needs a package that is not installed.
    ParameterError
        If the format or the labels cannot be.
    StorageError
        If there is too little space.
    UnknownNameError
        If no sample has a label set that is asked for.
    """
    plan = plan_export(dataset, out, format=format, labels=labels, scan=scan, overwrite=overwrite)
    write_export(plan)
    return plan


def write_export(plan: ExportPlan) -> None:
    """Carry out what `plan_export` found.

    Parameters
    ----------
    plan : ExportPlan
        What to write.

    Raises
    ------
    StorageError
        If there is too little space, or a file cannot be written.
    """
    require_free_space(plan.out, plan.n_bytes + (16 << 20), f"the export of {plan.dataset.title}")
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            error.errno, f"cannot make the folder {plan.out}: {error.strerror}"
        ) from error
    _remove_leftovers(plan.out)
    write_descriptions(plan)
    with task("exporting", len(plan.files)) as progress:
        for file in plan.files:
            sample = plan.dataset[file.sample]
            if file.state != "there":
                _write(plan, file, sample)
            write_sidecar(plan, file, sample)
            progress.advance(status=str(file.path))
    write_tables(plan)


def _write(plan: ExportPlan, file: ExportFile, sample: DatasetSample) -> None:
    target = plan.out / file.path
    make_folder(target.parent)
    labels: dict[str, Volume] = {}
    if file.saved:
        volume = saved_volume(sample, file.labels[0], file.saved)
    else:
        labels = {name: sample.labels(name) for name in file.labels}
        volume = sample.scan if file.scan else labels.pop(file.labels[0])
    about = saved_facts(file.saved, plan.dataset.table) if file.saved else {}
    plan.format.write(
        target,
        volume,
        labels,
        facts={**sample.metadata, "sample": sample.name},
        record=file.record,
        overwrite=file.state == "replaced",
        quantity=about.get("Description", ""),
    )
    if file.scan:
        try:
            sample.scan_file.require_unchanged()
        except SRSegError:
            # a file of two halves
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            raise


def _remove_leftovers(out: Path) -> None:
    """Remove what exports left that were killed on this machine."""
    for left in unfinished(out):
        if left.writer != "ended":
            continue
        with suppress(OSError):
            if left.path.is_dir():
                shutil.rmtree(left.path)
            else:
                left.path.unlink()
