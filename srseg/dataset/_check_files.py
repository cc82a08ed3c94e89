"""What lies in the folder and is no entry: unfinished work, and files that are nobody's."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from srseg.dataset._layout import LABELS, PREDICTION_PREFIX, PREPARED, sample_of
from srseg.dataset._locks import lock_of
from srseg.dataset._problem import Problem
from srseg.dataset._sidecar import read_sample_sidecar, read_scan_file
from srseg.errors import SRSegError
from srseg.storage import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._layout import SampleKey
    from srseg.dataset._scope import Scope

_REPAIR = "Clear it up with: srseg dataset check --repair."
# what BIDS lets lie beside the scans of a subject, and srseg leaves alone
_BIDS = re.compile(r".*_(scans|sessions|photo|channels|electrodes|physio)\.[\w.]+")


def unfinished_work(scope: Scope) -> Iterator[Problem]:
    """Find the temporary files of writers, and subject folders in which nothing lies."""
    layout = scope.layout
    left = {found.path: found for found in unfinished(layout.root)}
    for path in scope.within(left):
        found = left[path]
        if found.writer == "running":
            advice = "Wait until that process is done, then check again."
            message = f"process {found.pid} is still writing {found.target.name}"
        elif not found.abandoned:
            advice = (
                "Wait for that machine; an hour after the last writing it counts as interrupted."
            )
            message = (
                f"{found.target.name} was written less than an hour ago by process {found.pid} of "
                "another machine, or before this one was started again"
            )
        else:
            advice = f"{_REPAIR} Then do again what was interrupted."
            message = f"the writing of {found.target.name} was interrupted"
        yield Problem("unfinished", path, message, advice)
    if scope.whole:
        for folder in empty_subjects(scope):
            yield Problem(
                "unfinished", folder, "an empty subject folder: an add was interrupted",
                f"{_REPAIR} Then add the scan again.",
            )  # fmt: skip


def empty_subjects(scope: Scope) -> list[Path]:
    """List the folders of subjects in which no file lies."""
    filled = {key.subject for key in scope.known}
    return [
        folder
        for folder in sorted(scope.layout.root.glob("sub-*"))
        if folder.name.removeprefix("sub-") not in filled
        and folder.is_dir()
        and not any(files for _, _, files in os.walk(folder))
    ]


def lone_voxels(scope: Scope) -> Iterator[Problem]:
    """Find voxels without the sidecar that makes them an entry."""
    layout = scope.layout
    for path in scope.within(layout.voxel_files()):
        if path.with_suffix(".json").is_file():
            continue
        lock = lock_of(layout, path)
        if lock is not None and layout.in_use(lock):
            message, advice = "is being written now", "Wait until that is done, then check again."
        else:
            message = (
                "voxels without a sidecar: left by an interrupted writer, or the sidecar was lost"
            )
            advice = "Finish it with: srseg dataset check --repair."
        yield Problem("unfinished", path, message, advice)


def extra_files(scope: Scope) -> Iterator[Problem]:
    """Find files in the folders of srseg that belong to no entry."""
    root, known = scope.layout.root, set(scope.known)
    derivatives = [LABELS, PREPARED, *(PREDICTION_PREFIX + m for m in scope.layout.models())]
    for base in (root, *(scope.layout.derivative(name) for name in derivatives)):
        for subject in sorted(base.glob("sub-*")):
            # other kinds of data, such as anat, are none of srseg's business
            for folder in (subject, subject / "micr"):
                for path in sorted(p for p in folder.glob("*") if p.is_file()):
                    yield from _extra(path, known, raw=base == root)


def _extra(path: Path, known: set[SampleKey], *, raw: bool) -> Iterator[Problem]:
    name, key = path.name, sample_of(path.name)
    if name.startswith(".") or _BIDS.fullmatch(name):
        return  # of the file system, or said already; or of BIDS
    sidecar = path.with_name(name.split(".")[0] + ".json")
    voxels = name.endswith(("_XPCT.h5", "_dseg.h5"))
    if key not in known:
        if not voxels and not name.endswith("_dseg.json"):  # these were said already
            yield _nobodys(path, "belongs to no sample that is registered")
        return
    if voxels and path.parent.name == "micr":
        if raw and not _is_copied(path) and sidecar.is_file():
            yield _nobodys(
                path, "voxels of a sample whose scan is registered by reference elsewhere"
            )
        return
    if path == sidecar:
        if not raw and name.endswith("_XPCT.json") and not path.with_suffix(".h5").is_file():
            yield Problem(
                "missing", path.with_suffix(".h5"),
                f"the working copy that {name} describes is not there",
                "Make it again with: srseg preprocess.",
            )  # fmt: skip
        elif raw and name != f"{key.stem}_XPCT.json":
            yield _nobodys(path, "is no sidecar of srseg's")
    elif not sidecar.is_file() and not (not raw and name.endswith(".tsv")):
        yield _nobodys(path, "is no file of srseg's")
    elif raw:
        yield _nobodys(path, "is not the file that the sidecar describes")


def _is_copied(path: Path) -> bool:
    sidecar = path.with_suffix(".json")
    try:
        return read_scan_file(read_sample_sidecar(sidecar), sidecar).copied
    except SRSegError:
        return True  # said already; nothing is known against it


def _nobodys(path: Path, what: str) -> Problem:
    return Problem(
        "extra", path, what,
        "Register it, or move it out of the way, for example into sourcedata/ or code/.",
    )  # fmt: skip
