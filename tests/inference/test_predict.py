"""Fusing planes against whole arrays in float64, by scipy and the exact inverse map."""

import copy
import itertools
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from whole_array import by_plane, pixelwise

from srseg.backbones import create_backbone
from srseg.errors import PluginError
from srseg.inference import FunctionPredictor, PlanePrediction, SlicePredictor
from srseg.planes import Plane, standard_planes
from srseg.progress import reporting

NINE = standard_planes(9)


class Answer:
    """What came out: votes, and everything that is read from them."""

    def __init__(self, fused, votes):
        self.classes = fused.classes
        self.probabilities = fused.probabilities
        self.ballot = votes.ballot
        self.votes = votes.read(tuple(slice(0, n) for n in votes.shape))


def fuse_choices(predict, image, choices, n_classes, stride=1, **settings):
    predictor = FunctionPredictor(predict, n_classes) if callable(predict) else predict[0]
    with PlanePrediction(
        [predictor], image.shape, choices, n_classes=n_classes, stride=stride, **settings
    ) as prediction:
        answers = prediction.run(lambda box: image[box])
        return [Answer(f, v) for f, v in zip(answers, prediction._votes, strict=True)]


def fuse_planes(predict, image, planes, n_classes, stride=1, voting="soft", **settings):
    return fuse_choices(predict, image, [(planes, voting)], n_classes, stride, **settings)[0]


def agrees(fusion, parts):
    """Whether the votes are the sum of the planes', each rounded once to the quantum."""
    total = np.sum(parts, axis=0)
    n, scale = len(parts), fusion.ballot.scale
    slack = n * (0.5 + 2e-5 * scale)
    np.testing.assert_allclose(fusion.votes, scale * total[1:], atol=slack, rtol=0)
    mean = total / n
    depth = mean.shape[1]
    # the first class is what is left by the others, and has their rounding
    near = (len(mean) - 1) * 1.1 / scale + 4e-5
    np.testing.assert_allclose(fusion.probabilities(0, depth), mean, atol=near)
    ordered = np.sort(mean, axis=0)
    clear = ordered[-1] - ordered[-2] > near
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(fusion.classes(0, depth)[clear], mean.argmax(0)[clear])


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(2, 15)] * 3), st.integers(0, 2**31))
def test_soft_voting_over_nine_planes_equals_the_whole_array_reference(shape, seed):
    """Odd, even, non-cubic and thin volumes; a network that bends grey values."""
    image = np.random.default_rng(seed).random(shape, dtype=np.float32)
    fusion = fuse_planes(pixelwise, image, NINE, n_classes=3)
    agrees(fusion, [by_plane(pixelwise, image, plane) for plane in NINE])


@pytest.mark.parametrize("plane", [*NINE, Plane(1, 2, -30.0)], ids=str)
def test_each_plane_alone_equals_its_reference(plane):
    image = np.random.default_rng(1).random((7, 10, 13), dtype=np.float32)
    agrees(fuse_planes(pixelwise, image, [plane], n_classes=3), [by_plane(pixelwise, image, plane)])


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=3, width=4, depth=2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(list(network.parameters())[-2], std=1.0)
    return network.eval()


@pytest.mark.parametrize("shape", [(13, 18, 11), (16, 16, 16), (1, 21, 6)])
def test_a_unet_over_nine_planes_equals_the_whole_array_reference(unet, shape):
    image = np.random.default_rng(2).random(shape, dtype=np.float32)
    exact = copy.deepcopy(unet).double()

    def in_float64(slices):
        with torch.inference_mode():
            return exact(torch.as_tensor(slices)[:, None]).softmax(1).numpy()

    predictor = SlicePredictor(unet, n_classes=3, device="cpu", precision="fp32").predict_array
    fusion = fuse_planes(predictor, image, NINE, n_classes=3, stride=4)
    parts = [by_plane(in_float64, image, plane, stride=4) for plane in NINE]
    assert np.std(parts, axis=(1, 2, 3, 4)).min() > 0.02
    agrees(fusion, parts)


def neighbourly(slices):
    """What a pixel is depends on the pixel before it in its row, so that planes disagree."""
    x = np.asarray(slices, np.float64)
    return pixelwise((x + np.roll(x, 1, axis=2)) / 2)


@pytest.mark.parametrize("planes", [NINE[:3], NINE[:4], NINE], ids=len)
def test_hard_voting_is_the_mode_and_ties_go_to_the_smallest_value(planes):
    n = len(planes)
    image = np.random.default_rng(3).random((8, 9, 11), dtype=np.float32)
    fusion = fuse_planes(neighbourly, image, planes, n_classes=3, voting="hard")
    parts = np.stack([by_plane(neighbourly, image, plane) for plane in planes])
    ordered = np.sort(parts, axis=1)
    clear = (ordered[:, -1] - ordered[:, -2] > 1e-4).all(0)
    assert clear.mean() > 0.95
    labels = parts.argmax(1)
    mode, count = stats.mode(labels, axis=0)
    counts = np.sort(np.stack([(labels == k).sum(0) for k in range(3)]), axis=0)
    assert n == 3 or ((counts[-1] == counts[-2]) & clear).any()  # ties are met
    np.testing.assert_array_equal(fusion.classes(0, 8)[clear], mode[clear])
    shares = fusion.probabilities(0, 8)
    np.testing.assert_allclose(shares.max(0)[clear], count[clear] / n, atol=1e-6)
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-6)


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_the_order_of_the_planes_does_not_change_a_bit(unet, voting):
    image = np.random.default_rng(4).random((9, 10, 7), dtype=np.float32)
    predictor = SlicePredictor(unet, n_classes=3, device="cpu", precision="fp32").predict_array
    expected = fuse_planes(predictor, image, NINE, n_classes=3, stride=4, voting=voting).votes
    rng = np.random.default_rng(0)
    for order in (NINE[::-1], [NINE[i] for i in rng.permutation(9)]):
        votes = fuse_planes(predictor, image, order, n_classes=3, stride=4, voting=voting).votes
        assert votes.tobytes() == expected.tobytes()


