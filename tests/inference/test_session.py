"""One prediction in many ways: thin and thick slabs, memory and scratch, one network and two."""

import copy

import numpy as np
import pytest
import torch

from srseg.backbones import create_backbone
from srseg.errors import NotEnoughMemoryError, ParameterError, PluginError, StorageError
from srseg.inference import (
    FunctionPredictor,
    PlanePrediction,
    ScratchImage,
    SlicePredictor,
    plan_prediction,
)
from srseg.machine import resident_memory
from srseg.planes import WANTED, standard_planes
from srseg.progress import Stopped, reporting, stoppable

SHAPE = (35, 44, 38)
NINE = [(standard_planes(9), "soft")]


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return create_backbone("unet", n_classes=3, width=4, depth=1).eval()


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


def predictor(unet):
    return SlicePredictor(unet, n_classes=3, device="cpu", precision="fp32", runtime="torch")


def session(unet, choices=NINE, shape=SHAPE, **settings):
    return PlanePrediction(
        [predictor(unet)], shape, choices, n_classes=3, stride=unet.stride,
        **{"reach": unet.reach, **settings},
    )  # fmt: skip


def labels(prediction, image, choice=0):
    fused = prediction.run(lambda box: image[box])[choice]
    return fused.classes(0, len(image)), fused.probabilities(0, len(image)).tobytes()


@pytest.fixture(scope="module")
def expected(unet, image):
    with session(unet) as prediction:
        return labels(prediction, image)


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


@pytest.mark.parametrize("thickness", [1, 3, 8, 64])
def test_the_thickness_of_slabs_changes_no_bit(unet, image, expected, thickness, monkeypatch):
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (thickness, 1))
    with session(unet) as prediction:
        assert prediction.plan.thickness == thickness
        same(labels(prediction, image), expected)
        assert prediction.stages.slabs >= sum(
            cut.n_slices // (thickness + 1) for cut in prediction.cuts
        )


def test_trimming_changes_no_bit(unet, image, expected):
    with session(unet, reach=None) as whole:
        same(labels(whole, image), expected)
        assert whole.plan.pixels >= whole.plan.paper_pixels
    with session(unet) as trimmed:
        assert trimmed.plan.pixels < whole.plan.pixels


def test_votes_in_a_scratch_folder_are_the_same_bits(unet, image, expected, tmp_path):
    with session(unet, scratch=tmp_path / "votes") as prediction:
        assert not prediction.plan.votes_in_memory
        same(labels(prediction, image), expected)
        prediction.discard()
    assert not list(tmp_path.iterdir())


def test_without_a_folder_votes_go_to_a_temporary_file(
    unet, image, expected, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # the tests may lie in memory
    monkeypatch.setattr("srseg.machine._scratch._lies_in_memory", lambda folder: False)
    monkeypatch.setattr(
        "srseg.inference._session.plan_prediction",
        lambda *args, in_scratch, **settings: plan_prediction(*args, in_scratch=True, **settings),
    )
    with session(unet) as prediction:
        same(labels(prediction, image), expected)
        assert prediction.folder.parent == tmp_path
    assert not list(tmp_path.iterdir())


def test_with_less_memory_votes_go_to_a_file():
    shape = (256, 256, 256)
    half = FunctionPredictor(lambda x: np.stack([x, 1 - x, 0 * x, 0 * x], axis=1), 4, batch=1)
    with PlanePrediction([half], shape, NINE, n_classes=4) as prediction:
        most = prediction.plan
    assert most.votes_in_memory
    # 6 bytes of votes, and what a slab takes
    assert most.memory - resident_memory() < 12 * 256**3
    limit = most.memory - 60_000_000
    with PlanePrediction([half], shape, NINE, n_classes=4, max_memory=limit) as prediction:
        less = prediction.plan
    assert not less.votes_in_memory
    assert less.memory <= limit
    assert less.scratch >= 6 * 256**3
    assert (less.batch, less.pixels) == (most.batch, most.pixels)


def test_a_limit_that_cannot_be_kept_is_refused(unet):
    with (
        session(unet, max_memory=50_000_000) as prediction,
        pytest.raises(NotEnoughMemoryError, match=r"needs at least .* max_memory is 50 MB"),
    ):
        prediction.run(lambda box: pytest.fail("nothing may be read"))


def test_slices_that_alone_do_not_fit_are_not_tried():
    never = FunctionPredictor(lambda x: pytest.fail("memory is taken"), 4, batch=1)
    with (
        PlanePrediction(
            [never],
            (8, 50_000, 50_000),
            [(standard_planes(1), "soft")],
            n_classes=4,
            max_memory=8_000_000_000,
        ) as prediction,
        pytest.raises(NotEnoughMemoryError, match=r"needs at least .* max_memory is 8 GB"),
    ):
        prediction.run(lambda box: pytest.fail("nothing may be read"))


def test_a_stopped_prediction_goes_on(unet, image, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (6, 1))
    rounds = 0
    read_before = []
    while True:
        rounds += 1
        asked = []

        def read(box, asked=asked):
            asked.append(box)
            return image[box]

        with stoppable() as stop, session(unet, scratch=tmp_path / "votes") as prediction:
            assert prediction.resumes == (rounds > 1)
            with reporting(StopAfter(stop, 0.23)):
                try:
                    prediction.run(read)
                except Stopped:
                    read_before.append(len(asked))
                    continue
            same(labels(prediction, image), expected)
            break
    assert rounds > 3
    # the last round did not begin anew
    assert len(asked) < sum(read_before)


class StopAfter:
    """Asks for a stop when a share of the work was done since this run began."""

    def __init__(self, stop, share):
        self.stop, self.share = stop, share

    def open(self, description, total):
        from contextlib import nullcontext

        self.left = self.share * (total or 0)
        self.predicting = description == "predicting"
        return nullcontext(self)

    def advance(self, amount=1, status=""):
        if not self.predicting or status == "goes on":
            return
        self.left -= amount
        if self.left < 0:
            self.left = np.inf
            self.stop()


def test_what_was_begun_with_thick_slabs_goes_on_with_them(
    unet, image, expected, tmp_path, monkeypatch
):
    folder = tmp_path / "votes"
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (8, 1))
    with (
        stoppable() as stop,
        session(unet, scratch=folder) as prediction,
        reporting(StopAfter(stop, 0.4)),
        pytest.raises(Stopped),
    ):
        prediction.run(lambda box: image[box])
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (4, 1))
    with session(unet, scratch=folder) as prediction:
        assert prediction.plan.thickness == 8
        same(labels(prediction, image), expected)


