"""Finish an update of a label set that was interrupted, or undo it; no voxel is lost."""

from __future__ import annotations

import filecmp
from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.repair_voxels import LOST, is_whole
from srseg.dataset._labels.counting import voxels_by_value
from srseg.dataset._labels.revisions import data_of, kept_data_of, recorded_stamp, revision_of
from srseg.dataset._sidecar import difference
from srseg.errors import FileFormatError, SRSegError
from srseg.io import open_volume, read_provenance
from srseg.storage import file_stamp, read_json, write_json
from srseg.volumes import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._integrity.mender import Mender
    from srseg.dataset._layout import SampleKey


def mend_label_set(mender: Mender, key: SampleKey, label_set: str) -> None:
    """Bring voxels, sidecar and kept revisions of a label set together again."""
    layout = mender.layout
    sidecar = layout.labels_sidecar(key, label_set)
    kept = [layout.labels_sidecar(key, label_set, n) for n in layout.revisions(key, label_set)]
    if _needs_nothing(sidecar, kept):
        return
    with mender.holding(data_of(sidecar)) as held:
        if not held:
            return
        newest = None if _needs_nothing(sidecar, []) else _finish_newest(mender, sidecar)
        try:
            newest = newest or revision_of(sidecar, read_json(sidecar))
        except SRSegError:
            return  # check tells why
        for number in layout.revisions(key, label_set):
            older = layout.labels_sidecar(key, label_set, number)
            if number >= newest:
                _take_back(mender, older, data_of(sidecar))
            elif data_of(older).is_file() and not older.exists():
                _describe_again(mender, older, number)


def _needs_nothing(sidecar: Path, kept: list[Path]) -> bool:
    """Whether the sidecar describes the voxels, and each older revision has a sidecar."""
    try:
        described = read_json(sidecar)
        stamp = recorded_stamp(sidecar, described)
        if difference(stamp, file_stamp(data_of(sidecar)), moved=True):
            return False
        newest = revision_of(sidecar, described)
        numbers = [int(path.name.rpartition("_rev-")[2].split("_")[0]) for path in kept]
    except SRSegError:
        return False
    return max(numbers, default=0) < newest and all(path.exists() for path in kept)


def _finish_newest(mender: Mender, sidecar: Path) -> int | None:
    """Describe voxels that are newer than their sidecar, or have none; give their revision."""
    path = data_of(sidecar)
    try:
        if not path.is_file() or not _superseded(sidecar):
            return None  # not left by a writer: check tells what it is
        if path.stat().st_size == 0:
            mender.do("removed", path, "an empty file", path.unlink)
            return None
        described = _described_by_itself(path)
    except LOST as error:
        mender.leave(path, f"cannot be described from what its file says ({error}); it is kept")
        return None
    mender.do(
        "finished", path, f"revision {described['Revision']} without a sidecar of its own",
        lambda: write_json(sidecar, described, overwrite=True, seal=True),
    )  # fmt: skip
    return int(described["Revision"])


def _superseded(sidecar: Path) -> bool:
    """Whether there is no sidecar, or what it describes lies whole under its kept name."""
    if not sidecar.exists():
        return True
    described = read_json(sidecar)
    kept = kept_data_of(sidecar, described)
    stamp = recorded_stamp(sidecar, described)
    return kept.is_file() and not difference(stamp, file_stamp(kept), moved=True)


def _described_by_itself(path: Path) -> dict[str, Any]:
    """Make the sidecar that a label file lacks: it holds all but the numbers of its voxels."""
    described = read_provenance(path)
    Grid.from_dict(described["Grid"])
    revision_of(path, described)
    if not is_whole(path):
        raise FileFormatError("its voxels or its structure are damaged")
    voxels = voxels_by_value(open_volume(path, labels=True))
    return {**described, "Voxels": voxels, "Stamp": file_stamp(path).to_dict()}


def _take_back(mender: Mender, older: Path, current: Path) -> None:
    """Remove a second name that the newest revision was given before an update was interrupted."""
    voxels = data_of(older)
    if voxels.is_file():
        same = current.is_file() and filecmp.cmp(voxels, current, shallow=False)
        if not same:
            mender.leave(voxels, f"is not what {current.name} holds, and is kept; look at both")
            return
        mender.do(
            "removed", voxels, f"a second name of {current.name}: its update was interrupted",
            lambda: voxels.unlink(missing_ok=True),
        )  # fmt: skip
    if older.exists():
        mender.do(
            "removed", older, "its update was interrupted", lambda: older.unlink(missing_ok=True)
        )


def _describe_again(mender: Mender, older: Path, number: int) -> None:
    voxels = data_of(older)
    try:
        described = {**_described_by_itself(voxels), "Revision": number}
    except LOST as error:
        mender.leave(voxels, f"cannot be described from what its file says ({error}); it is kept")
        return
    mender.do(
        "finished", voxels, f"revision {number} without a sidecar",
        lambda: write_json(older, described, seal=True),
    )  # fmt: skip
