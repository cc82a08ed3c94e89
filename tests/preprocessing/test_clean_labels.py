"""Labels that contradict their scan are corrected, others are left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.metrics import confusion, iou
from srseg.phantoms import degrade_labels, make_phantom
from srseg.preprocessing import LabelCleaning, prepare
from srseg.preprocessing._squared_distance import squared_distance

DEFAULT = LabelCleaning()


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(3, (96, 96, 96))


@pytest.fixture(scope="module")
def scan(phantom):
    return prepare(phantom.scan).read()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, st.tuples(*[st.integers(1, 9)] * 3)), st.integers(1, 6))
def test_distances_are_those_of_scipy(mask, reach):
    expected = np.full(mask.shape, 255)
    if mask.any():
        squared = np.rint(ndimage.distance_transform_edt(~mask) ** 2)
        expected = np.where(squared <= reach**2, squared, 255)
    np.testing.assert_array_equal(squared_distance(mask, reach), expected)


def scores(truth, labels):
    return iou(confusion(truth, labels, 4))[1:]


def test_workflow_labels_come_nearer_to_the_truth_in_every_class(phantom, scan):
    truth, labels = phantom.truth.read(), phantom.wf.read()
    before, after = (
        scores(truth, a) for a in (labels, DEFAULT.apply(scan, labels, DEFAULT_LABELS))
    )  # fmt: skip
    assert (after > before).all(), (before, after)
    assert after.mean() > before.mean() + 0.05


def test_what_it_costs_true_labels_is_known(phantom, scan):
    truth = phantom.truth.read()
    cleaned = DEFAULT.apply(scan, truth, DEFAULT_LABELS)
    assert (cleaned == truth).mean() > 0.97
    assert scores(truth, cleaned).mean() > 0.87


def test_cracks_become_background(phantom, scan):
    truth = phantom.truth.read()
    filled = degrade_labels(truth, phantom.scan.read(), quality=1.0, seed=0)
    cracks = (filled == 2) & (truth == 0)
    assert cracks.sum() > 500
    cleaned = DEFAULT.apply(scan, filled, DEFAULT_LABELS)
    assert (cleaned[cracks] == 0).mean() > 0.7
    without = LabelCleaning(cracks=None).apply(scan, filled, DEFAULT_LABELS)
    assert (without[cracks] == 0).mean() < 0.5


def test_slabs_change_nothing(phantom, scan, monkeypatch):
    labels = phantom.wf.read()
    expected = DEFAULT.apply(scan, labels, DEFAULT_LABELS)
    monkeypatch.setattr("srseg.preprocessing._clean_labels._SLAB", 20)
    found = DEFAULT.apply(scan, labels, DEFAULT_LABELS)
    # the spread is taken from a sample of values, which depends on the slabs
    assert (found == expected).mean() > 0.999


def test_unlabelled_voxels_stay_so_and_are_no_evidence(phantom, scan):
    labels = phantom.wf.read()
    labels[:, :30] = 255
    cleaned = DEFAULT.apply(scan, labels, DEFAULT_LABELS)
    np.testing.assert_array_equal(cleaned[:, :30], 255)
    assert not (cleaned[:, 30:] == 255).any()


def test_classes_that_are_not_there_do_not_appear(scan, phantom):
    labels = np.minimum(phantom.wf.read(), 1)
    cleaned = LabelCleaning(cracks=(2, 0)).apply(scan, labels, DEFAULT_LABELS)
    assert set(np.unique(cleaned)) == {0, 1}


def test_a_scan_of_one_slice_and_of_one_class_is_fine():
    grey = np.full((1, 5, 4), 0.5, np.float32)
    for value in (0, 255):
        labels = np.full(grey.shape, value, np.uint8)
        np.testing.assert_array_equal(DEFAULT.apply(grey, labels, DEFAULT_LABELS), labels)


def test_classes_that_look_alike_stay_as_they_are():
    grey = np.full((12, 12, 12), 0.5, np.float32)
    labels = np.zeros(grey.shape, np.uint8)
    labels[3:9, 3:9, 3:9] = 2
    np.testing.assert_array_equal(DEFAULT.apply(grey, labels, DEFAULT_LABELS), labels)


def test_labels_given_are_not_changed_in_place(scan, phantom):
    labels = phantom.wf.read()
    kept = labels.copy()
    DEFAULT.apply(scan, labels, DEFAULT_LABELS)
    np.testing.assert_array_equal(labels, kept)


def test_classes_of_cracks_come_from_the_table():
    other = LabelTable.from_values({0, 1, 7})
    assert DEFAULT.for_table(DEFAULT_LABELS).cracks == (2, 0)
    assert LabelCleaning().for_table(other).cracks is None
    with pytest.raises(UnknownNameError, match="no class 'crust'; it has: "):
        LabelCleaning(cracks=("crust", "background")).for_table(DEFAULT_LABELS)


def test_what_cannot_be_is_refused():
    for wrong in ({"reach": 0}, {"trust": -1}, {"surroundings": np.inf}, {"smoothing": -1}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            LabelCleaning(**wrong)
    with pytest.raises(ParameterError, match="at most 15"):
        LabelCleaning(reach=16)
    with pytest.raises(ParameterError, match=r"\(2, 3, 4\), its labels \(2, 3, 5\)"):
        DEFAULT.apply(
            np.zeros((2, 3, 4), np.float32), np.zeros((2, 3, 5), np.uint8), DEFAULT_LABELS
        )
