"""A model says when a scan differs from those that it was trained on."""

import warnings

import numpy as np
import pytest

from srseg import ArraySample, MultiAxisEnsemble, Volume, load_model
from srseg.estimators._domain import Domain


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
