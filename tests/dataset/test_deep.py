"""Bit rot: one flipped bit in whatever srseg keeps is found, and named by the voxels it is in."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import Problem
from srseg.io import SAVES, write_volume

SHAPE = (70, 80, 90)  # several blocks along each axis, the last ones thin
KINDS = {
    "a copied scan": "sub-01/micr/sub-01_sample-A_XPCT.h5",
    "a label set": "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.h5",
    "an older revision": "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_rev-1_dseg.h5",
    "a working copy": "derivatives/preprocessed/sub-01/micr/sub-01_sample-A_res-4um_XPCT.h5",
    "a prediction": "derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_desc-soft9_dseg.h5",
    "disagreement": "derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_desc-soft9_entropy.h5",
    "probabilities": "derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_desc-soft9_probseg.h5",
}


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """One sample of everything, and a scan by reference with its checksum."""
    folder = tmp_path_factory.mktemp("rich")
    rng = np.random.default_rng(0)
    dataset = Dataset.create(folder / "d")
    write_volume(
        folder / "scan.mha", Volume.from_array(rng.integers(0, 60000, SHAPE, dtype=np.uint16), 4.0)
    )
    dataset.add_sample(folder / "scan.mha", name="A")
    other = Volume.from_array(rng.integers(0, 60000, SHAPE, dtype=np.uint16), 4.0)
    write_volume(folder / "other.mha", other)
    dataset.add_sample(folder / "other.mha", name="R", copy=False, full_hash=True)
    for _ in range(2):
        labels = rng.integers(0, 4, SHAPE, dtype=np.uint8)
        write_volume(
            folder / "labels.mha",
            Volume.from_array(labels, 4.0, table=DEFAULT_LABELS),
            overwrite=True,
        )
        dataset.add_labels(folder / "labels.mha", sample="A", label_set="WF")
    dataset.select(name="A").preprocess(voxel_size=4.0)
    with dataset.create_prediction(
        "A", "wf", dataset["A"].scan.grid, description="soft9", provenance={}, saves=SAVES
    ) as sink:
        sink.labels[:] = sink.entropy[:] = sink.margin[:] = labels
        sink.probabilities[:] = rng.integers(0, 64, (4, *SHAPE), dtype=np.uint8)
    assert dataset.check(deep=True) == []
    return dataset


def flipped(file: Path, position: int, bit: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(position)
        (byte,) = stream.read(1)
        stream.seek(position)
        stream.write(bytes([byte ^ (1 << bit)]))


@contextmanager
def restored(file: Path) -> Iterator[bytes]:
    """Put a file back as it was, its time too."""
    good, times = file.read_bytes(), file.stat().st_mtime_ns
    try:
        yield good
    finally:
        file.write_bytes(good)
        os.utime(file, ns=(times, times))


def damaged(dataset: Dataset) -> list[Problem]:
    """Look deep; a bit among the first is found by the stamp too, and is then said twice."""
    problems = dataset.check(deep=True)
    assert {p.kind for p in problems} <= {"damaged", "changed"}
    assert len({p.path for p in problems}) <= 1
    return [p for p in problems if p.kind == "damaged"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_flipped_bit_of_the_voxels_is_found_in_its_block(rich, kind):
    file = rich.path / KINDS[kind]
    chance = random.Random(kind)
    with h5py.File(file) as h5:
        voxels = h5["entry/data/data"]
        chunks = [voxels.id.get_chunk_info(i) for i in range(voxels.id.get_num_chunks())]
        edges = voxels.chunks
    classes = 4 if kind == "probabilities" else 1
    assert len(chunks) == 8 * classes
    if kind == "a working copy":
        chunks = chunks[:1]  # without a filter the others are filled up, with what is no voxel
    for _ in range(4):
        chunk = chance.choice(chunks)
        with restored(file):
            flipped(file, chunk.byte_offset + chance.randrange(chunk.size), chance.randrange(8))
            (problem,) = damaged(rich.select(name="A"))
        assert problem.path == file
        block = ", ".join(
            f"{at}:{min(at + edge, n)}"
            for at, edge, n in zip(chunk.chunk_offset[-3:], edges[-3:], SHAPE, strict=True)
        )
        assert f"1 of {8 * classes} blocks is damaged, voxels (z, y, x) {block}" in problem.message
        advice = "srseg preprocess" if kind == "a working copy" else "backup"
        assert advice in problem.advice
    assert rich.check(deep=True) == []


def test_many_damaged_blocks_are_counted(rich):
    file = rich.path / KINDS["a copied scan"]
    with h5py.File(file) as h5:
        voxels = h5["entry/data/data"].id
        chunks = [voxels.get_chunk_info(i) for i in range(5)]
    with restored(file):
        for chunk in chunks:
            flipped(file, chunk.byte_offset + chunk.size // 2, 3)
        (problem,) = damaged(rich)
    assert "5 of 8 blocks are damaged" in problem.message
    assert problem.message.endswith("; and 2 more")


def test_a_scan_elsewhere_is_compared_with_its_checksum(rich):
    file = rich["R"].scan_file.path
    times = file.stat().st_mtime_ns
    with restored(file) as good:
        flipped(file, len(good) - 100, 0)
        os.utime(file, ns=(times, times))
        assert rich.check() == []  # size, time and beginning are as they were
        (problem,) = damaged(rich)
    assert (problem.kind, problem.path) == ("damaged", file)
    assert "SHA-256" in problem.message


def test_a_damaged_file_never_ends_the_check(rich, tmp_path):
    """Bits anywhere in the file, its structure too: an answer of some kind, and no crash."""
    copy = Dataset(shutil.copytree(rich.path, tmp_path / "copy"))
    file = copy.path / KINDS["a copied scan"]
    chance, size = random.Random(0), file.stat().st_size
    with h5py.File(file) as h5:
        voxels = h5["entry/data/data"].id
        chunks = [voxels.get_chunk_info(i) for i in range(voxels.get_num_chunks())]
    inside = {
        p for chunk in chunks for p in range(chunk.byte_offset, chunk.byte_offset + chunk.size)
    }
    structure = sorted(set(range(size)) - inside)
    for _ in range(15):
        with restored(file):
            flipped(file, chance.choice(structure), chance.randrange(8))
            for problem in copy.select(name="A").check(deep=True):
                assert problem.path == file
                assert problem.kind in ("damaged", "changed", "unreadable")
