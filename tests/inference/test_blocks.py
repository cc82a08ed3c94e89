"""Volumes labelled by box: the same as whole, in little memory, stopped and gone on with."""

import json
import math
import runpy
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import NotEnoughMemoryError
from srseg.inference import BlockPredictor, PlanePrediction
from srseg.planes import WANTED, BoxCut, standard_planes
from srseg.progress import Stopped, stoppable

SCRIPT = Path(__file__).with_name("_blocks.py")
blocks = runpy.run_path(str(SCRIPT))


@settings(deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 90)] * 3),
    edge=st.sampled_from([16, 32, 48]),
    reach=st.integers(0, 20),
    stride=st.sampled_from([1, 8, 24]),
    seed=st.integers(0, 99) | st.none(),
)
def test_each_wanted_voxel_lies_in_one_box(shape, edge, reach, stride, seed):
    wanted = None
    if seed is not None:
        blocks_of = [-(-n // WANTED) for n in shape]
        wanted = np.random.default_rng(seed).random(blocks_of) < 0.4
    cut = BoxCut(shape, edge=edge, reach=reach, stride=stride, wanted=wanted)
    times = np.zeros(shape, int)
    slabs = cut.slabs(1, 1)
    for slab, place in zip(slabs, cut._places, strict=True):
        times[place.inner] += 1
        (batch,) = slab.batches
        outer = (slice(batch.start, batch.stop), batch.rows, batch.columns)
        for inside, around, n in zip(place.inner, outer, shape, strict=True):
            assert around.start == max(0, inside.start - reach) // stride * stride
            assert around.stop == min(n, inside.stop + reach)
            assert inside.stop - inside.start <= edge
    assert times.max(initial=0) <= 1
    whole = np.ones(shape, bool)
    if wanted is not None:
        for axis, n in enumerate(shape):
            wanted = wanted.repeat(WANTED, axis).take(range(n), axis)
        whole = wanted
    assert times[whole].all()
    assert sum(n for n in cut.sizes(1).values()) == len(slabs)


def smooth_in_boxes(image, voxels, **options):
    with blocks["prediction"](image.shape, voxels, **options) as work:
        fused = work.run(lambda box: image[box])[0]
        return fused.classes(0, len(image)), work


def image_of(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(50, 40, 70), (3, 90, 33), (16, 16, 16)])
def test_boxes_give_what_the_function_gives_of_the_whole(shape):
    image = image_of(shape)
    expected = blocks["smooth"](image).argmax(0)
    found, work = smooth_in_boxes(image, 24**3)
    assert (found != expected).mean() < 1e-4  # ties of probabilities kept as 16-bit numbers
    assert work.stages.slabs == len(work.cuts[0].slabs(1, 1))


def test_what_is_not_wanted_is_not_computed():
    shape = (32, 96, 96)
    image, wanted = image_of(shape), np.zeros((2, 6, 6), bool)
    wanted[:, 2:4, 2:4] = True
    wanted[1, 3, 3] = False
    given_voxels = []

    def counting(block):
        given_voxels.append(block.size)
        return blocks["smooth"](block)

    predictor = BlockPredictor(counting, 3, blocks["REACH"], 40**3)
    choices = [(standard_planes(1), "soft")]
    with PlanePrediction([predictor], shape, choices, n_classes=3, wanted=wanted) as work:
        found = work.run(lambda box: image[box])[0].classes(0, 32)
    assert sum(given_voxels) == work.cuts[0].pixels(1) < math.prod(shape) / 3
    seen = wanted.repeat(16, 0).repeat(16, 1).repeat(16, 2)
    expected = blocks["smooth"](image).argmax(0)
    assert (found != expected)[seen].mean() < 1e-4
    assert not found[~seen].any()


def test_it_stops_after_a_box_and_goes_on(tmp_path):
    image = image_of((64, 64, 64))
    expected, _ = smooth_in_boxes(image, 24**3)
    options = {"scratch": tmp_path / "votes", "identity": {"scan": "A"}}
    reads = []
    with stoppable() as stop, blocks["prediction"](image.shape, 24**3, **options) as work:

        def read(box):
            reads.append(box)
            if len(reads) == 6:
                stop()
            return image[box]

        with pytest.raises(Stopped):
            work.run(read)
    assert 2 <= work.stages.slabs <= len(reads) < 12
    found, rest = smooth_in_boxes(image, 24**3, **options)
    assert rest.stages.slabs == 64 - work.stages.slabs
    np.testing.assert_array_equal(found, expected)


def run(*arguments, fails=False):
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode != 0) == fails, done.stderr
    return None if fails else json.loads(done.stdout)


@pytest.fixture
def scan(tmp_path):
    def write(shape):
        with h5py.File(tmp_path / "scan.h5", "w") as file:
            data = file.create_dataset("data", shape, "f4", chunks=(30, 30, 30))
            for z in range(0, shape[0], 64):
                data[z : z + 64] = image_of((min(64, shape[0] - z), *shape[1:]), z)
        return tmp_path / "scan.h5"

    return write


def test_killed_at_any_box_it_gives_the_same_bits(scan, tmp_path):
    path = scan((60, 60, 60))
    with h5py.File(path) as file:
        image = file["data"][:]
    with blocks["prediction"](image.shape, 24**3) as work:
        expected = blocks["digest"](work.run(lambda box: image[box])[0], image.shape)
    for boxes in (20, 41):
        assert run(path, tmp_path / "votes", 24**3, 1 << 28, boxes, fails=True) is None
    last = run(path, tmp_path / "votes", 24**3, 1 << 28, 999)
    assert last["digest"] == expected
    assert 1 <= last["read"] <= 20  # of 64: what the others added is not read again


def test_memory_stays_within_the_limit(scan, tmp_path):
    # 17 M voxels: scan and votes take 67 MB each, the probabilities 200 MB
    path = scan((256, 256, 256))
    found = run(path, tmp_path / "votes", 64**3, 60_000_000, 9999)
    assert found["peak"] <= found["limit"]
    assert found["peak"] <= found["planned"] * 1.1


def test_a_limit_that_cannot_do_is_refused():
    with (
        blocks["prediction"]((300, 300, 300), 250**3, max_memory=10_000_000) as work,
        pytest.raises(NotEnoughMemoryError, match="a model with smaller blocks"),
    ):
        work.open()


def test_the_plan_tells_of_boxes():
    with blocks["prediction"]((100, 100, 100), 48**3) as work:
        plan = work.plan
    assert plan.box == (40, 40, 40)
    assert plan.to_dict()["box"] == plan.box
    assert "boxes of at most" in plan.lines()[1]
    assert 1 < plan.pixels / 1e6 < 3
