"""A model says when a scan differs from those that it was trained on."""

import warnings

import numpy as np
import pytest

from srseg import ArraySample, MultiAxisEnsemble, Volume, load_model
from srseg.estimators import SamplePart
from srseg.estimators._domain import Domain
from srseg.volumes import FieldOfView


@pytest.fixture(scope="module")
def segmenter(small, make_sample):
    """A model of two scans of 5 µm at 30 and 38 keV."""
    samples = [make_sample(0), make_sample(1)]
    for sample, energy in zip(samples, (30.0, 38.0), strict=True):
        sample.metadata = {"energy_kev": energy}
    return small().fit(samples)


def like(sample, voxel_size=5.0, power=1.0, **metadata):
    """Give a sample with another voxel size, histogram or energy."""
    array = sample.scan.read()
    low, high = array.min(), array.max()
    changed = low + (high - low) * ((array - low) / (high - low)) ** power
    return ArraySample("new", Volume.from_array(changed, voxel_size), metadata=metadata)


def test_what_is_alike_passes(segmenter, make_sample):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segmenter.predict(make_sample(2))
        segmenter.predict(like(make_sample(2), energy_kev=41.0))
        segmenter.predict(make_sample(2).scan.read())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"voxel_size": 10.0}, r"voxel size of 10 µm \(training: 5 µm\)"),
        ({"voxel_size": 4.0}, "voxel size of 4 µm"),
        ({"energy_kev": 80.0}, r"energy of 80 keV \(training: 30 to 38 keV\)"),
        ({"power": 4.0}, r"histogram \(\d+% of its voxels lie below"),
    ],
)
def test_what_differs_is_warned_about_by_name(segmenter, make_sample, changes, words):
    with pytest.warns(UserWarning, match=f"^new differs from the scans .*{words}"):
        segmenter.predict(like(make_sample(2), **changes))


def test_ensembles_and_kept_models_warn_too(segmenter, make_sample, tmp_path):
    segmenter.save(tmp_path / "m.srseg")
    loaded = load_model(tmp_path / "m.srseg")
    assert loaded.domain_ == segmenter.domain_
    from sklearn.frozen import FrozenEstimator

    ensemble = MultiAxisEnsemble(FrozenEstimator(loaded)).fit(None)
    with pytest.warns(UserWarning, match="80 keV"):
        ensemble.predict(like(make_sample(2), energy_kev=80.0))


def test_the_ranges_are_those_of_the_training_scans(make_sample):
    images = [np.linspace(0, 1, 1000).reshape(10, 10, 10) ** p for p in (1, 2)]
    samples = [make_sample(0, voxel_size=v) for v in (2.4, 1.2)]
    domain = Domain.of(zip(samples, images, [None, None], strict=True))
    assert domain.voxel_size == (1.2, 2.4)
    assert domain.energy is None
    assert domain.grey_values[2] == pytest.approx((0.25, 0.5), abs=1e-3)
    assert Domain.from_dict(domain.to_dict()) == domain


class TestPart:
    """The histogram of a box is another than that of the whole, and means nothing."""

    def test_a_box_of_a_scan_that_is_alike_passes(self, segmenter, make_sample):
        sample = make_sample(2)
        labels = np.argwhere(sample.labels("WF").read() == 2)
        box = tuple(
            slice(int(a), int(b)) for a, b in zip(labels.min(0), labels.max(0), strict=True)
        )
        alone = ArraySample("new", sample.scan.cropped(box))
        image = SamplePart(sample, box).prepared(5.0, segmenter.clip_).read()
        # what the box would be blamed for by itself
        assert segmenter.domain_.differences(alone, image, 5.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            segmenter.predict(SamplePart(sample, box))

    def test_a_box_of_a_scan_that_differs_is_warned_about(self, segmenter, make_sample):
        part = SamplePart(like(make_sample(2), power=4.0), (slice(2, 14),) * 3)
        with pytest.warns(UserWarning, match=r"^new differs .* histogram"):
            segmenter.predict(part)

    def test_what_a_scan_did_not_see_does_not_count(self, segmenter, make_sample):
        sample = make_sample(2)
        field = FieldOfView((0, 45, 42.5), radius=40)
        seen = field.inside(sample.scan.grid, tuple(slice(0, n) for n in sample.scan.shape))
        volume = Volume.from_array(np.where(seen, sample.scan.read(), -1e5).astype("f4"), 5.0)
        volume.field = field
        image, mask = SamplePart(ArraySample("new", volume), (slice(4, 6),) * 3).overview(
            5.0, segmenter.clip_
        )
        np.testing.assert_array_equal(
            np.broadcast_to(mask, image.shape), np.broadcast_to(seen, image.shape)
        )
        assert len(image) == 16

    def test_slices_from_all_over_a_deep_scan(self):
        ramp = np.broadcast_to(np.arange(1000.0)[:, None, None], (1000, 4, 4)).copy()
        scan = Volume.from_array(ramp, 5.0)
        image, seen = SamplePart(ArraySample("A", scan), (slice(0, 4),) * 3).overview(5.0, (0, 100))
        assert image.shape == (32, 4, 4)
        assert seen is None
        np.testing.assert_allclose(
            np.quantile(image, [0.05, 0.5, 0.95]), [0.05, 0.5, 0.95], atol=0.02
        )
