"""What is wrong with the samples: their sidecars, and the scans these name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.moved import Search
from srseg.dataset._integrity.problem import Problem
from srseg.dataset._metadata.parse import from_sidecar, parse_metadata
from srseg.dataset._metadata.schema import METADATA_KEYS
from srseg.errors import MissingFileError, SRSegError
from srseg.storage import sealing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._layout import SampleKey
    from srseg.dataset._sidecar import ScanFile


def sample_problems(scope: Scope, look_in: Sequence[Path]) -> Iterator[Problem]:
    """Look at each sidecar and at the scan that it names."""
    first: dict[str, SampleKey] = {}
    for key in scope.known:
        first.setdefault(key.name.casefold(), key)
    for key, described in scope.described.items():
        path, twin = scope.layout.scan_sidecar(key), first.get(key.name.casefold(), key)
        if twin != key:
            yield Problem(
                "duplicate", path, f"sub-{twin.subject} has a sample of this name too",
                "Remove one of the two.",
            )  # fmt: skip
        if isinstance(described, SRSegError):
            yield Problem(
                "unreadable", path, str(described), "Correct the sidecar, or take it from a backup."
            )
        else:
            yield from _metadata(described.sidecar, path)
    scans = {scope.layout.scan_sidecar(key): scan for key, scan in scope.scans.items()}
    yield from _scans(scope, scans, look_in)


def _metadata(sidecar: dict[str, Any], path: Path) -> Iterator[Problem]:
    values = from_sidecar(sidecar)
    known: dict[str, object] = {k: v for k, v in values.items() if k in METADATA_KEYS}
    extra = {k: v for k, v in values.items() if k not in METADATA_KEYS}
    try:
        parse_metadata({**known, "extra": extra}, where=path.name)
    except SRSegError as error:
        yield Problem("values", path, str(error), "Correct it in the sidecar.")


def _scans(scope: Scope, scans: dict[Path, ScanFile], look_in: Sequence[Path]) -> Iterator[Problem]:
    gone: dict[Path, ScanFile] = {}
    for sidecar, scan in scans.items():
        try:
            how = scan.changed()
        except MissingFileError:
            gone[sidecar] = scan
        except SRSegError as error:
            yield Problem(
                "unreadable", scan.path, str(error), "Look at the file and its permissions."
            )
        else:
            if how:
                yield Problem(
                    "changed", scan.path, f"not what was registered: {how}",
                    "Put the old file back, or register the new one under another name.",
                )  # fmt: skip
            elif sealing(sidecar) != "whole":  # what srseg wrote it took from the scan
                yield from _place(sidecar, scan)
    if not gone:
        return
    there = [scan for sidecar, scan in scans.items() if sidecar not in gone]
    search = Search(scope.layout.root, there, list(gone.values()), look_in)
    for sidecar, scan in gone.items():
        yield _gone(sidecar, scan, search, look_in)


def _place(sidecar: Path, scan: ScanFile) -> Iterator[Problem]:
    try:
        scan.open()
    except SRSegError as error:
        yield Problem("values", sidecar, str(error), "Correct the sidecar.")


def _gone(sidecar: Path, scan: ScanFile, search: Search, look_in: Sequence[Path]) -> Problem:
    if scan.copied:
        return Problem(
            "missing", scan.path, f"the copied scan is not there (see {sidecar.name})",
            "Put it back from a backup; or move the sidecar away and add the scan again.",
        )  # fmt: skip
    found = search.find(scan)
    if found is None and look_in:
        return Problem(
            "missing", scan.path,
            f"the scan that was registered by reference (see {sidecar.name}) was not found below "
            f"{', '.join(map(str, look_in))}",
            "If it lies elsewhere, also under another name: srseg dataset relocate OLD NEW.",
        )  # fmt: skip
    if found is None:
        return Problem(
            "missing", scan.path,
            f"the scan that was registered by reference is not there (see {sidecar.name})",
            "Put it back, or connect its disk; where it was moved: srseg dataset check "
            "--look-in DIR looks for it.",
        )  # fmt: skip
    return Problem(
        "moved", scan.path,
        f"the scan that was registered by reference (see {sidecar.name}) lies now at {found}",
        f"Note that with: {search.command(scan, found)}",
    )  # fmt: skip
