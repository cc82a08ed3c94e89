"""The watershed: its bounded flood against others' unbounded one."""

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from srseg_classical import RandomWalkerSegmenter, WatershedSegmenter
from srseg_classical._edges import gradient_magnitude
from srseg_classical._flood import NOBODY, flooded

from srseg import load_model
from srseg.errors import ModelFileError, ParameterError

from .conftest import blobs, imaged


def relief(seed):
    labels = blobs(seed)
    smooth = ndimage.gaussian_filter(imaged(labels, seed), 1)
    heights = gradient_magnitude(smooth)
    markers = np.where(heights < np.quantile(heights, 0.3), labels, NOBODY).astype(np.int8)
    return heights, markers


def test_floods_go_where_those_of_itk_go():
    heights, markers = relief(0)
    found = flooded(heights, markers, 100)
    image = SimpleITK.GetImageFromArray(heights)
    seeds = SimpleITK.GetImageFromArray((markers + 1).astype(np.uint8))
    theirs = SimpleITK.MorphologicalWatershedFromMarkers(
        image, seeds, markWatershedLine=False, fullyConnected=False
    )
    expected = SimpleITK.GetArrayFromImage(theirs).astype(int) - 1
    assert (found != NOBODY).all()
    # floods that meet on a plateau are divided as chance has it
    assert (found == expected).mean() > 0.98


def test_the_cost_is_that_of_the_lowest_pass():
    """Against scikit-image's way: minimax paths by a maximum spanning forest of small reliefs."""
    rng = np.random.default_rng(3)
    heights = rng.permutation(6 * 7 * 8).reshape(6, 7, 8).astype(np.float32)  # no plateaus
    markers = np.full(heights.shape, NOBODY, np.int8)
    markers[0, 0, 0], markers[5, 6, 7], markers[0, 6, 0] = 0, 1, 2
    found = flooded(heights, markers, 400)
    passes = np.stack([_lowest_pass(heights, markers == k) for k in range(3)])
    best = passes.min(0)
    unique = (passes == best).sum(0) == 1
    assert unique.mean() > 0.3
    np.testing.assert_array_equal(found[unique], passes.argmin(0)[unique])


def _lowest_pass(heights, seeds):
    """Give the height to which water has to rise at the seeds to come to each voxel."""
    found = np.full(heights.shape, np.inf)
    for level in np.unique(heights):
        parts, _ = ndimage.label((heights <= level) | seeds)
        wet = np.isin(parts, parts[seeds]) & np.isinf(found)
        found[wet] = level
    return found


def test_a_flood_is_bounded():
    heights = np.zeros((1, 1, 9), np.float32)
    markers = np.full(heights.shape, NOBODY, np.int8)
    markers[..., 0] = 1
    assert flooded(heights, markers, 4).ravel().tolist() == [1] * 5 + [NOBODY] * 4


def test_markers_grow_up_to_the_edges(scans, labels):
    grown = WatershedSegmenter(flat=0.4).fit(scans[:2], labels[:2])
    short = WatershedSegmenter(flat=0.4, steps=1).fit(scans[:2], labels[:2])
    assert grown.score(scans[2:], labels[2:]) > 0.8
    assert (grown.predict(scans[2]) != short.predict(scans[2])).any()
    assert set(np.unique(grown.predict_proba(scans[2]))) == {0, 1}


def test_a_class_without_markers_is_named():
    labels = blobs(0)
    scan = imaged(np.where(labels == 2, 1, labels), 0)
    with pytest.warns(UserWarning, match="no markers for class 2"):
        WatershedSegmenter().fit([scan], [labels])


def test_a_file_with_an_endless_flood_is_refused(scans, labels, tmp_path):
    model = WatershedSegmenter().fit(scans[:1], labels[:1])
    model.steps_ = 10**9
    model.save(tmp_path / "endless.srseg")
    with pytest.raises(ModelFileError, match=r"endless\.srseg.*steps"):
        load_model(tmp_path / "endless.srseg")


def test_more_classes_than_there_are_marks_are_refused():
    labels = np.arange(200).astype(np.uint8).reshape(200, 1, 1)
    labels = np.broadcast_to(labels, (200, 3, 3)).copy()
    for segmenter in (WatershedSegmenter(), RandomWalkerSegmenter()):
        with pytest.raises(ParameterError, match="128 classes at most, found 200"):
            segmenter.fit([1.0 * labels], [labels])
    with pytest.raises(ParameterError, match="128 classes at most, found 200"):
        RandomWalkerSegmenter().complete(1.0 * labels, labels)
