"""Finish copied scans whose sidecar was not written any more; remove such working copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.from_table import take_from_table
from srseg.dataset._layout import sample_of
from srseg.dataset._sidecar import read_sample_sidecar, read_scan_file
from srseg.errors import SRSegError
from srseg.io import read_provenance, verify_hdf5
from srseg.storage import file_stamp, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._integrity.mender import Mender
    from srseg.dataset._layout import Layout, SampleKey

LOST = (SRSegError, OSError, RuntimeError, KeyError, TypeError, ValueError)


def is_whole(path: Path) -> bool:
    """Whether all of a file that srseg wrote fits its checksums."""
    try:
        return not verify_hdf5(path)
    except LOST:
        return False  # not all was written, or it is another file


def mend_scan(mender: Mender, path: Path) -> None:
    """Register a copied scan that has no sidecar, from the plan that its file holds."""
    key = sample_of(path.name)
    if key is None:
        return
    advice = (
        "it may be the only copy of a scan, and is kept; register it with: srseg dataset add "
        f"{path} --sample {key.name} --subject {key.subject}"
    )
    with mender.holding(path) as held:
        if not held or path.with_suffix(".json").exists() or not path.exists():
            return
        if path.stat().st_size == 0:
            mender.do("removed", path, "an empty file", path.unlink)
            return
        twin = _twin(mender.layout, path)
        if twin is not None and _is_second_copy(mender.layout, path, twin):
            mender.do(
                "removed", path, f"a second copy of what is registered as {twin.stem}", path.unlink
            )
            return
        if twin is not None:
            mender.leave(
                path, f"there is a sample {key.name} of sub-{twin.subject} by now; {advice}"
            )
            return
        try:
            sidecar = _planned(path)
        except LOST as error:
            mender.leave(
                path, f"its file does not say how it was to be registered ({error}); {advice}"
            )
            return
        if not is_whole(path):
            mender.leave(path, f"its voxels or its structure are damaged; {advice}")
            return
        said = take_from_table(mender.layout, key, sidecar)
        mender.plan(key, sidecar)
        mender.do(
            "finished", path, said or "a copied scan without a sidecar; it is registered as it was "
            "to be",
            lambda: write_json(path.with_suffix(".json"), sidecar, seal=True),
        )  # fmt: skip


def _planned(path: Path) -> dict[str, Any]:
    sidecar: dict[str, Any] = read_provenance(path)["Sidecar"]
    sidecar["Scan"]["Stamp"] = file_stamp(path).to_dict()
    scan = read_scan_file(sidecar, path.with_suffix(".json"))
    if scan.path != path or not scan.copied:
        raise ValueError(f"it was to be {scan.path.name}")
    return sidecar


def _twin(layout: Layout, path: Path) -> SampleKey | None:
    """Find a sample that is registered under the name that a lone scan was to have."""
    key = sample_of(path.name)
    for other in layout.samples():
        if key is not None and other.name.casefold() == key.name.casefold():
            return other
    return None


def _is_second_copy(layout: Layout, path: Path, twin: SampleKey) -> bool:
    """Whether a sample has the very voxels that a lone scan was copied from, and has them whole.

    So it is where an add was killed and given again.
    """
    sidecar = layout.scan_sidecar(twin)
    try:
        planned, there = read_provenance(path)["Sidecar"], read_sample_sidecar(sidecar)
        same = all(planned.get(what) == there.get(what) for what in ("Source", "Roi", "Grid"))
        scan = read_scan_file(there, sidecar)
        return same and not scan.changed() and (not scan.copied or is_whole(scan.path))
    except LOST:
        return False


def mend_working_copy(mender: Mender, path: Path) -> None:
    """Remove a working copy that has no sidecar: it can be made again."""
    with mender.holding(path) as held:
        if held and not path.with_suffix(".json").exists():
            mender.do(
                "removed", path,
                "a working copy without a sidecar; make it again with: srseg preprocess",
                lambda: path.unlink(missing_ok=True),
            )  # fmt: skip
