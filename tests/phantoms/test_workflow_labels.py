"""WF labels: how wrong, wrong in which way, and how much of it is the same in every sample."""

import numpy as np
import pytest
from scipy import ndimage

from srseg.errors import LabelError, ParameterError
from srseg.phantoms import degrade_labels, make_phantom, systematic_share

SEEDS = (0, 1, 2, 3)


def iou(labels, truth):
    """IoU of bone, DL, RM, counted anew here."""
    return np.array(
        [
            np.count_nonzero((labels == k) & (truth == k))
            / np.count_nonzero((labels == k) | (truth == k))
            for k in (1, 2, 3)
        ]
    )


@pytest.fixture(scope="module")
def study():
    return [
        (np.asarray(p.truth), np.asarray(p.scan), np.asarray(p.wf))
        for p in (make_phantom(s, (96, 96, 96), beamline=("P05", "I13-2")[s % 2]) for s in SEEDS)
    ]


def test_wf_is_as_wrong_as_the_study_asks(study):
    scores = np.array([iou(wf, truth) for truth, _, wf in study])
    assert 0.70 < scores.mean() < 0.80
    assert 0.55 < scores[:, 1].mean() < 0.68
    assert ((scores.mean(axis=1) > 0.70) & (scores.mean(axis=1) < 0.90)).all()
    assert ((scores[:, 1] > 0.50) & (scores[:, 1] < 0.75)).all()


def test_at_least_half_of_the_errors_are_systematic(study):
    shares = [
        systematic_share(truth, scan, quality=0.5, seed=s)
        for s, (truth, scan, _) in zip(SEEDS, study, strict=True)
    ]
    assert all(0.5 <= share < 0.7 for share in shares), shares


def test_without_its_chance_part_wf_would_be_clearly_better(study):
    # what a perfect average over annotators leaves is the room that a network can win
    gains = []
    for truth, scan, wf in study[:2]:
        votes = np.zeros((4, *truth.shape), np.uint8)
        for annotator in range(5):
            labels = degrade_labels(truth, scan, quality=0.5, seed=1000 + annotator)
            for k in range(4):
                votes[k] += labels == k
        gains.append(iou(votes.argmax(0), truth) - iou(wf, truth))
    gains = np.mean(gains, axis=0)
    assert gains.mean() > 0.03, gains
    assert gains[1] > 0.04, gains


def test_wf_has_no_cracks(study):
    for truth, _, wf in study:
        implant = truth >= 2
        closed = ndimage.binary_closing(implant, iterations=3)
        # deep enough that a smoothed outline does not reach them
        deep = ndimage.distance_transform_edt(closed) > 4
        cracks = deep & (truth == 0)
        assert np.count_nonzero(cracks) > 200
        assert np.mean(wf[cracks] >= 2) > 0.97


def test_dl_and_rm_are_confused_where_their_grey_values_agree(study):
    for truth, scan, wf in study:
        grey = ndimage.gaussian_filter(scan.astype(np.float32), 1.2)
        # the same distance from the metal, once called metal and once not
        near = (ndimage.distance_transform_edt(truth != 3) <= 1.5) & (truth == 2)
        assert grey[near & (wf == 3)].mean() > grey[near & (wf == 2)].mean()


def test_bone_comes_out_too_thick(study):
    for truth, scan, _ in study:
        labels = degrade_labels(truth, scan, quality=0.75, seed=0)
        assert np.count_nonzero(labels == 1) > np.count_nonzero(truth == 1)


def test_a_higher_quality_is_a_better_label_set(study):
    truth, scan, _ = study[0]
    qualities = (0.0, 0.25, 0.5, 0.75, 1.0)
    scores = np.array(
        [iou(degrade_labels(truth, scan, quality=q, seed=0), truth) for q in qualities]
    )
    assert (np.diff(scores, axis=0) > 0.005).all(), scores


def test_at_quality_one_only_the_cracks_are_wrong(study):
    truth, scan, _ = study[0]
    labels = degrade_labels(truth, scan, quality=1.0, seed=0)
    wrong = labels != truth
    assert wrong.any()
    assert (labels[wrong] == 2).all()
    assert (truth[wrong] < 2).all()


def test_same_seed_same_labels_another_seed_others(study):
    truth, scan, wf = study[0]
    again = degrade_labels(truth, scan, quality=0.5, seed=0)
    other = degrade_labels(truth, scan, quality=0.5, seed=99)
    assert np.array_equal(again, wf)
    assert np.mean(other != wf) > 0.01


def test_bone_without_an_implant_is_degraded_too(study):
    truth, scan, _ = study[0]
    bone = (truth == 1).astype(np.uint8)
    labels = degrade_labels(bone, scan, quality=0.5, seed=0)
    assert set(np.unique(labels)) == {0, 1}
    agreement = np.mean(labels[(labels | bone) == 1] == 1) * np.mean(bone[labels == 1])
    assert 0.6 < agreement < 0.95


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"quality": -0.1}, ParameterError, "quality: -0.1"),
        ({"quality": float("nan")}, ParameterError, "quality: nan"),
        ({"seed": -5}, ParameterError, "seed: -5"),
        ({"scan": np.zeros((4, 4, 5))}, ParameterError, r"\(4, 4, 4\).*\(4, 4, 5\)"),
        ({"truth": np.full((4, 4, 4), 7, np.uint8)}, LabelError, "truth: value 7"),
    ],
)
def test_what_cannot_work_is_refused(change, error, message):
    arguments = {
        "truth": np.zeros((4, 4, 4), np.uint8),
        "scan": np.zeros((4, 4, 4)),
        "quality": 0.5,
        "seed": 0,
    }
    with pytest.raises(error, match=message):
        degrade_labels(**(arguments | change))