def test_what_was_begun_with_small_tiles_goes_on_with_them(
    unet, image, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr("srseg.inference._planner._LARGE", 16)
    monkeypatch.setattr("srseg.inference._planner._SMALL", 8)
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (6, 1))
    folder = tmp_path / "votes"
    with (
        stoppable() as stop,
        session(unet, scratch=folder) as prediction,
        reporting(StopAfter(stop, 0.4)),
        pytest.raises(Stopped),
    ):
        prediction.run(lambda box: image[box])
    with session(unet, scratch=folder) as prediction:
        assert prediction.plan.edge == 8
        same(labels(prediction, image), expected)


def test_asked_twice_the_answer_is_the_same(unet, image, expected):
    with session(unet) as prediction:
        same(labels(prediction, image), expected)
        same(labels(prediction, image), expected)


def test_several_choices_share_a_file_system_and_no_file(unet, image, monkeypatch, tmp_path):
    """Votes that do not fit into memory have a folder for each choice, and space is asked once."""
    choices = [*NINE, (NINE[0][0], "hard")]
    with session(unet, choices) as prediction:
        expected = [labels(prediction, image, i) for i in range(2)]
    monkeypatch.setattr(
        "srseg.inference._session.plan_prediction",
        lambda *args, in_scratch, **settings: plan_prediction(*args, in_scratch=True, **settings),
    )
    asked = []

    def place(n_bytes):
        asked.append(n_bytes)
        return tmp_path

    monkeypatch.setattr("srseg.inference._session.scratch_folder", place)
    with session(unet, choices) as prediction:
        for i in range(2):
            same(labels(prediction, image, i), expected[i])
        assert asked == [prediction._opened.scratch]
        with ScratchImage.open(prediction.folder, {}, SHAPE) as beside:
            assert not beside.complete
    assert not list(tmp_path.iterdir())


def test_votes_in_memory_that_were_stopped_are_not_counted_twice(unet, image):
    calls = 0

    def read(box):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OSError("for a moment")
        return image[box]

    with session(unet) as prediction:
        with pytest.raises(OSError, match="for a moment"):
            prediction.run(read)
        with pytest.raises(ParameterError, match="prepare it anew"):
            prediction.run(read)


def test_a_plan_asked_for_late_does_not_change_the_slabs(
    unet, image, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (6, 1))
    with session(unet, scratch=tmp_path / "votes") as prediction:
        with stoppable() as stop, reporting(StopAfter(stop, 0.4)), pytest.raises(Stopped):
            prediction.run(lambda box: image[box])
        monkeypatch.setattr("srseg.inference._planner._THICKNESSES", (10, 1))
        assert prediction.plan.lines()
        same(labels(prediction, image), expected)


