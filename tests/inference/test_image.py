"""A normalised scan kept as 16-bit numbers, in memory or in a folder."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import ParameterError, StorageError
from srseg.inference import MemoryImage, ScratchImage
from srseg.volumes import Grid, Volume

SHAPE = (10, 7, 9)
EVERYTHING = tuple(slice(0, n) for n in SHAPE)
VOXELS = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
VOXELS[0, 0, :3] = 0, 1, 0.5
IDENTITY = {"scan": "A"}


def fill(image, thickness=4):
    for start in range(0, SHAPE[0], thickness):
        slab = (slice(start, min(start + thickness, SHAPE[0])), *EVERYTHING[1:])
        image.write(slab, VOXELS[slab])
    image.finish()


def opened(folder, **options):
    return ScratchImage.open(folder, IDENTITY, SHAPE, 4, **options)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "scratch"
    with opened(folder) as image:
        assert not image.complete
        fill(image)
    return folder


def test_values_are_those_of_a_working_copy(kept):
    memory = MemoryImage(SHAPE)
    fill(memory)
    found = memory[EVERYTHING]
    assert found.dtype == memory.dtype == np.float32
    np.testing.assert_allclose(found, VOXELS, rtol=0, atol=0.5 / 65535 + 1e-7)
    steps = np.rint(VOXELS * np.float32(65535)).astype(np.uint16)
    # as io reads what the archive wrote
    np.testing.assert_array_equal(found, steps * np.float32(1 / 65535))
    assert found[0, 0, :2].tolist() == [0, 1]
    with opened(kept) as image:
        assert image.complete
        np.testing.assert_array_equal(image[EVERYTHING], found)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_box_can_be_read(kept, data):
    box = tuple(
        slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))) for n in SHAPE
    )
    memory = MemoryImage(SHAPE)
    fill(memory)
    with opened(kept) as image:
        volume = Volume(image, Grid(SHAPE, (5.0,) * 3), normalised=True)
        np.testing.assert_array_equal(volume.read(box), memory[box])
        assert volume.source.chunk_grid == ((4, 4, 4), (0, 0, 0))


def test_values_that_are_no_share_do_not_wrap_around():
    image = MemoryImage((1, 1, 5))
    image.write((slice(0, 1), slice(0, 1), slice(0, 5)),
                np.array([[[1.2, -0.1, np.nan, np.inf, 0.5]]], np.float32))  # fmt: skip
    found = image[slice(0, 1), slice(0, 1), slice(0, 5)]
    np.testing.assert_allclose(found, [[[1, 0, 0, 1, 0.5]]], atol=1e-5)


def test_boxes_of_half_tiles_are_refused(tmp_path):
    with opened(tmp_path / "a") as image:
        for part in (slice(1, 4), slice(0, 3)):
            with pytest.raises(ParameterError, match="whole tiles of 4"):
                image.write((part, *EVERYTHING[1:]), VOXELS[part])


def test_what_is_not_whole_is_begun_anew(tmp_path):
    with opened(tmp_path / "a") as image:
        image.write((slice(0, 4), *EVERYTHING[1:]), VOXELS[:4])
        with pytest.raises(ParameterError, match="12 of 18 tiles were not written"):
            image.finish()
        assert not image.complete
    with opened(tmp_path / "a") as image:
        assert not image.complete
        fill(image)
        assert image.complete
        image.discard()
    assert not (tmp_path / "a").exists()


def test_images_of_something_else_are_refused(kept):
    with (
        pytest.raises(StorageError, match='image of another prediction: scan was "A" and is "B"'),
        ScratchImage.open(kept, {"scan": "B"}, SHAPE, 4),
    ):
        pass


@pytest.mark.parametrize("name", ["tiles", "table"])
def test_a_flipped_bit_is_found(tmp_path, name):
    with opened(tmp_path / "a") as image:
        fill(image)
    path = tmp_path / "a" / f"srseg-image.{name}"
    data = bytearray(path.read_bytes())
    data[33] ^= 8
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"srseg-image.*damaged.*--restart"):
        opened(tmp_path / "a").__enter__()
    with opened(tmp_path / "a", restart=True) as image:
        fill(image)


def test_killed_at_each_change_of_the_disk(tmp_path):
    """Whole, or begun anew; then it has the same voxels."""
    run = (
        "import pathlib, runpy, sys, os\n"
        "file, voters, folder = sys.argv[1:]\n"
        "names, voters = runpy.run_path(file), runpy.run_path(voters)\n"
        "os.fsync = lambda file: None\n"
        "for line in sys.stdin:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        voters['die_at'](int(line), half=True)\n"
        "        with names['opened'](pathlib.Path(folder, line.strip())) as image:\n"
        "            names['fill'](image)\n"
        "        os._exit(0)\n"
        "    print(os.waitpid(child, 0)[1], flush=True)\n"
    )
    voters = Path(__file__).with_name("_voters.py")
    memory = MemoryImage(SHAPE)
    fill(memory)
    complete = []
    with subprocess.Popen(
        [sys.executable, "-c", run, __file__, voters, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as driver:  # fmt: skip
        for step in range(100):
            driver.stdin.write(f"{step}\n")
            driver.stdin.flush()
            status = int(driver.stdout.readline())
            with opened(tmp_path / str(step)) as image:
                complete.append(image.complete)
                if not image.complete:
                    fill(image)
                np.testing.assert_array_equal(image[EVERYTHING], memory[EVERYTHING])
            if not status:
                break
        driver.stdin.close()
    assert os.WIFEXITED(status)
    assert step > 18
    assert complete == sorted(complete)
    assert complete[-1]
