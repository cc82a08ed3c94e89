"""Segmenters made of BaseSegmenter: fitted, predicted by block or slice, kept in files."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.exceptions import NotFittedError

from srseg import ArraySample, MultiAxisEnsemble, Volume, load_model
from srseg.errors import ModelFileError, ParameterError, StorageError, UnsupportedEstimatorError
from srseg.estimators import BaseSegmenter, read_inputs, register_segmenter
from srseg.testing import check_segmenter
from srseg.volumes import FieldOfView, Grid

SIGMA = 1.5
SHAPE = (40, 37, 45)


class Smooth(BaseSegmenter):
    """Blurs, and takes the class of the nearest mean grey value."""

    reach = 6  # 4 sigma
    block_voxels = 8000  # several blocks along each axis

    def __init__(self, sigma=SIGMA, voxel_size=5.0, random_state=None):
        self.sigma = sigma
        self.voxel_size = voxel_size
        self.random_state = random_state

    def check(self):
        if not self.sigma > 0:
            raise ParameterError(f"sigma is greater than 0, found {self.sigma!r}")

    def learn(self, volumes, rng):
        sums, counts = np.zeros(len(self.label_table_)), np.zeros(len(self.label_table_))
        for volume in volumes:
            image, classes = np.asarray(volume.image[:, :, :]), np.asarray(volume.classes[:, :, :])
            for k in range(len(sums)):
                sums[k] += image[classes == k].sum()
                counts[k] += (classes == k).sum()
        self.means_ = sums / np.maximum(counts, 1)
        self.offset_ = rng.random()
        self.counts_ = [int(n) for n in counts]

    def predict_block_proba(self, block):
        smooth = ndimage.gaussian_filter(block, self.sigma, mode="nearest", truncate=4)
        nearness = np.exp(-10 * abs(smooth - self.means_.reshape(-1, 1, 1, 1)))
        return (nearness / nearness.sum(0)).astype(np.float32)


class Whole(Smooth):
    """Needs all of a volume."""

    reach = None


class Sliced(Smooth):
    """Predicts slices."""

    predict_block_proba = None
    stride = 4

    def predict_slices_proba(self, slices):
        return np.stack([Smooth.predict_block_proba(self, s[None])[:, 0] for s in slices])


register_segmenter("smooth", Smooth)
register_segmenter("sliced", Sliced)


def phantom(seed):
    rng = np.random.default_rng(seed)
    labels = (ndimage.gaussian_filter(rng.normal(size=SHAPE), 4) > 0).astype(np.uint8)
    labels[ndimage.distance_transform_edt(labels) > 3] = 2
    return (labels * 50 + rng.normal(0, 20, SHAPE)).astype(np.float32), labels


@pytest.mark.parametrize("segmenter", [Smooth(), Whole(), Sliced()])
def test_the_contract_is_kept(segmenter):
    check_segmenter(segmenter)


def test_blocks_give_what_the_whole_volume_gives():
    scan, labels = phantom(0)
    blocks, whole = (kind().fit([scan], [labels]) for kind in (Smooth, Whole))
    other, _ = phantom(1)
    np.testing.assert_array_equal(blocks.predict(other), whole.predict(other))
    np.testing.assert_allclose(blocks.predict_proba(other), whole.predict_proba(other), atol=2e-4)


def test_the_whole_volume_is_what_the_function_gives_of_it():
    scan, labels = phantom(0)
    fitted = Whole().fit([scan], [labels])
    low, high = np.percentile(scan, (0.5, 99.9))
    normal = np.clip((scan - low) / (high - low), 0, 1).astype(np.float32)
    expected = fitted.predict_block_proba(normal)
    np.testing.assert_allclose(fitted.predict_proba(scan), expected, atol=2e-3)


@pytest.mark.parametrize("kind", [Smooth, Sliced])
def test_a_file_keeps_it(kind, tmp_path):
    scan, labels = phantom(0)
    fitted = kind(sigma=2.5).fit([scan], [labels])
    fitted.save(tmp_path / "smooth.srseg")
    loaded = load_model(tmp_path / "smooth.srseg")
    assert type(loaded) is kind
    assert loaded.sigma == 2.5
    assert loaded.counts_ == fitted.counts_
    assert loaded.digest() == fitted.digest()
    assert loaded.digest() != kind(sigma=2).fit([scan], [labels]).digest()
    np.testing.assert_array_equal(loaded.predict(scan), fitted.predict(scan))


def test_a_digest_tells_shapes_types_and_versions_apart(monkeypatch):
    fitted = Smooth().fit(*([part] for part in phantom(0)))
    found = []
    for table in (np.arange(6.0), np.arange(6.0).reshape(2, 3), np.arange(6.0).view(np.int64)):
        fitted.table_ = table
        found.append(fitted.digest())
    monkeypatch.setattr("srseg.estimators._kept_mixin.package_version", lambda kind: "2.0")
    found.append(fitted.digest())
    assert len(set(found)) == 4


def test_a_file_of_a_segmenter_that_is_not_here_is_refused(tmp_path, monkeypatch):
    scan, labels = phantom(0)
    Smooth().fit([scan], [labels]).save(tmp_path / "smooth.srseg")
    monkeypatch.delitem(
        __import__("srseg.estimators._catalog", fromlist=["_registry"])._registry._built_in,
        "smooth",
    )
    with pytest.raises(ModelFileError, match=r"smooth.srseg: .*no segmenter 'smooth'.*install"):
        load_model(tmp_path / "smooth.srseg")


def test_a_file_of_another_package_is_refused(tmp_path, monkeypatch):
    scan, labels = phantom(0)
    Smooth().fit([scan], [labels]).save(tmp_path / "smooth.srseg")
    monkeypatch.setattr(Smooth, "__module__", "another_package.smooth")
    with pytest.raises(ModelFileError, match=r"'smooth' of the package \w+, and .*another_pack"):
        load_model(tmp_path / "smooth.srseg")


def test_what_no_file_can_keep_is_named(tmp_path):
    scan, labels = phantom(0)
    fitted = Smooth().fit([scan], [labels])
    fitted.names_ = np.array(["a", "b"])
    with pytest.raises(ParameterError, match="saved with names_, an array of <U1"):
        fitted.save(tmp_path / "smooth.srseg")


def test_what_the_scan_did_not_see_is_not_computed():
    scan, labels = phantom(0)
    fitted = Smooth().fit([scan], [labels])
    field = FieldOfView((0, 5 * 18, 5 * 8), radius=5 * 7.4)
    grid = Grid(SHAPE, (5.0,) * 3)
    whole, sample = (ArraySample("A", Volume(scan, grid, field=f)) for f in (None, field))
    with (
        fitted.prepare_prediction(whole) as everywhere,
        fitted.prepare_prediction(sample) as somewhere,
    ):
        assert somewhere.plan.pixels < everywhere.plan.pixels / 2
    found = fitted.predict(sample).read()
    inside = field.inside(sample.scan.grid, tuple(slice(0, n) for n in SHAPE))[0]
    assert 0.1 < inside.mean() < 0.2
    assert (found[:, ~inside] == 255).all()
    assert found[:, inside].max() <= 2


def test_a_class_without_a_name_cannot_be_kept(tmp_path):
    scan, labels = phantom(0)
    with pytest.raises(ParameterError, match=r"Whole has no name.*srseg\.segmenters"):
        Whole().fit([scan], [labels]).save(tmp_path / "whole.srseg")


def test_not_fitted_and_wrong_parameters():
    scan, labels = phantom(0)
    with pytest.raises(NotFittedError):
        Smooth().predict(scan)
    with pytest.raises(ParameterError, match="sigma is greater than 0"):
        Smooth(sigma=0).fit([scan], [labels])
    with pytest.raises(ParameterError, match="voxel_size"):
        Smooth(voxel_size=-1).fit([scan], [labels])


def test_slices_are_fused_and_blocks_are_not():
    scan, labels = phantom(0)
    ensemble = MultiAxisEnsemble(Sliced(), planes=3).fit([scan], [labels])
    assert ensemble.score([scan], [labels]) > 0.4
    with pytest.raises(UnsupportedEstimatorError, match="Smooth"):
        MultiAxisEnsemble(Smooth()).fit([scan], [labels])


@pytest.mark.parametrize("kind", [Smooth, Whole])
def test_a_prediction_goes_on_and_is_of_one_model(kind, tmp_path):
    scan, labels = phantom(0)
    fitted = kind().fit([scan], [labels])
    sample = read_inputs(scan, voxel_size=5.0).samples[0]
    with fitted.prepare_prediction(sample, scratch=tmp_path / "votes") as prediction:
        prediction.run()
        first = prediction.labels.read()
    with fitted.prepare_prediction(sample, scratch=tmp_path / "votes") as prediction:
        assert prediction.resumes
        prediction.run()
        np.testing.assert_array_equal(prediction.labels.read(), first)
        assert prediction.stages.slabs == 0
    with (
        kind(sigma=2)
        .fit([scan], [labels])
        .prepare_prediction(sample, scratch=tmp_path / "votes") as prediction,
        pytest.raises(StorageError, match="model"),
    ):
        prediction.run()
