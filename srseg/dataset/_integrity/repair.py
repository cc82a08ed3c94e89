"""Finish or remove what interrupted writers left, and make the tables anew."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._integrity.check_files import empty_subjects
from srseg.dataset._integrity.check_kept import mend_kept
from srseg.dataset._integrity.check_tables import table_problems
from srseg.dataset._integrity.from_table import place_for_old
from srseg.dataset._integrity.mender import Mender, Repair
from srseg.dataset._integrity.repair_labels import mend_label_set
from srseg.dataset._integrity.repair_predictions import mend_predictions
from srseg.dataset._integrity.repair_voxels import is_whole, mend_scan, mend_working_copy
from srseg.dataset._integrity.scope import Scope
from srseg.dataset._integrity.scratch import discard_paused
from srseg.dataset._layout import LABELS, PREPARED, Layout, parse_map_name
from srseg.dataset._rows import read_row, row_from
from srseg.dataset._tables import make_tables, write_tables
from srseg.progress import task
from srseg.storage import put_in_place, unfinished

if TYPE_CHECKING:
    from srseg.dataset._view import SampleView
    from srseg.storage import Unfinished


def repair(
    dataset: SampleView, *, dry_run: bool = False, discard_scratch: bool = False
) -> list[Repair]:
    """Finish or remove what interrupted writers left in a dataset, and make its tables anew.

    Temporary files of processes that are gone are removed. Copied scans, label sets and predictions
    whose sidecar was not written any more get it from what their file says, once every voxel fits
    its checksum. Working copies without a sidecar are removed: they can be made again. Voxels of a
    scan or a label set that lie nowhere else are never removed. A prediction that was stopped and
    goes on with the same command is left alone unless that is asked for, and what another process
    holds always. Texts that are gone, such as the README, come back from the copy that was kept.

    Parameters
    ----------
    dataset : Dataset
        The dataset; all of it is mended, also where a view is given.
    dry_run : bool, default=False
        Whether to tell only what would be done.
    discard_scratch : bool, default=False
        Whether what predictions that were stopped have kept is removed too; they then begin anew.

    Returns
    -------
    list of Repair
        What was done, and what was left and why; empty where there was nothing to do.

    Examples
    --------
    >>> from srseg import Dataset
    >>> dataset = Dataset.create(getfixture("tmp_path") / "mgbone")
    >>> (dataset.path / "samples.tsv").unlink()
    >>> [(step.action, step.path.name) for step in repair(dataset)]
    [('remade', 'samples.tsv')]
    """
    layout = Layout(dataset.path)
    mender = Mender(layout, dry_run=dry_run)
    for left in unfinished(layout.root):
        _temporary(mender, left)
    mend_kept(mender)
    _voxels(mender)
    if discard_scratch:
        discard_paused(mender)
    _empty_subjects(mender)
    _tables(mender)
    return mender.repairs


def _temporary(mender: Mender, left: Unfinished) -> None:
    if not left.abandoned:
        where = "is still running" if left.writer == "running" else "is of another machine"
        mender.leave(left.path, f"process {left.pid} {where}, and may still write it")
        return
    with mender.holding(left.path, of=left.target) as held:
        if not held:
            return
        if left.path.is_dir():
            if not left.target.exists():
                mender.leave(
                    left.path,
                    f"may be the only {left.target.name}; look at it, and rename or delete it",
                )
                return
            mender.do(
                "removed", left.path, "a folder that was never finished",
                lambda: shutil.rmtree(left.path),
            )  # fmt: skip
        elif _worth_keeping(mender.layout, left):
            mender.do(
                "finished", left.path, f"was whole; it is {left.target.name} now",
                lambda: put_in_place(left.path, left.target),
            )  # fmt: skip
        else:
            mender.do(
                "removed", left.path, f"the writing of {left.target.name} was interrupted",
                lambda: left.path.unlink(missing_ok=True),
            )  # fmt: skip


def _worth_keeping(layout: Layout, left: Unfinished) -> bool:
    """Whether a writer was killed between the last byte of a new volume and its name."""
    name = left.target.name
    voxels = name.endswith(("_XPCT.h5", "_dseg.h5")) or parse_map_name(name) is not None
    copies = layout.derivative(PREPARED) in left.path.parents
    return voxels and not copies and not left.target.exists() and is_whole(left.path)


def _voxels(mender: Mender) -> None:
    files = mender.layout.voxel_files()
    with task("looking at the voxels", len(files)) as progress:
        for path in files:
            derivative = path.relative_to(mender.layout.root).parts[:2]
            if derivative == ("derivatives", LABELS):
                pass  # together with their revisions, below
            elif not path.with_suffix(".json").exists():
                if derivative == ("derivatives", PREPARED):
                    mend_working_copy(mender, path)
                elif derivative[0] != "derivatives":
                    mend_scan(mender, path)
            progress.advance(status=path.name)
    mend_predictions(mender)
    for key, label_set in mender.layout.label_files():
        mend_label_set(mender, key, label_set)


def _empty_subjects(mender: Mender) -> None:
    layout = mender.layout
    empty = empty_subjects(Scope(layout, None), mender.removed)
    if not empty:
        return
    # an add makes the folder first and fills it a moment later, under a lock of its sample's name
    held = layout.samples_in_use()
    for folder in empty:
        if held:
            mender.leave(folder, f"is empty, but {held[0]} is being written now: it may be its own")
        else:
            mender.do("removed", folder, "an empty subject folder", partial(_rmdir, folder))


def _rmdir(folder: Path) -> None:
    for below, _, _ in os.walk(folder, topdown=False):
        Path(below).rmdir()  # never one that holds something


def _tables(mender: Mender) -> None:
    layout = mender.layout
    coming = {layout.scan_sidecar(key): sidecar for key, sidecar in mender.planned.items()}
    tables = make_tables(
        layout,
        lambda path: row_from(coming[path]) if path in coming else read_row(path),
        coming=mender.planned,
    )
    for problem in [p for p in table_problems(layout, tables) if p.kind == "table"]:
        message = problem.message
        kept = None
        if problem.path.suffix == ".tsv":
            kept = place_for_old(layout, problem.path, tables.files[problem.path.name])
        if kept is not None:
            message += (
                "; it holds what no sidecar says, so the old one is kept as "
                f"{kept.relative_to(layout.root)}"
            )
        mender.do("remade", problem.path, message, partial(_remake, layout, problem.path, kept))


def _remake(layout: Layout, path: Path, kept: Path | None) -> None:
    if kept is not None:
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, kept)
    write_tables(layout, anew=True)
