"""The chance to be wrong, and the order of samples."""

import numpy as np
import pytest

from srseg import Dataset
from srseg.corrections import rank_samples, suggest_boxes, suggest_slices, uncertainty
from srseg.errors import UnknownNameError


def test_the_chance_is_half_of_what_the_margin_lacks(predicted):
    chance = uncertainty(predicted["A"], "srseg-wf").read()
    assert chance[5, 0, 0] == pytest.approx(0.45, abs=0.002)
    assert chance[1, 0, 0] == pytest.approx(0.2, abs=0.002)
    # a margin of 0 without entropy is no tie: nothing was predicted there
    assert (chance[7] == 0).all()


def test_what_is_nearly_certain_counts_as_certain(study):
    grid = study["A"].scan.grid
    with study.create_prediction(
        "A", "wf", grid, description="soft3", provenance={}, saves=("disagreement",)
    ) as sink:
        sink.labels[:] = np.zeros(grid.shape, np.uint8)
        margin = np.full(grid.shape, 0.92)
        margin[3] = 0.88
        sink.margin[:] = margin
        sink.entropy[:] = np.full(grid.shape, 0.2)
    chance = uncertainty(study["A"], "srseg-wf").read()
    assert (chance[3] > 0.05).all()
    assert chance.sum() == chance[3].sum()


def test_suggestions_of_a_prediction(predicted):
    chance = uncertainty(predicted["A"], "srseg-wf/soft3")
    assert suggest_slices(chance, 1, axis="z")[0].index <= 5
    assert suggest_boxes(chance, 2, shape=(4, 4, 4))[0].name == "0:4,4:8,8:12"


def test_samples_are_ranked_by_what_is_expected_to_be_wrong(predicted, predict):
    predict(predicted, "B")
    grid = predicted["C"].scan.grid
    with predicted.create_prediction(
        "C", "wf", grid, description="soft3", provenance={}, saves=("disagreement",)
    ) as sink:
        sink.labels[:] = np.zeros(grid.shape, np.uint8)
        sink.margin[:] = np.zeros(grid.shape)
        sink.entropy[:] = np.ones(grid.shape)
    ranked = rank_samples(Dataset(predicted.path), "srseg-wf")
    assert [one.sample for one in ranked] == ["C", "A", "B"]
    assert ranked[0].expected == pytest.approx(grid.n_voxels / 2)
    assert ranked[0].share == pytest.approx(0.5)
    assert ranked[1].prediction == "srseg-wf/soft3"
    total = uncertainty(predicted["A"], "srseg-wf").read().sum()
    assert ranked[1].to_dict()["expected"] == pytest.approx(total, rel=1e-6)


def test_without_a_prediction_it_says_how_to_make_one(study):
    with pytest.raises(UnknownNameError, match=r"no.*prediction 'srseg-wf'.*--save disagreement"):
        rank_samples(study, "srseg-wf")
    with pytest.raises(UnknownNameError, match="has no label set 'srseg-wf'"):
        uncertainty(study["A"], "srseg-wf")


def test_without_disagreement_it_says_so(study):
    with study.create_prediction(
        "A", "wf", study["A"].scan.grid, description="soft3", provenance={}
    ) as sink:
        sink.labels[:] = np.zeros(study["A"].scan.shape, np.uint8)
    with pytest.raises(UnknownNameError, match="predict again with --save"):
        rank_samples(study, "srseg-wf")


def test_maps_on_another_grid_are_brought_onto_the_labels(study):
    grid = study["A"].scan.grid
    coarse = grid.resampled(5.0)
    margin = np.random.default_rng(0).random(coarse.shape).astype(np.float32)
    with study.create_prediction(
        "A", "wf", grid, description="soft3", provenance={}, saves=("disagreement",),
        maps_grid=coarse,
    ) as sink:  # fmt: skip
        sink.labels[:] = np.zeros(grid.shape, np.uint8)
        sink.margin[:] = margin
        sink.entropy[:] = np.ones(coarse.shape)
    chance = uncertainty(study["A"], "srseg-wf")
    assert chance.grid.same_as(grid)
    there = np.where((1 - margin) / 2 < 0.05, 0, (1 - margin) / 2)
    # a corner voxel lies nearer to the corner than the first coarse one, and gets its value
    np.testing.assert_allclose(chance.read()[0, 0, 0], there[0, 0, 0], atol=0.003)
    assert suggest_slices(chance, 1, labels=study["A"].labels("srseg-wf"), axis="x")