def test_votes_that_cannot_be_added_are_told_even_if_it_was_stopped(unet, image, monkeypatch):
    with stoppable() as stop, session(unet) as prediction:

        def full(*_):
            stop()
            raise StorageError("the disk is full")

        monkeypatch.setattr("srseg.inference._votes.MemoryVotes.add", full)
        with pytest.raises(StorageError, match="disk is full"):
            prediction.run(lambda box: image[box])


def test_another_model_does_not_go_on_with_these_votes(unet, image, tmp_path):
    folder = tmp_path / "votes"
    with session(unet, scratch=folder, identity={"model": "first"}) as prediction:
        prediction.run(lambda box: image[box])
    with (
        session(unet, scratch=folder, identity={"model": "second"}) as prediction,
        pytest.raises(StorageError, match=r'model was "first" and is "second".*--restart'),
    ):
        prediction.run(lambda box: image[box])
    with session(unet, scratch=folder, identity={"model": "second"}, restart=True) as prediction:
        prediction.run(lambda box: image[box])


def test_two_networks_side_by_side_give_the_bits_of_one(unet, image, expected):
    with PlanePrediction(
        [predictor(unet), predictor(unet), predictor(unet)], SHAPE, NINE,
        n_classes=3, stride=unet.stride, reach=unet.reach,
    ) as prediction:  # fmt: skip
        same(labels(prediction, image), expected)


def test_an_error_of_one_network_ends_the_prediction(unet, image):
    def broken(slices):
        raise OSError("the device is gone")

    networks = [FunctionPredictor(broken, 3), FunctionPredictor(broken, 3)]
    for some in (networks, networks[:1]):
        with (
            PlanePrediction(some, SHAPE, NINE, n_classes=3) as prediction,
            pytest.raises(OSError, match="device is gone"),
        ):
            prediction.run(lambda box: image[box])


def test_a_network_that_gives_no_number_is_an_error(unet, image):
    broken = copy.deepcopy(unet)
    with torch.no_grad():
        broken.head.bias[1] = np.nan
    with session(broken) as prediction, pytest.raises(PluginError, match=r"no number .* plane rc"):
        prediction.run(lambda box: image[box])


def test_an_error_of_reading_ends_the_prediction(unet):
    def unreadable(box):
        raise OSError("no such disk")

    with session(unet) as prediction, pytest.raises(OSError, match="no such disk"):
        prediction.run(unreadable)


def test_unwanted_voxels_are_the_first_class_and_others_stay_as_they_are(unet, image, expected):
    wanted = np.zeros([-(-n // WANTED) for n in SHAPE], bool)
    wanted[1, 1:, 0] = True
    mask = np.kron(wanted, np.ones((WANTED,) * 3, bool))[tuple(slice(0, n) for n in SHAPE)]
    with session(unet, wanted=wanted) as prediction:
        found = labels(prediction, image)[0]
        np.testing.assert_array_equal(found[mask], expected[0][mask])
        assert (found[~mask] == 0).all()
        with session(unet) as everywhere:
            assert prediction.plan.pixels < 0.7 * everywhere.plan.pixels


def test_where_nothing_is_wanted_nothing_is_done(unet, image):
    wanted = np.zeros([-(-n // WANTED) for n in SHAPE], bool)
    with session(unet, wanted=wanted) as prediction:
        assert prediction.plan.pixels == 0
        assert not labels(prediction, image)[0].any()


def test_the_plan_says_what_it_takes(unet):
    with session(unet) as prediction:
        plan = prediction.plan
    assert plan.flops > 0
    assert 0 < plan.seconds < 600
    assert plan.memory > resident_memory() / 4
    text = "\n".join(plan.lines())
    for words in ("35 x 44 x 38 voxels", "9 planes", "rc@45c", "soft voting", "TFLOP", "paper's"):
        assert words in text
    assert plan.to_dict()["planes"] == tuple(plane.name for plane in standard_planes(9))


def test_a_scratch_folder_is_for_one_choice(unet, tmp_path):
    with pytest.raises(ParameterError, match="one choice"):
        session(unet, [*NINE, (standard_planes(3), "hard")], scratch=tmp_path)


def test_what_a_trial_told_is_not_refused_for_a_guess(unet, image, expected, monkeypatch):
    """A guess of the network's memory may be far more than it takes."""
    monkeypatch.setattr("srseg.inference._trial._BYTES_PER_PIXEL", 10**9)
    with session(unet, max_memory=resident_memory() + 500_000_000) as prediction:
        assert prediction.plan.memory < 10**10
        same(labels(prediction, image), expected)
