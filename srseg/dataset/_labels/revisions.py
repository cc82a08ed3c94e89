"""The older revisions of a label set: what lies there is kept before it is replaced."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.counting import voxels_by_value
from srseg.dataset._sidecar import difference
from srseg.errors import FileFormatError, SRSegError
from srseg.io import describe, open_volume
from srseg.storage import (
    FileStamp,
    atomic_path,
    file_stamp,
    is_doubtful,
    read_json,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey


@dataclass(frozen=True)
class Revisions:
    """The numbers of the revisions of a label set.

    Parameters
    ----------
    current : int or None
        Under which number the voxels that lie there are kept; None where there are none.
    following : int
        The number of the next revision.
    """

    current: int | None
    following: int


def number_revisions(layout: Layout, key: SampleKey, label_set: str) -> Revisions:
    """Find the number of the next revision, and a free one for what lies there now.

    Sidecar and voxels may be of different revisions, or one of them lost: numbers go on from the
    highest that any file has.
    """
    sidecar = layout.labels_sidecar(key, label_set)
    described = read_json(sidecar) if sidecar.is_file() else {}
    recorded = revision_of(sidecar, described) if described else 0
    kept = layout.revisions(key, label_set)
    highest = max([recorded, *kept])
    path = data_of(sidecar)
    if not path.is_file():
        return Revisions(None, highest + 1)
    stamp = file_stamp(path)
    if recorded and recorded not in kept and _describes(sidecar, described, stamp):
        # the rule, for which no older revision is opened
        return Revisions(recorded, highest + 1)
    for number in kept:
        other = data_of(layout.labels_sidecar(key, label_set, number))
        if other.is_file() and not difference(file_stamp(other), stamp, moved=True):
            return Revisions(number, highest + 1)
    return Revisions(highest + 1, highest + 2)


def keep_revision(layout: Layout, key: SampleKey, label_set: str, number: int) -> None:
    """Give the voxels that lie there, and what is known of them, a second name.

    What was edited by hand, or damaged, in their sidecar stays known as that; so does what it says
    of voxels that are damaged and say nothing of themselves.
    """
    sidecar = layout.labels_sidecar(key, label_set)
    kept = layout.labels_sidecar(key, label_set, number)
    path = data_of(sidecar)
    if not data_of(kept).exists():
        _duplicate(path, data_of(kept))
    stamp = file_stamp(path)
    described = read_json(sidecar) if sidecar.is_file() else {}
    doubtful = is_doubtful(sidecar)
    fits = _describes(sidecar, described, stamp)
    if kept.exists():
        # an update that was interrupted made it; what was edited since would be lost
        if fits and doubtful and described.get("Revision") == number and not is_doubtful(kept):
            with atomic_path(kept, overwrite=True) as temporary:
                shutil.copyfile(sidecar, temporary)
        return
    if fits and described.get("Revision") == number:
        _duplicate(sidecar, kept)
        return
    if not fits:
        own = _provenance(path)
        if own or not described:
            # of the same revision, with a stamp that was edited: what else was edited is kept
            theirs = doubtful and described.get("Revision") == own.get("Revision", 0)
        else:  # the voxels tell nothing: what was known lies nowhere else, or with its own revision
            recorded = revision_of(sidecar, described)
            theirs = not layout.labels_sidecar(key, label_set, recorded).exists()
        described, doubtful = {**described, **own} if theirs else own, theirs
    described = {**described, "Revision": number, "Stamp": stamp.to_dict()}
    write_json(kept, described, seal=True, doubtful=doubtful)


def voxels_of(sidecar: Path, described: dict[str, Any]) -> Path | None:
    """Find the voxels that a label sidecar describes; None where they are not there any more.

    After an update that was interrupted they lie under the name of their revision.
    """
    stamp = recorded_stamp(sidecar, described)
    for path in (data_of(sidecar), kept_data_of(sidecar, described)):
        if path.is_file() and not difference(stamp, file_stamp(path), moved=True):
            return path
    return None


def data_of(sidecar: Path) -> Path:
    """Give the file beside a label sidecar that holds the voxels."""
    return sidecar.with_suffix(".h5")


def kept_data_of(sidecar: Path, described: dict[str, Any]) -> Path:
    """Give the file that holds the voxels once newer ones have taken their place."""
    revision = described.get("Revision")
    if type(revision) is not int:
        return aside_of(data_of(sidecar))  # a prediction has no revisions
    stem = sidecar.name.removesuffix("_dseg.json")
    return sidecar.with_name(f"{stem}_rev-{revision}_dseg.h5")


def aside_of(path: Path) -> Path:
    """Give the place of a predicted file while a newer one takes its own."""
    return path.with_name(f".{path.stem}.replaced.h5")


def revision_of(sidecar: Path, described: dict[str, Any]) -> int:
    """Read the number of the revision that a label sidecar describes.

    Raises
    ------
    FileFormatError
        If it says none.
    """
    revision = described.get("Revision")
    if not isinstance(revision, int) or revision < 1:
        raise FileFormatError(
            f"{sidecar}: Revision must be a positive whole number, found {revision!r}; correct it"
        )
    return revision


def recorded_stamp(sidecar: Path, described: dict[str, Any]) -> FileStamp:
    """Read the stamp that a label sidecar holds.

    Raises
    ------
    FileFormatError
        If it holds none.
    """
    try:
        return FileStamp.from_dict(described["Stamp"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise FileFormatError(
            f"{sidecar} does not describe a label file that srseg wrote (Stamp is missing or not "
            "readable); take it from a backup, or add the labels again"
        ) from None


def _describes(sidecar: Path, described: dict[str, Any], stamp: FileStamp) -> bool:
    try:
        return not difference(recorded_stamp(sidecar, described), stamp, moved=True)
    except FileFormatError:
        return False


def _provenance(path: Path) -> dict[str, Any]:
    """Give what a label file says of itself: what its sidecar said, had it not been lost."""
    try:
        found = describe(path).metadata.get("provenance")
    except SRSegError:
        return {}
    if not isinstance(found, dict):
        return {}
    try:
        return {**found, "Voxels": voxels_by_value(open_volume(path, labels=True))}
    except (SRSegError, OSError, RuntimeError):
        return found  # damaged, and kept as it is


def _duplicate(old: Path, new: Path) -> None:
    """Give a file a second name; a copy where the file system has no hard links."""
    try:
        os.link(old, new)
    except OSError:
        with atomic_path(new) as temporary:
            shutil.copyfile(old, temporary)
