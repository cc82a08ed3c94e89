"""What single planes and fused ones say, predicted around a cut alone."""

from __future__ import annotations

import numpy as np
import pytest

from srseg import ArraySample, MultiAxisEnsemble, VolumeSegmenter
from srseg.errors import GridError, ParameterError, UnknownNameError
from srseg.phantoms import make_phantom
from srseg.reports import PlanewiseCut, predict_planewise, probabilities_figure
from srseg.reports._figures.cuts import find_cuts

SHAPE = (44, 46, 42)


@pytest.fixture(scope="module")
def sample() -> ArraySample:
    return make_phantom(3, SHAPE, voxel_size=10.0).sample("P")


@pytest.fixture(scope="module")
def segmenter(sample) -> VolumeSegmenter:
    return VolumeSegmenter(
        width=4, depth=1, input_size=32, voxel_size=10.0, max_iter=40, learning_rate=0.02,
        validation=None, precision="fp32", runtime="torch", device="cpu", random_state=0,
    ).fit([sample])  # fmt: skip


def whole(segmenter, sample, planes) -> np.ndarray:
    from sklearn.frozen import FrozenEstimator

    ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=planes).fit(None)
    return ensemble.predict_proba(sample)


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("rc:21", (slice(20, 22), slice(13, 30), slice(9, 33))),
        ("cp:17", (slice(11, 37), slice(17, 18), slice(15, 29))),
        ("pr:40", (slice(0, 20), slice(20, 46), slice(40, 42))),
    ],
)
def test_the_same_as_in_the_whole_scan(segmenter, sample, name, box):
    """With all that the network looks at, straight planes say the same as of the whole scan."""
    (found,) = predict_planewise(
        segmenter, sample, classes=["bone", "DL", 3], slices=[name], box=box, planes=3
    )
    assert found.is_exact
    assert found.context == segmenter.reach
    assert found.planes == ("rc", "cp", "pr", "mean of 3 planes")
    assert found.classes == ("bone", "degradation layer", "residual material")
    (cut,) = find_cuts([name], SHAPE, rotated=False)
    part = (slice(None), slice(None)) if box is None else cut.part(box)
    for number, planes in enumerate((["rc"], ["cp"], ["pr"], 3)):
        wanted = whole(segmenter, sample, planes)[1:].take(cut.index, 1 + cut.plane.stacking)
        wanted = wanted[:, *part]
        assert wanted.std() > 0.01
        np.testing.assert_allclose(found.probabilities[number], wanted, atol=4e-4)
    grey = sample.scan.read()
    low, high = np.percentile(grey, (0.5, 99.9))
    wanted = np.clip((grey.take(cut.index, cut.plane.stacking)[part] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(found.scan, wanted, atol=2e-3)
    assert found.pixel == (10.0, 10.0)


def test_nine_planes_are_near_those_of_the_whole_scan(segmenter, sample):
    (found,) = predict_planewise(segmenter, sample, classes=["RM"], slices=["rc:20"])
    assert found.planes[-1] == "mean of 9 planes"
    wanted = whole(segmenter, sample, 9)[3, 20]
    apart = np.abs(found.probabilities[-1, 0] - wanted)
    assert apart.mean() < 0.01
    assert apart.mean() < 0.2 * np.abs(found.probabilities[0, 0] - wanted).mean()


def test_only_a_box_around_the_cut_is_predicted(segmenter, sample, monkeypatch):
    shapes = []
    true = VolumeSegmenter.slice_predictors

    def looked_at(self, runtime=None):
        def watched(one):
            call = type(one).__call__

            class Watched(type(one)):
                def __call__(self, slices):
                    shapes.append(tuple(slices.shape))
                    return call(self, slices)

            one.__class__ = Watched
            return one

        return [watched(one) for one in true(self, runtime)]

    monkeypatch.setattr(VolumeSegmenter, "slice_predictors", looked_at)
    box = (slice(20, 21), slice(20, 26), slice(20, 26))
    predict_planewise(segmenter, sample, classes=["bone"], slices=["rc:20"], box=box, planes=3,
                      context=2)  # fmt: skip
    # 6 + 2 x 2 voxels, from an even one, and 1 + 2 x 2
    assert shapes
    assert sum(int(np.prod(shape)) for shape in shapes) <= 3 * 12 * 12 * 8


def test_a_model_of_larger_voxels(sample):
    """Slices are counted in its voxels."""
    segmenter = VolumeSegmenter(
        width=2, depth=1, input_size=16, voxel_size=20.0, max_iter=3, validation=None,
        device="cpu", random_state=0,
    ).fit([sample])  # fmt: skip
    (found,) = predict_planewise(segmenter, sample, classes=["bone"], slices=["cp:22"], planes=3)
    assert found.scan.shape == (22, 21)
    assert found.pixel == (20.0, 20.0)
    with pytest.raises(ParameterError, match="plane cp has slices 0 to 22 here"):
        predict_planewise(segmenter, sample, classes=["bone"], slices=["cp:23"])


def test_a_large_slice_is_shown_in_part():
    (cut,) = find_cuts(["rc:3"], (8, 500, 300), rotated=False)
    from srseg import Grid
    from srseg.reports._figures.planewise import _part

    rows, columns = _part(cut, None, Grid((8, 500, 300), (5.0, 5.0, 5.0)))
    assert (rows, columns) == (slice(58, 442), slice(0, 300))


def planewise(probabilities, planes=("rc", "cp"), classes=("bone",), name="rc:2") -> PlanewiseCut:
    height, width = probabilities.shape[2:]
    (cut,) = find_cuts([name], (8, 8, 8), rotated=False)
    return PlanewiseCut(
        cut, (slice(0, height), slice(0, width)), (5.0, 10.0),
        np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width),
        planes, classes, probabilities.astype(np.float32), 10, 20,
    )  # fmt: skip


def test_roughness_is_that_of_stripes():
    stripes = np.zeros((2, 1, 6, 7))
    stripes[1, 0, ::2] = 0.25  # every second row: each stands out by 2 x 0.25 from its neighbours
    stripes[0, 0] = np.linspace(0, 1, 7)  # a ramp stands out nowhere
    found = planewise(stripes).roughness()
    np.testing.assert_allclose(found, [[[0, 0]], [[0.5, 0]]], atol=1e-6)
    assert np.isnan(planewise(np.zeros((2, 1, 2, 7))).roughness()[..., 0]).all()
    assert not planewise(stripes).is_exact


def test_the_figure():
    values = np.random.default_rng(0).random((2, 2, 5, 8))
    cuts = [planewise(values, classes=("bone", "layer")),
            planewise(values[::-1], classes=("bone", "layer"), name="cp:4")]  # fmt: skip
    figure = probabilities_figure(cuts, title="stripes")
    heads = [text.get_text() for text in figure.texts if text is not figure._suptitle]
    assert heads == ["scan", "rc", "cp"]
    assert len(figure.axes) == 4 * 3 + 1
    names = [" ".join(figure.axes[i].texts[0].get_text().split()) for i in (0, 3, 6, 9)]
    assert names == [
        "rc 2, bone y down, x right", "rc 2, layer y down, x right",
        "cp 4, bone z down, x right", "cp 4, layer z down, x right",
    ]  # fmt: skip
    for row, (cut, number) in enumerate([(c, n) for c in (0, 1) for n in (0, 1)]):
        for plane in (0, 1):
            image = figure.axes[3 * row + 1 + plane].images[0]
            wanted = cuts[cut].probabilities[plane, number]
            held = np.asarray(image.get_array())
            times = held.shape[1] // 8
            np.testing.assert_array_equal(held, wanted.repeat(times, 0).repeat(times, 1))
            assert (image.get_clim(), image.get_cmap().name) == ((0, 1), "viridis")
    assert figure.axes[-1].get_xlabel() == "probability of the class"
    one = probabilities_figure([planewise(values[:, :1])])
    assert one.axes[-1].get_xlabel() == "probability of bone"
    figure.draw_without_rendering()
    box = figure.axes[1].get_window_extent()
    assert box.height / box.width == pytest.approx(5 * 5 / (8 * 10), rel=1e-3)


def test_what_cannot_be(segmenter, sample):
    with pytest.raises(UnknownNameError, match="the label table has no class 'skin'; it has: b"):
        predict_planewise(segmenter, sample, classes=["skin"])
    with pytest.raises(ParameterError, match="no class is asked for"):
        predict_planewise(segmenter, sample, classes=[])
    with pytest.raises(ParameterError, match="the context is a number of voxels, found -1"):
        predict_planewise(segmenter, sample, classes=["bone"], context=-1)
    inside = (slice(0, 4), slice(0, 9), slice(0, 9))
    with pytest.raises(ParameterError, match="rc 20 does not go through the box 0:4,0:9,0:9"):
        predict_planewise(segmenter, sample, classes=["bone"], slices=["rc:20"], box=inside)
    outside = (slice(0, 44), slice(0, 47), slice(0, 9))
    with pytest.raises(GridError, match=r"the box 0:44,0:47,0:9 .* does not lie in a volume"):
        predict_planewise(segmenter, sample, classes=["bone"], slices=["rc:20"], box=outside)
    with pytest.raises(ParameterError, match="planes along the axes: rc, cp, pr"):
        predict_planewise(segmenter, sample, classes=["bone"], slices=["rc@45c"])
    with pytest.raises(ParameterError, match="predicted along the same planes"):
        probabilities_figure([])
    different = [planewise(np.zeros((2, 1, 4, 4)), planes=p) for p in (("rc", "cp"), ("rc", "pr"))]
    with pytest.raises(ParameterError, match="predicted along the same planes"):
        probabilities_figure(different)
