"""Finish predictions whose sidecar was not written any more, or put the former ones back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.repair_voxels import LOST, is_whole
from srseg.dataset._labels.revisions import aside_of, data_of
from srseg.dataset._predictions.parts import SAVED, map_file, parts_of
from srseg.dataset._predictions.settle import is_described, settle, superfluous
from srseg.dataset._predictions.write import described_by
from srseg.errors import FileFormatError, SRSegError
from srseg.io import MAPS, read_provenance
from srseg.storage import read_json, write_json
from srseg.volumes import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._integrity.mender import Mender


def mend_predictions(mender: Mender) -> None:
    """Bring labels, maps and sidecars of every prediction together again."""
    for sidecar in mender.layout.prediction_files():
        path = data_of(sidecar)
        if is_settled(sidecar):
            continue
        with mender.holding(path) as held:
            if not held:
                continue
            if sidecar.exists():
                _mend(mender, sidecar)
            elif path.exists():
                _finish(mender, sidecar, "a prediction without a sidecar")
            else:
                _remove_maps(mender, sidecar)


def is_settled(sidecar: Path) -> bool:
    """Whether nothing was left unfinished around a prediction's sidecar.

    Files that are missing or changed are no unfinished work.
    """
    if not sidecar.exists():
        return False
    try:
        parts = parts_of(sidecar, read_json(sidecar))
        stand = {name: part.stands for name, part in parts.items()}
        back = any(p.stands_aside for name, p in parts.items() if not stand[name])
        left = all(stand.values()) and superfluous(sidecar, parts)
        bare = any(stand[n] and not is_described(p) for n, p in parts.items() if n in MAPS)
    except SRSegError:
        return True  # check tells what is wrong with it
    return not (back or left or bare)


def _mend(mender: Mender, sidecar: Path) -> None:
    path = data_of(sidecar)
    if _newer_is_whole(sidecar):
        _finish(mender, sidecar, "a newer prediction than its sidecar describes")
        return
    mender.do(
        "finished", path, "its replacement was interrupted: what it left is put right",
        partial(settle, sidecar),
    )  # fmt: skip


def _newer_is_whole(sidecar: Path) -> bool:
    """Whether all of a newer prediction came to its place, and only its sidecar did not."""
    path = data_of(sidecar)
    if not (aside_of(path).exists() and path.exists()):
        return False
    try:
        stands = parts_of(sidecar, read_json(sidecar))["labels"].stands
        return not stands and _facts(sidecar) is not None
    except LOST:
        return False


def _finish(mender: Mender, sidecar: Path, what: str) -> None:
    """Describe a prediction whose sidecar is missing or of an older one, from its files."""
    path = data_of(sidecar)
    try:
        facts = _facts(sidecar)
    except LOST as error:
        mender.leave(path, f"its file does not say how it was predicted ({error})")
        return
    if facts is None:
        mender.leave(
            path,
            "some of its voxels are damaged, or of what was saved with them; delete it, and "
            "predict again",
        )
        return

    def work() -> None:
        files = {"labels": path, **{n: map_file(sidecar, MAPS[n]) for n in facts.get(SAVED, {})}}
        write_json(sidecar, described_by(facts, files), overwrite=True, seal=True)
        settle(sidecar)

    mender.do("finished", path, what, work)


def _facts(sidecar: Path) -> dict[str, Any] | None:
    """Read what the labels at their place say of themselves; None where not all is whole.

    Raises
    ------
    FileFormatError
        If they say nothing, or not all that there is to say.
    """
    path = data_of(sidecar)
    facts = read_provenance(path)
    try:
        Grid.from_dict(facts["Grid"])
        files = [map_file(sidecar, MAPS[name]) for name in facts.get(SAVED, {})]
        written = facts["Written"]
    except (KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path}: {error!r}") from None
    same = all(is_whole(file) and read_provenance(file).get("Written") == written for file in files)
    return facts if same and is_whole(path) else None


def _remove_maps(mender: Mender, sidecar: Path) -> None:
    """Remove what was to be saved beside labels that were never finished."""
    for one in MAPS.values():
        file = map_file(sidecar, one)
        for path in (file.with_suffix(".json"), file):
            if path.exists():
                mender.do(
                    "removed", path, "its labels were never finished; predict again",
                    partial(path.unlink, missing_ok=True),
                )  # fmt: skip
