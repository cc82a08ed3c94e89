"""Votes in memory and in a folder: what the planes say, added up, and read again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.inference import Ballot, Fused, MemoryVotes, ScratchVotes
from srseg.inference._tiles import Tiling
from srseg.planes import Cut, standard_planes

SHAPE = (21, 18, 34)


def predict(slices):
    """Four classes by a bumpy function of the grey value."""
    x = slices[:, None]
    logits = [3 * torch.sin(9 * x), 4 * x**2 - 1, 2 * torch.cos(5 * x), 2 * x]
    return torch.cat(logits, 1).softmax(1)


def vote(all_votes, *, wanted=None, thickness=6, keep=None):
    """Take a volume through nine planes; `keep` gets what every plane says of every voxel."""
    image = np.random.default_rng(5).random(SHAPE, dtype=np.float32)
    ballots = [votes.ballot for votes in all_votes]
    for number, plane in enumerate(standard_planes(9)):
        cut, carry = Cut(plane, SHAPE, wanted=wanted), None
        for slab in cut.slabs(thickness, 2):
            lines = cut.read(slab, image.__getitem__)
            back = cut.back(slab, carry, ballots)
            for batch in slab.batches:
                back.put(batch, predict(lines.slices(batch)))
            carry = back.carry
            for votes, part in zip(all_votes, back.parts, strict=True):
                votes.add(number, slab, back, part)


def everything(votes):
    return votes.read(tuple(slice(0, n) for n in votes.shape))


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("masked", [False, True])
def test_tiles_slabs_and_folders_change_nothing(tmp_path, voting, masked):
    wanted = None
    if masked:
        wanted = np.zeros((2, 2, 3), bool)
        wanted[0, 0, 1] = wanted[1, 1, 2] = True
    ballot = Ballot(4, 9, voting)
    one = MemoryVotes(ballot, SHAPE, 64)
    vote([one], wanted=wanted, thickness=100)
    reference = everything(one)
    assert (reference.max(axis=0) > 0).mean() > (0.1 if masked else 0.9)
    with ScratchVotes.open(tmp_path / "a", {}, ballot, SHAPE, 16) as large:
        small = MemoryVotes(ballot, SHAPE, 16)
        vote([small, large], wanted=wanted)
        for votes in (small, large):
            np.testing.assert_array_equal(everything(votes), reference)
    with ScratchVotes.open(tmp_path / "a", {}, ballot, SHAPE, 16) as again:
        np.testing.assert_array_equal(everything(again), reference)
        fused = Fused(again)
        for start, stop in ((0, 21), (3, 19), (16, 17)):
            part = reference[:, start:stop]
            for name in ("classes", "entropy", "margin"):
                found = getattr(fused, name)(start, stop)
                np.testing.assert_array_equal(found, getattr(ballot, name)(part))
            np.testing.assert_array_equal(fused.probabilities(start, stop), ballot.shares(part))
            assert fused.probabilities(start, stop).shape == (4, stop - start, *SHAPE[1:])


def test_what_nobody_voted_on_is_background(tmp_path):
    wanted = np.zeros((2, 2, 3), bool)
    wanted[0, 1, 2] = True
    ballot = Ballot(4, 9)
    with ScratchVotes.open(tmp_path / "a", {}, ballot, SHAPE, 16) as votes:
        vote([votes], wanted=wanted)
        classes = Fused(votes).classes(0, 21)
        assert classes[:16, 16:, 32:].any()
        classes[:16, 16:, 32:] = 0
        assert not classes.any()
    # tiles that were never written take no place
    assert (tmp_path / "a" / "srseg-votes.tiles").stat().st_size == 13 * 6 * 16**3


@st.composite
def boxes(draw):
    shape = tuple(draw(st.integers(1, 9)) for _ in range(3))
    bounds = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    return shape, draw(st.integers(1, 5)), tuple(slice(*each) for each in bounds)


@given(boxes())
@settings(max_examples=200, deadline=None)
def test_tiling_covers_a_box_once(case):
    shape, edge, box = case
    tiling = Tiling(shape, edge)
    tiles = np.zeros((tiling.n_tiles, edge, edge, edge), int)
    volume = np.arange(np.prod(shape)).reshape(shape)
    for tile, inside, outside in tiling.parts(tuple(slice(0, n) for n in shape)):
        tiles[tiling.number(tile)][inside] = volume[outside]
    found = np.full([part.stop - part.start for part in box], -1)
    for tile, inside, outside in tiling.parts(box):
        assert (found[outside] == -1).all()
        found[outside] = tiles[tiling.number(tile)][inside]
    np.testing.assert_array_equal(found, volume[box])
