"""Note that storage has moved: scans that are registered by reference lie elsewhere now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from srseg.dataset._integrity.hashing import hash_scan
from srseg.dataset._integrity.moved import difference_at, full_path, moved_path
from srseg.dataset._layout import PREPARED, Layout, SampleKey
from srseg.dataset._sidecar import (
    ScanFile,
    difference,
    read_sample_sidecar,
    read_scan_file,
    written_now,
)
from srseg.errors import DatasetError, MissingFileError, SRSegError
from srseg.progress import task
from srseg.storage import FileStamp, file_stamp, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._view import SampleView


@dataclass(frozen=True)
class Relocation:
    """What became of one scan.

    Parameters
    ----------
    sample : str
        Name of the sample.
    old, new : Path
        Where the scan was registered, and where it should lie now.
    status : {"moved", "missing", "different", "unreadable", "failed"}
        Whether the new place is registered now (in a dry run: would be), nothing lies there,
        another file lies there, it cannot be read, or the sidecar could not be written. Where it is
        not "moved", nothing was changed.
    message : str
        What was found.
    """

    sample: str
    old: Path
    new: Path
    status: Literal["moved", "missing", "different", "unreadable", "failed"]
    message: str = ""

    def to_dict(self) -> dict[str, str]:
        """Give the relocation as plain data for JSON.

        Returns
        -------
        dict
            Keys ``sample``, ``old``, ``new``, ``status``, ``message``.
        """
        return {k: str(v) for k, v in asdict(self).items()}


@dataclass(frozen=True)
class _Found:
    """A scan that lies at its new place."""

    key: SampleKey
    old: ScanFile
    path: Path
    parts: tuple[Path, ...]
    stamp: FileStamp
    sha256: str | None


def relocate(
    dataset: SampleView,
    old: Path | str,
    new: Path | str,
    *,
    dry_run: bool = False,
    verify: bool = False,
) -> list[Relocation]:
    """Register the scans below one folder below another one, where the same files lie there.

    Every scan is looked at before anything is written. Those that are not there, or are not the
    same (size and first 64 KiB; of a folder, names and sizes of its files), stay as they are.

    Parameters
    ----------
    dataset : Dataset
        The dataset; in a view, only its samples are looked at.
    old : path
        The folder, or the file, under which scans are registered by reference.
    new : path
        Where it lies now; of a file also the folder that it lies in under its name.
    dry_run : bool, default=False
        Whether to tell only what would be done.
    verify : bool, default=False
        Whether to read every byte, and compare it with the checksum that was recorded; where none
        was, it is recorded now.

    Returns
    -------
    list of Relocation
        What became of each scan below `old`.

    Raises
    ------
    DatasetError
        If no scan is registered below `old`, or if it is a file and `new` a folder without it.
    MissingFileError
        If there is nothing at `new`.
    """
    layout = Layout(dataset.path)
    before, after = full_path(old), full_path(new)
    scans = _below(layout, dataset, before, after)
    if not scans:
        # scans are registered by the path behind all links
        before = before.resolve()
        scans = _below(layout, dataset, before, after)
    if not scans:
        raise _nothing_below(layout, dataset, before)
    if not after.exists():
        raise MissingFileError(f"{new} does not exist; is its disk connected?")
    after = _as_mv_does(scans, before, after)
    answers: dict[SampleKey, Relocation] = {}
    found: list[_Found] = []
    with task("looking at the scans", len(scans)) as progress:
        for key, scan in scans.items():
            answer = _look(key, scan, before, after, verify=verify)
            if isinstance(answer, _Found):
                found.append(answer)
                answers[key] = Relocation(key.name, scan.path, answer.path, "moved")
            else:
                answers[key] = answer
            progress.advance(status=key.name)
    if not dry_run:
        for item in found:
            try:
                _register(layout, item)
            except SRSegError as error:
                was = answers[item.key]
                answers[item.key] = replace(was, status="failed", message=str(error))
    return list(answers.values())


def _below(layout: Layout, dataset: SampleView, old: Path, new: Path) -> dict[SampleKey, ScanFile]:
    scans: dict[SampleKey, ScanFile] = {}
    for key, scan in _by_reference(layout, dataset):
        here = [p for p in (scan.path, *scan.parts) if p.is_relative_to(old)]
        # a new place inside the old one: what is there already need not move
        stays = new != old and new.is_relative_to(old)
        if any(not (stays and p.is_relative_to(new)) for p in here):
            scans[key] = scan
    return scans


def _by_reference(layout: Layout, dataset: SampleView) -> Iterator[tuple[SampleKey, ScanFile]]:
    for sample in dataset:
        key = SampleKey(sample.subject, sample.name)
        path = layout.scan_sidecar(key)
        with suppress(SRSegError):  # check tells of it
            scan = read_scan_file(read_sample_sidecar(path), path)
            if not scan.copied:
                yield key, scan


def _nothing_below(layout: Layout, dataset: SampleView, old: Path) -> DatasetError:
    roots = sorted({scan.path.parent for _, scan in _by_reference(layout, dataset)})
    shown = ", ".join(map(str, roots[:5])) + (" …" if len(roots) > 5 else "")
    return DatasetError(
        f"no scan of {layout.root} is registered by reference below {old}; scans are "
        f"registered in: {shown or 'no folder, all are copied'}"
    )


def _as_mv_does(scans: dict[SampleKey, ScanFile], old: Path, new: Path) -> Path:
    """Take a folder as the target of a file for the file of that name in it."""
    if not new.is_dir() or all(scan.path != old for scan in scans.values()):
        return new
    inside = new / old.name
    if inside.is_file():
        return inside
    # a folder of slices has no file beside it that could be meant
    slices = any(_is_same(scan, old, new) for scan in scans.values())
    if slices:
        return new
    if inside.is_dir():
        return inside
    if old.suffix and old.suffix.lower() != ".zarr":
        raise DatasetError(
            f"{new} is a folder, and {old.name} is not in it; give the file that {old} is now"
        )
    return new


def _is_same(scan: ScanFile, old: Path, new: Path) -> bool:
    try:
        return not difference_at(scan, old, new)
    except SRSegError:
        return False


def _look(
    key: SampleKey, scan: ScanFile, old: Path, new: Path, *, verify: bool
) -> _Found | Relocation:
    path = moved_path(scan.path, old, new)
    parts = tuple(moved_path(part, old, new) for part in scan.parts)
    try:
        stamp = file_stamp(path, parts)
        how = difference(scan.stamp, stamp, moved=True)
        if how:
            return Relocation(key.name, scan.path, path, "different", f"not the same file: {how}")
        sha256 = scan.sha256
        if verify:
            sha256 = hash_scan(path, parts, stamp.size)
            if scan.sha256 not in (None, sha256):
                return Relocation(
                    key.name, scan.path, path, "different",
                    "not the same file: its bytes (SHA-256) are others than were registered",
                )  # fmt: skip
    except MissingFileError as error:
        return Relocation(key.name, scan.path, path, "missing", str(error))
    except SRSegError as error:
        return Relocation(key.name, scan.path, path, "unreadable", str(error))
    return _Found(key, scan, path, parts, stamp, sha256)


def _register(layout: Layout, found: _Found) -> None:
    sidecar = layout.scan_sidecar(found.key)
    with layout.lock(layout.sample_lock(found.key.name)):
        described = read_sample_sidecar(sidecar)
        # other things may have been written into it meanwhile; where the scan is may not
        if read_scan_file(described, sidecar).path != found.old.path:
            raise DatasetError(f"{sidecar} was changed meanwhile; do it again")
        scan: dict[str, Any] = described["Scan"]
        was = {key: scan[key] for key in ("File", "Parts", "Stamp") if key in scan}
        if (found.path, found.parts) != (found.old.path, found.old.parts):
            scan["Relocated"] = [*scan.get("Relocated", ()), {**was, **written_now()}]
        scan["File"] = str(found.path)
        scan["Parts"] = [str(part) for part in found.parts]
        scan["Stamp"] = found.stamp.to_dict()
        if found.sha256 is not None:
            scan["Sha256"] = found.sha256
        write_json(sidecar, described, seal=True, edits=True)
    if found.stamp != found.old.stamp:
        _keep_working_copies(layout, found)


def _keep_working_copies(layout: Layout, found: _Found) -> None:
    """Let working copies know the scan by its new time of change: they are still its own."""
    folder = layout.derivative(PREPARED) / f"sub-{found.key.subject}" / "micr"
    with layout.lock(layout.prepared_lock(found.key)):
        for sidecar in sorted(folder.glob(f"{found.key.stem}_res-*_XPCT.json")):
            described = read_json(sidecar)
            if described.get("ScanStamp") == found.old.stamp.to_dict():
                described["ScanStamp"] = found.stamp.to_dict()
                write_json(sidecar, described, seal=True, edits=True)
