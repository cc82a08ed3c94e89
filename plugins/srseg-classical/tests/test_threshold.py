"""Thresholds: levels as others find them, and classes that no grey value tells apart."""

import numpy as np
import pytest
import SimpleITK
from srseg_classical import ThresholdSegmenter

from srseg import load_model
from srseg.errors import ModelFileError, ParameterError, TrainingError

from .conftest import blobs, imaged


def test_levels_are_those_of_itk(scans, labels):
    fitted = ThresholdSegmenter(sigma=0).fit(scans[:1], labels[:1])
    low, high = np.percentile(scans[0], (0.5, 99.9))
    normal = np.clip((scans[0] - low) / (high - low), 0, 1)
    image = SimpleITK.GetImageFromArray(normal.astype(np.float32))
    otsu = SimpleITK.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(2)
    otsu.SetNumberOfHistogramBins(256)
    otsu.Execute(image)
    np.testing.assert_allclose(fitted.levels_, otsu.GetThresholds(), atol=0.02)


def test_given_levels_are_kept_and_intervals_stand_for_the_most_frequent_class():
    scan = np.linspace(0, 1, 4096, dtype=np.float32).reshape(16, 16, 16)
    labels = np.digitize(scan, [0.25, 0.5, 0.75]).astype(np.uint8)
    labels[scan > 0.9] = 0
    fitted = ThresholdSegmenter(levels=[0.25, 0.5, 0.75], sigma=0, clip=(0, 100))
    fitted.fit([scan], [labels])
    np.testing.assert_allclose(fitted.levels_, [0.25, 0.5, 0.75])
    assert fitted.shares_.argmax(0).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(fitted.shares_[:, 3], [0.4, 0, 0, 0.6], atol=0.01)
    single = ThresholdSegmenter(levels=0.5, sigma=0, clip=(0, 100))
    with pytest.warns(UserWarning, match="cannot tell class"):
        single.fit([scan], [labels])
    assert single.levels_.tolist() == [0.5]


def test_a_class_that_looks_like_another_is_named():
    labels = blobs(0)
    scan = imaged(np.where(labels == 2, 1, labels), 0)
    model = ThresholdSegmenter()
    with pytest.warns(UserWarning, match=r"cannot tell class 2 from others.*never be predicted"):
        model.fit([scan], [labels])
    assert model.lost_classes_ == ["class 2"]
    assert set(np.unique(model.predict(scan))) == {0, 1}


def test_levels_that_lie_close_together_are_all_used():
    scan = np.linspace(0, 1, 8000, dtype=np.float32).reshape(20, 20, 20)
    levels = [0.5, 0.501, 0.502, 0.75003]
    labels = np.digitize(scan, np.float32(levels)).astype(np.uint8)
    fitted = ThresholdSegmenter(levels=levels, sigma=0, clip=(0, 100)).fit([scan], [labels])
    np.testing.assert_array_equal(fitted.levels_, np.float32(levels))
    np.testing.assert_array_equal(fitted.shares_, np.eye(5, dtype=np.float32))
    np.testing.assert_array_equal(fitted.predict(scan), labels)
    with pytest.raises(ParameterError, match="by more than single precision rounds"):
        ThresholdSegmenter(levels=[0.5, 0.5 + 1e-12]).fit([scan], [labels])


def test_too_few_grey_values():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[4:] = 1
    with pytest.raises(TrainingError, match=r"3 levels between 4 grey values.*have 2"):
        ThresholdSegmenter(levels=3, sigma=0).fit([labels * 1.0], [labels])


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("sigma_", 1e12),
        ("sigma_", "wide"),
        ("levels_", np.float32([0.6, 0.3])),
        ("levels_", np.float32([np.nan, 0.3])),
        ("shares_", np.ones((3, 2), np.float32)),
        ("shares_", np.ones((3, 3), np.float32)),
        ("shares_", np.full((3, 3), np.nan, np.float32)),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(attribute, value, scans, labels, tmp_path):
    fitted = ThresholdSegmenter().fit(scans[:1], labels[:1])
    setattr(fitted, attribute, value)
    fitted.save(tmp_path / "bad.srseg")
    with pytest.raises(ModelFileError, match=r"bad\.srseg"):
        load_model(tmp_path / "bad.srseg")