def test_several_settings_at_once_give_the_bits_of_each_alone():
    image = np.random.default_rng(5).random((6, 7, 8), dtype=np.float32)
    wanted = [
        (planes, voting)
        for planes, voting in itertools.product(
            [standard_planes(1), standard_planes(3), NINE, [NINE[4]]], ["soft", "hard"]
        )
    ]
    asked = []

    def counting(slices):
        asked.append(len(slices))
        return pixelwise(slices)

    together = fuse_choices(counting, image, wanted, n_classes=3)
    # each plane is predicted once
    assert sum(asked) == sum(plane.stack_shape(image.shape)[0] for plane in NINE)
    for fusion, (planes, voting) in zip(together, wanted, strict=True):
        alone = fuse_planes(pixelwise, image, planes, n_classes=3, voting=voting)
        assert fusion.votes.tobytes() == alone.votes.tobytes()


def test_slices_are_padded_with_0_at_the_bottom_and_right_and_cropped_after(unet):
    image = np.random.default_rng(6).random((5, 11, 14), dtype=np.float32)
    before = image.copy()
    given_slices = []
    predictor = SlicePredictor(unet, n_classes=3, device="cpu", precision="fp32").predict_array

    def watched(slices):
        given_slices.append(slices)
        return predictor(slices)

    fusion = fuse_planes(watched, image, standard_planes(1), n_classes=3, stride=4)
    (padded,) = given_slices
    assert padded.dtype == np.float32
    by_hand = np.zeros((5, 12, 16), np.float32)
    by_hand[:, :11, :14] = image
    np.testing.assert_array_equal(padded, by_hand)
    with torch.inference_mode():
        expected = unet(torch.from_numpy(by_hand)[:, None]).softmax(1).numpy()[:, :, :11, :14]
    np.testing.assert_allclose(
        fusion.probabilities(0, 5), np.moveaxis(expected, 1, 0), atol=2 / 65535
    )
    np.testing.assert_array_equal(image, before)


def test_slabs_and_parts_of_the_answer_fit_together():
    """Volumes longer than a slab of slices, and answers asked for in parts."""
    image = np.random.default_rng(7).random((37, 5, 6), dtype=np.float32)
    planes = standard_planes(3)
    fusion = fuse_planes(pixelwise, image, planes, n_classes=3)
    agrees(fusion, [by_plane(pixelwise, image, plane) for plane in planes])
    parts = [fusion.classes(i, min(i + 8, 37)) for i in range(0, 37, 8)]
    np.testing.assert_array_equal(np.concatenate(parts), fusion.classes(0, 37))


def test_progress_counts_pixels_and_names_planes():
    told = []

    class Listener:
        @contextmanager
        def open(self, description, total):
            told.append(total)
            yield self

        def advance(self, amount=1, status=""):
            told.append((amount, status))

    image = np.zeros((4, 5, 6), np.float32)
    with reporting(Listener()):
        fuse_planes(pixelwise, image, NINE, n_classes=3)
    assert told[0] == sum(amount for amount, _ in told[1:])
    assert {status for _, status in told[1:]} == {f"plane {plane}" for plane in NINE}


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        (lambda s: pixelwise(s)[:, :2], r"\(4, 2, 4, 4\), expected .* \(4, 3, 4, 4\)"),
        (lambda s: pixelwise(s)[..., :2], "expected"),
        (lambda s: pixelwise(s) * np.nan, "values of nan to nan"),
        (lambda s: 8 * pixelwise(s) - 4, "not logits"),
    ],
)
def test_what_is_no_probability_is_refused(predict, words):
    with pytest.raises(PluginError, match=words):
        fuse_planes(predict, np.ones((4, 4, 4), np.float32), NINE[:1], n_classes=3)


def test_probabilities_rounded_to_just_above_1_do_not_wrap_around():
    def too_sure(slices):
        sure = np.full(slices.shape, 1.0005, np.float32)
        return np.stack([np.zeros_like(sure) - 1e-4, sure], axis=1)

    fusion = fuse_planes(too_sure, np.zeros((2, 3, 3), np.float32), [NINE[0]], n_classes=2)
    assert (fusion.classes(0, 2) == 1).all()
    np.testing.assert_array_equal(fusion.probabilities(0, 2)[1], 1)
