"""Counting of probabilities, against float64 numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import ParameterError
from srseg.inference import Ballot


def probabilities(seed, n_planes, n_classes, n=200):
    """Give what planes say: unsure, sure, exact ties and one class alone; (planes, K, n)."""
    rng = np.random.default_rng(seed)
    values = rng.dirichlet(np.full(n_classes, rng.choice([0.1, 1, 20])), (n_planes, n))
    values[:, : n // 4] = (
        rng.multinomial(4, np.full(n_classes, 1 / n_classes), (n_planes, n // 4)) / 4
    )
    values[:, n // 4 : n // 3] = np.eye(n_classes)[rng.integers(n_classes, size=n // 3 - n // 4)]
    values[:, -5:] = 1 / n_classes
    return np.moveaxis(values, 2, 1).astype(np.float32)


def added(ballot, planes):
    """Add up in torch, as the votes of a volume are."""
    total = torch.zeros(ballot.channels, planes.shape[2], dtype=ballot.torch_dtype)
    for plane in planes:
        total += ballot.count(torch.from_numpy(plane), 0)
    return total.numpy().view(ballot.dtype)


CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "n_planes": st.sampled_from([1, 2, 3, 9, 36, 255]),
    "n_classes": st.integers(2, 7),
}


@given(**CASES)
@settings(max_examples=60, deadline=None)
def test_soft_votes_are_the_mean_up_to_the_quantum(seed, n_planes, n_classes):
    planes = probabilities(seed, n_planes, n_classes)
    ballot = Ballot(n_classes, n_planes)
    votes = added(ballot, planes)
    mean = planes.astype(np.float64).mean(0)
    # half a quantum at each plane, a little more for float32, and all of it again by division
    slack = 0.51 / ballot.scale
    np.testing.assert_allclose(votes / (n_planes * ballot.scale), mean[1:], rtol=0, atol=slack)
    shares = ballot.shares(votes)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, mean, rtol=0, atol=n_classes * slack + 1e-6)
    np.testing.assert_allclose(shares.sum(0), 1, rtol=0, atol=1e-6)
    classes = ballot.classes(votes)
    assert classes.dtype == np.uint8
    chosen = np.take_along_axis(mean, classes[None].astype(int), 0)[0]
    assert (chosen >= mean.max(0) - 2 * n_classes * slack).all()
    clear = np.sort(mean, 0)[-1] - np.sort(mean, 0)[-2] > 2 * n_classes * slack
    np.testing.assert_array_equal(classes[clear], mean.argmax(0)[clear])


@given(**CASES)
@settings(max_examples=60, deadline=None)
def test_hard_votes_are_exact(seed, n_planes, n_classes):
    planes = probabilities(seed, n_planes, n_classes)
    ballot = Ballot(n_classes, n_planes, "hard")
    votes = added(ballot, planes)
    winners = planes.argmax(1)
    expected = (winners[None] == np.arange(n_classes)[:, None, None]).sum(1)
    np.testing.assert_array_equal(votes, expected[1:])
    np.testing.assert_array_equal(ballot.classes(votes), expected.argmax(0))
    np.testing.assert_allclose(ballot.shares(votes), expected / n_planes, rtol=0, atol=1e-6)


@given(**CASES, voting=st.sampled_from(["soft", "hard"]))
@settings(max_examples=60, deadline=None)
def test_entropy_and_margin_are_those_of_the_shares(seed, n_planes, n_classes, voting):
    ballot = Ballot(n_classes, n_planes, voting)
    votes = added(ballot, probabilities(seed, n_planes, n_classes))
    p = ballot.shares(votes).astype(np.float64)
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=0) / np.log(n_classes)
    margin = np.diff(np.sort(p, axis=0)[-2:], axis=0)[0]
    for found, exact in ((ballot.entropy(votes), entropy), (ballot.margin(votes), margin)):
        assert found.dtype == np.uint8
        assert np.abs(found - 255 * exact).max() < 0.5 + 1e-2


@given(seed=CASES["seed"], n_planes=CASES["n_planes"])
@settings(max_examples=20, deadline=None)
def test_the_implied_class_is_as_if_it_were_counted(seed, n_planes):
    planes = probabilities(seed, n_planes, 4)
    ballot = Ballot(4, n_planes)
    votes = added(ballot, planes)
    every = np.ceil(planes.astype(np.float64) * ballot.scale - 0.5).sum(0)
    assert np.abs(votes - every[1:]).max() <= n_planes  # float32 may round a half the other way
    lead = np.diff(np.sort(every, axis=0)[-2:], axis=0)[0]
    clear = lead > 4 * n_planes
    np.testing.assert_array_equal(ballot.classes(votes)[clear], every.argmax(0)[clear])


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis(voting, axis):
    ballot = Ballot(3, 9, voting)
    values = torch.from_numpy(probabilities(1, 5, 3)[..., :50])  # (5, 3, 50)
    expected = ballot.count(values, 1)
    found = ballot.count(values.movedim(1, axis), axis)
    assert found.dtype == ballot.torch_dtype
    assert torch.equal(found.movedim(axis, 1), expected)


@pytest.mark.parametrize("n_planes", [1, 2, 9])
def test_what_rounding_left_outside_of_0_to_1_does_not_wrap_around(n_planes):
    ballot = Ballot(2, n_planes)
    planes = np.full((n_planes, 2, 2), [[-1e-3, 1.001], [1.001, -1e-3]], np.float32)
    votes = added(ballot, planes)
    np.testing.assert_array_equal(votes, [[n_planes * ballot.scale, 0]])
    np.testing.assert_array_equal(ballot.classes(votes), [1, 0])
    np.testing.assert_array_equal(ballot.shares(votes), [[0, 1], [1, 0]])


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_nobody_voted(voting):
    ballot = Ballot(4, 9, voting)
    none = np.zeros((3, 2, 2, 2), ballot.dtype)
    assert not ballot.classes(none).any()
    np.testing.assert_array_equal(ballot.shares(none)[0], 1)
    assert not ballot.entropy(none).any()
    assert (ballot.margin(none) == 255).all()


@pytest.mark.parametrize("n_planes", [1, 3, 9, 255])
def test_what_two_classes_share_alike_goes_to_the_first(n_planes):
    ballot = Ballot(4, n_planes)
    shared = np.zeros((4, 6), np.float32)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pixel, pair in enumerate(pairs):
        shared[list(pair), pixel] = 0.5
    votes = added(ballot, np.repeat(shared[None], n_planes, axis=0))
    np.testing.assert_array_equal(ballot.classes(votes), [first for first, _ in pairs])


def test_others_rounded_up_to_more_than_all_votes():
    ballot = Ballot(3, 255)
    # they add up to 257.2 / 257, as far as the slack of a predictor reaches
    planes = np.full((255, 3, 1), [[0], [128.6 / 257], [128.6 / 257]], np.float32)
    votes = added(ballot, planes)
    assert votes.sum(dtype=int) > 255 * ballot.scale
    assert ballot.classes(votes) == [1]
    np.testing.assert_allclose(ballot.shares(votes)[:, 0], [0, 0.5, 0.5], atol=1e-7)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ((1, 9), "2 to 256 classes"),
        ((257, 9), "2 to 256 classes"),
        ((4, 0), "1 to 255 planes"),
        ((4, 256), "1 to 255 planes"),
        ((4, 9, "mean"), "'soft' or 'hard'"),
    ],
)
def test_parameters_are_checked(parameters, match):
    with pytest.raises(ParameterError, match=match):
        Ballot(*parameters)


def test_votes_of_another_number_of_classes_are_refused():
    with pytest.raises(ParameterError, match="3 channels"):
        Ballot(4, 9).classes(np.zeros((4, 2, 2, 2), np.uint16))
