"""What is wrong with the voxels: every one is read and compared with its checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._integrity.hashing import hash_scan
from srseg.dataset._integrity.problem import Problem
from srseg.errors import SRSegError
from srseg.io import MAPS, open_probabilities, open_volume, verify_hdf5
from srseg.progress import task
from srseg.storage import Box, chunk_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._sidecar import ScanFile
    from srseg.labels import LabelTable

_BACKUP = "Take the file from a backup"
_AGAIN = "Delete the file and its sidecar, and make them again with: srseg preprocess"
_SHOWN = 3


def deep_problems(scope: Scope, table: LabelTable | None) -> Iterator[Problem]:
    """Read every voxel that srseg wrote, and the scans elsewhere whose checksum is known."""
    files = scope.within(scope.layout.voxel_files())
    elsewhere = (scan for scan in scope.scans.values() if not scan.copied and scan.path.exists())
    scans = [scan for scan in elsewhere if scan.sha256 is not None]
    with task("reading everything", len(files) + len(scans)) as progress:
        for path in files:
            yield from _voxels(path, table)
            progress.advance(status=path.name)
        for scan in scans:
            yield from _whole(scan)
            progress.advance(status=scan.path.name)


def _whole(scan: ScanFile) -> Iterator[Problem]:
    try:
        found = hash_scan(scan.path, scan.parts, scan.stamp.size)
    except SRSegError as error:
        yield Problem("unreadable", scan.path, str(error), "Look at the file and its permissions.")
        return
    if found != scan.sha256:
        yield Problem(
            "damaged", scan.path,
            "its bytes are not those that were registered (SHA-256), though size and beginning "
            "are the same",
            f"{_BACKUP}.",
        )  # fmt: skip


def _voxels(path: Path, table: LabelTable | None) -> Iterator[Problem]:
    advice = f"{_AGAIN}." if "_res-" in path.name else f"{_BACKUP}."
    try:
        blocks = verify_hdf5(path)
        if blocks:
            yield Problem("damaged", path, _describe(path, blocks), advice)
        elif table is not None and path.name.endswith("_dseg.h5"):
            for _, block in open_volume(path, labels=True).slabs():
                table.check(block, where=str(path))
    except (SRSegError, OSError, RuntimeError, ValueError, KeyError) as error:
        # a flipped bit outside the voxels: HDF5 answers in many ways
        yield Problem("damaged", path, str(error), advice)


def _describe(path: Path, blocks: list[Box]) -> str:
    """Say which blocks are damaged, and of how many."""
    of_classes = path.name.endswith(f"_{MAPS['probabilities'].suffix}.h5")
    volumes = list(open_probabilities(path).values()) if of_classes else [open_volume(path)]
    total, shape = len(volumes), volumes[0].shape
    for n, edge in zip(shape, chunk_shape(shape), strict=True):
        total *= -(-n // edge)
    shown = "; ".join(", ".join(f"{s.start}:{s.stop}" for s in block) for block in blocks[:_SHOWN])
    more = f"; and {len(blocks) - _SHOWN} more" if len(blocks) > _SHOWN else ""
    return (
        f"{len(blocks)} of {total} blocks {'is' if len(blocks) == 1 else 'are'} damaged, voxels "
        f"(z, y, x) {shown}{more}"
    )
