"""Each parameter of VolumeSegmenter changes what it says, and nothing after ``fit``."""

import joblib
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from srseg import MultiAxisEnsemble, Volume, load_model
from srseg.errors import LabelError, ParameterError


def weights(segmenter):
    return joblib.hash([v.numpy() for v in segmenter.network_.state_dict().values()])


@pytest.mark.parametrize(
    "changes",
    [
        {"source_size": 10},
        {"training_planes": 1},
        {"augment": False},
        {"clip": (5.0, 95.0)},
        {"precision": "bf16"},
        {"batch_size": 3},
        {"learning_rate": 0.1},
        {"recipe": "paper", "validation": 1},
    ],
    ids=str,
)
def test_training_depends_on_it(small, make_sample, changes):
    samples = [make_sample(0), make_sample(1)]
    plain = small(validation=changes.get("validation")).fit(samples)
    assert weights(small(**changes).fit(samples)) != weights(plain)


def test_who_is_held_out_is_drawn_by_random_state(small, make_sample):
    samples = [make_sample(i) for i in range(4)]
    held = {
        tuple(small(validation=1, max_iter=1, random_state=s).fit(samples).validation_samples_)
        for s in range(6)
    }
    assert len(held) > 1


def test_clip_is_used_at_prediction(small, boxes):
    scan, labels = boxes(0)
    scan[0, 0, :5] = 1e6  # an outlier that clipping removes
    segmenter = small(clip=(2.0, 90.0), max_iter=20).fit([scan], [labels])
    low, high = np.percentile(scan.astype(float), (2.0, 90.0))
    image = ((scan.astype(float) - low) / (high - low)).clip(0, 1).astype(np.float32)
    by_hand = segmenter.predict_proba(Volume.from_array(image, 5.0, normalised=True))
    np.testing.assert_allclose(segmenter.predict_proba(scan), by_hand, atol=1e-3)


def test_what_is_set_after_fit_changes_no_prediction_and_no_file(small, boxes, tmp_path):
    scan, labels = boxes(0)
    segmenter = small(max_iter=20).fit([scan], [labels])
    before = segmenter.predict_proba(scan)
    segmenter.set_params(clip=(0, 50), width=16, depth=3, backbone="smp:unet/resnet18")
    np.testing.assert_array_equal(segmenter.predict_proba(scan), before)
    segmenter.save(tmp_path / "m.srseg")
    loaded = load_model(tmp_path / "m.srseg")
    np.testing.assert_array_equal(loaded.predict_proba(scan), before)
    assert (loaded.width, loaded.depth, loaded.clip) == (4, 1, (0.5, 99.9))


def test_the_device_does_not_travel_with_a_model(small, boxes, tmp_path):
    scan, labels = boxes(0)
    segmenter = small().fit([scan], [labels]).set_params(device="cuda:7")
    segmenter.save(tmp_path / "m.srseg")
    assert load_model(tmp_path / "m.srseg").device == "auto"


def test_a_plateau_needs_somebody_to_look_at_it(small, make_sample):
    with pytest.raises(ParameterError, match=r"recipe='paper' .* holds out none of 2"):
        small(recipe="paper", validation="auto").fit([make_sample(0), make_sample(1)])


def test_arrays_without_a_voxel_size_make_a_model_without_one(small, boxes, tmp_path):
    scan, labels = boxes(0)
    segmenter = small(voxel_size=None).fit([scan], [labels])
    segmenter.save(tmp_path / "m.srseg")
    for model in (segmenter, load_model(tmp_path / "m.srseg")):
        assert model.voxel_size_ is None
        assert model.predict(Volume.from_array(scan, 5.0)).grid.voxel_size == (5.0, 5.0, 5.0)


def test_a_truth_of_nothing_is_no_score(trained, make_sample):
    sample = make_sample(0)
    empty = np.full(sample.scan.shape, 255, np.uint8)
    sample.label_sets["WF"] = Volume(empty, sample.scan.grid, table=trained.label_table_)
    with pytest.raises(LabelError, match="WF of sample S0 has no labelled voxel"):
        trained.score(sample)


def test_an_ensemble_of_a_fitted_estimator_says_how_to_keep_it(trained, boxes):
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        MultiAxisEnsemble(trained).predict(boxes(0)[0])


def test_divide_tells_what_fit_does(small, make_sample):
    samples = [make_sample(i) for i in range(4)]
    segmenter = small(validation=2, max_iter=1, random_state=3)
    training, held_out = segmenter.divide(samples)
    segmenter.fit(samples)
    assert [sample.name for sample in training] == segmenter.training_samples_
    assert [sample.name for sample in held_out] == segmenter.validation_samples_
    assert len(held_out) == 2
    with pytest.raises(ParameterError, match="holds out none"):
        small(recipe="paper").divide(samples)
