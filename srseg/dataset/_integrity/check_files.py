"""What lies in the folder and is no entry: unfinished work, and files that are nobody's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._layout import (
    LABELS,
    PREDICTION_PREFIX,
    PREPARED,
    parse_map_name,
    sample_of,
)
from srseg.dataset._listing import names_in
from srseg.dataset._locks import lock_of
from srseg.storage import unfinished

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from srseg.dataset._integrity.scope import Scope

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


def empty_subjects(scope: Scope, without: Collection[Path] = ()) -> list[Path]:
    """List the folders of subjects in which no file lies but those of `without`."""
    filled = {f"sub-{key.subject}" for key in scope.known}
    return [
        folder
        for name in names_in(scope.layout.root)
        if name.startswith("sub-")
        and name not in filled
        and (folder := scope.layout.root / name).is_dir()
        and not any(
            Path(below, name) not in without
            for below, _, files in os.walk(folder)
            for name in files
        )
    ]


def lone_voxels(scope: Scope) -> Iterator[Problem]:
    """Find voxels without the sidecar that makes them an entry."""
    layout = scope.layout
    for path in scope.within(layout.voxel_files()):
        if path.with_suffix(".json").is_file() or parse_map_name(path.name):
            continue  # of what was saved beside predicted labels, theirs tells
        lock = lock_of(layout, path)
        if lock is not None and layout.in_use(lock):
            message, advice = "is being written now", "Wait until that is done, then check again."
        else:
            message = (
                "voxels without a sidecar: left by an interrupted writer, or the sidecar was lost"
            )
            raw = not path.is_relative_to(layout.root / "derivatives")
            if raw and sample_of(path.name) in scope.waiting:
                message += "; labels and working copies of the sample wait for it"
            advice = "Finish it with: srseg dataset check --repair."
        yield Problem("unfinished", path, message, advice)


def extra_files(scope: Scope) -> Iterator[Problem]:
    """Find files in the folders of srseg that belong to no entry."""
    root = scope.layout.root
    derivatives = [LABELS, PREPARED, *(PREDICTION_PREFIX + m for m in scope.layout.models())]
    for base in (root, *(scope.layout.derivative(name) for name in derivatives)):
        for subject in names_in(base):
            if subject.startswith("sub-"):
                # other kinds of data, such as anat, are none of srseg's business
                for folder in (base / subject, base / subject / "micr"):
                    yield from _extra(scope, folder, raw=base == root)


def _extra(scope: Scope, folder: Path, *, raw: bool) -> Iterator[Problem]:
    names = names_in(folder)
    there = set(names)
    for name in names:
        # hidden files are of the file system, or were said already
        if name.startswith(".") or _BIDS.fullmatch(name):
            continue
        if name == "micr" and folder.name != "micr":
            continue
        what = _stranger(scope, folder, name, there, raw=raw)
        if what and (folder / name).is_file():
            yield Problem(
                "extra", folder / name, what,
                "Register it, or move it out of the way, for example into sourcedata/ or code/.",
            )  # fmt: skip
        elif not raw and name.endswith("_XPCT.json") and name[:-5] + ".h5" not in there:
            yield Problem(
                "missing", folder / f"{name[:-5]}.h5",
                f"the working copy that {name} describes is not there",
                "Make it again with: srseg preprocess.",
            )  # fmt: skip


def _stranger(scope: Scope, folder: Path, name: str, there: set[str], *, raw: bool) -> str:
    """Say why a file belongs to nothing; empty where it belongs to something."""
    key = sample_of(name)
    voxels = name.endswith(("_XPCT.h5", "_dseg.h5")) and folder.name == "micr"
    if parse_map_name(name) and folder.parents[1].name.startswith(PREDICTION_PREFIX):
        return ""  # looked at with the labels that they belong to
    if key in scope.waiting and not raw:
        return ""  # it waits for its scan
    if key is None or key not in scope.registered:
        # of labels and voxels that was said already
        said = voxels or name.endswith("_dseg.json")
        return "" if said else "belongs to no sample that is registered"
    sidecar = name.split(".")[0] + ".json"
    if raw and voxels and sidecar in there:
        scan = scope.scans.get(key)
        elsewhere = scan is not None and not scan.copied
        return "the scan of this sample is registered by reference elsewhere" if elsewhere else ""
    if raw and not voxels:
        return "" if name == f"{key.stem}_XPCT.json" else "is no file of srseg's"
    if voxels or sidecar in there or name.endswith(".tsv"):
        return ""
    return "is no file of srseg's"
