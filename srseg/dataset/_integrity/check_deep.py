"""What is wrong with any byte that srseg wrote: all are read and compared with their checksums."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from srseg.dataset._integrity.advice import advice_for
from srseg.dataset._integrity.check_texts import sidecar_problems, text_problems
from srseg.dataset._integrity.problem import Problem
from srseg.dataset._integrity.scratch import held, scratch_folders
from srseg.errors import FileFormatError, InUseError, SRSegError, StorageError
from srseg.io import MAPS, open_probabilities, open_volume, verify_hdf5
from srseg.progress import task
from srseg.storage import (
    Box,
    chunk_shape,
    file_sha256,
    scratch_damage,
    tensor_damage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._sidecar import ScanFile
    from srseg.labels import LabelTable

    Told = Callable[[float], object]

_SHOWN = 3
_MODELS = (".srseg", ".checkpoint")


class _Job(NamedTuple):
    """Something to read: what it is called, how many bytes it has, and who looks at it."""

    name: str
    n_bytes: float
    look: Callable[[Told], Iterator[Problem]]


def deep_problems(scope: Scope, table: LabelTable | None) -> Iterator[Problem]:
    """Read all that srseg wrote, and the scans elsewhere whose checksum is known."""
    yield from sidecar_problems(scope)
    if scope.whole:
        yield from text_problems(scope)
    jobs = [*_jobs(scope, table)]
    with task("reading everything", sum(job.n_bytes for job in jobs)) as progress:
        for job in jobs:
            done = 0.0

            def told(amount: float) -> None:
                nonlocal done
                done += amount
                progress.advance(amount)

            yield from job.look(told)
            progress.advance(max(0.0, job.n_bytes - done), status=job.name)


def _jobs(scope: Scope, table: LabelTable | None) -> Iterator[_Job]:
    for path in scope.within(scope.layout.voxel_files()):
        yield _Job(path.name, _size(path), partial(_voxels, scope, path, table))
    for folder in scope.within(scratch_folders(scope.layout)):
        size = sum(_size(path) for path in folder.iterdir())
        yield _Job(folder.name, size, partial(_scratch, folder))
    if scope.whole:
        for path in _model_files(scope.layout.root):
            yield _Job(path.name, _size(path), partial(_model, path))
    for scan in scope.scans.values():
        if not scan.copied and scan.path.exists():
            size = scan.stamp.size if scan.sha256 else 0
            yield _Job(scan.path.name, size, partial(_elsewhere, scan))


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _model_files(root: Path) -> list[Path]:
    """List the models and checkpoints anywhere in the folder but in what is hidden, as `.git`."""
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [
            Path(folder, name)
            for name in files
            if name.endswith(_MODELS) and not name.startswith(".")
        ]
    return sorted(found)


def _elsewhere(scan: ScanFile, told: Told) -> Iterator[Problem]:
    if scan.sha256 is None:
        yield Problem(
            "unverified", scan.path,
            "registered by reference without a checksum: only size, time and beginning were looked "
            "at",
            f"Record one with: srseg dataset relocate {scan.path} {scan.path} --verify.",
        )  # fmt: skip
        return
    try:
        found = file_sha256(scan.path, scan.parts, progress=told)
    except SRSegError as error:
        yield Problem("unreadable", scan.path, str(error), "Look at the file and its permissions.")
        return
    if found != scan.sha256:
        yield Problem(
            "damaged", scan.path,
            "its bytes are not those that were registered (SHA-256), though size and beginning "
            "are the same",
            "Fetch it again from where it came from, or take it from a backup.",
        )  # fmt: skip


def _model(path: Path, told: Told) -> Iterator[Problem]:
    foreign = ""
    try:
        found = tensor_damage(path, told)
    except FileFormatError as error:
        found = str(error)
        foreign = " Where another program made it, move it out of the dataset, or rename it."
    except SRSegError as error:
        yield Problem("unreadable", path, str(error), "Look at the file and its permissions.")
        return
    if not found:
        return
    advice = "Copy it again from where it was written, or train again."
    if path.suffix == ".checkpoint":
        advice = (
            "Begin the training anew with --restart; a finished model beside it is not touched."
        )
    yield Problem("damaged", path, found, advice + foreign)


def _scratch(folder: Path, told: Told) -> Iterator[Problem]:
    try:
        with held(folder):
            for damage in scratch_damage(folder, told):
                advice = "Predict again with the same command and --restart."
                if damage.harmless:
                    advice = "The same srseg predict command goes on from the other."
                yield Problem("damaged", damage.path, damage.message, advice)
    except InUseError:
        return  # told of as being made now
    except StorageError as error:
        yield Problem(
            "unverified", folder, f"what it keeps was not read: {error}",
            "Look at it where it may be written.",
        )  # fmt: skip


def _voxels(scope: Scope, path: Path, table: LabelTable | None, told: Told) -> Iterator[Problem]:
    size = _size(path)
    try:
        blocks = verify_hdf5(path, progress=lambda share: told(share * size))
        if blocks:
            message = _describe(path, blocks)
        else:
            if table is not None and path.name.endswith("_dseg.h5"):
                for _, block in open_volume(path, labels=True).slabs():
                    table.check(block, where=str(path))
            return
    except (SRSegError, OSError, RuntimeError, ValueError, KeyError) as error:
        # a flipped bit outside the voxels: HDF5 answers in many ways
        message = str(error)
    yield Problem("damaged", path, message, advice_for(scope, path, message))


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
