"""Working copies and predictions."""

import os

import numpy as np
import pytest
import SimpleITK
import tifffile

from srseg import Dataset, LabelClass, LabelTable
from srseg.errors import DatasetError, LabelError, ParameterError, StorageError, UnknownNameError
from srseg.io import open_volume

CLIP = (0.5, 99.9)


def reference(scan, voxel_size, clip):
    """Resample with SimpleITK, then clip and scale with numpy."""
    grid = scan.grid.resampled(voxel_size)
    image = SimpleITK.GetImageFromArray(scan.read().astype(np.float64))
    image.SetSpacing(scan.grid.voxel_size[::-1])
    image.SetOrigin(scan.grid.origin[::-1])
    resampled = SimpleITK.Resample(
        image, grid.shape[::-1], SimpleITK.Transform(), SimpleITK.sitkLinear, grid.origin[::-1],
        grid.voxel_size[::-1], np.eye(3).ravel(), 0.0, SimpleITK.sitkFloat64,
    )  # fmt: skip
    array = SimpleITK.GetArrayFromImage(resampled)
    low, high = np.percentile(array, clip)
    return np.clip((array - low) / (high - low), 0, 1)


def test_working_copies_are_the_normalised_scan(study):
    done = study[:2].preprocess(voxel_size=5.0)
    assert [d.status for d in done] == ["made", "made"]
    for sample in study[:2]:
        volume = sample.prepared(5.0, CLIP)
        assert volume.normalised
        assert volume.grid == sample.scan.grid.resampled(5.0)
        np.testing.assert_allclose(volume.read(), reference(sample.scan, 5.0, CLIP), atol=2e-5)
    assert study[2].prepared(5.0, CLIP) is None
    assert study.check(deep=True) == []


def test_only_the_same_settings_fit(study):
    study[:1].preprocess(voxel_size=5.0)
    sample = study[0]
    assert sample.prepared(5.0, (0.5, 99.0)) is None
    assert sample.prepared(2.5, CLIP) is None
    assert sample.prepared(None, CLIP) is None
    assert [d.status for d in study[:2].preprocess(voxel_size=5.0)] == ["kept", "made"]
    before = sample.prepared(5.0, CLIP).read()
    assert [d.status for d in study[:1].preprocess(voxel_size=5.0, clip=(2, 98))] == ["made"]
    assert sample.prepared(5.0, CLIP) is None
    assert not np.array_equal(sample.prepared(5.0, (2, 98)).read(), before)
    assert study.check(deep=True) == []


def test_the_scans_own_voxels(study):
    study[:1].preprocess(voxel_size=None)
    assert study[0].prepared(None, CLIP).shape == study[0].scan.shape
    assert study[0].prepared(2.5, CLIP).shape == study[0].scan.shape


def test_the_percentiles_are_stored(study):
    study[:1].preprocess(voxel_size=2.5, clip=(1, 99))
    (sidecar,) = (study.path / "derivatives" / "preprocessed").rglob("*_XPCT.json")
    from srseg.storage import read_json

    stored = read_json(sidecar)
    low, high = np.percentile(study[0].scan.read(), (1, 99))
    assert stored["Normalisation"]["low"] == pytest.approx(low)
    assert stored["Normalisation"]["high"] == pytest.approx(high)


def test_a_reference_that_changed_has_no_working_copy(study, scan_file):
    file = scan_file()
    sample = study.add_sample(file, name="R", copy=False)
    study.select(name="R").preprocess(voxel_size=5.0)
    assert sample.prepared(5.0, CLIP) is not None
    sidecar = study.path / "sub-05" / "micr" / "sub-05_sample-R_XPCT.json"
    os.utime(file, (1, 1))
    # registered anew under the same name, after the old sidecar was removed by hand
    sidecar.unlink()
    again = Dataset(study.path).add_sample(file, name="R", subject="05", copy=False)
    assert again.prepared(5.0, CLIP) is None


def test_a_scan_registered_again_at_another_voxel_size_has_no_working_copy(study, tmp_path):
    file = tmp_path / "scan.tif"
    voxels = np.random.default_rng(5).integers(0, 60000, (8, 10, 12), dtype=np.uint16)
    tifffile.imwrite(file, voxels, photometric="minisblack")
    wrong = study.add_sample(file, name="R", copy=False, voxel_size=1.0)
    study.select(name="R").preprocess(voxel_size=4.0)
    assert wrong.prepared(4.0, CLIP).shape == (2, 2, 3)
    (study.path / "sub-05" / "micr" / "sub-05_sample-R_XPCT.json").unlink()
    right = Dataset(study.path).add_sample(file, name="R", subject="05", copy=False, voxel_size=2.0)
    assert right.prepared(4.0, CLIP) is None
    assert [d.status for d in study.select(name="R").preprocess(voxel_size=4.0)] == ["made"]
    assert right.prepared(4.0, CLIP).shape == (4, 5, 6)


def test_a_prediction_is_a_label_set(study):
    grid = study[0].scan.grid
    labels = np.random.default_rng(0).integers(0, 4, grid.shape, dtype=np.uint8)
    for description in ("soft9", "hard3"):
        with study.create_prediction(
            "A", "wf-1.0", grid, description=description, provenance={"model": "wf.srseg"}
        ) as sink:
            for z in range(0, grid.shape[0], 3):
                sink.labels[z : min(z + 3, grid.shape[0])] = labels[z : z + 3]
    sample = study["A"]
    assert sample.predictions == ["srseg-wf-1.0/hard3", "srseg-wf-1.0/soft9"]
    assert sample.label_sets == ["WF"]
    np.testing.assert_array_equal(sample.labels("srseg-wf-1.0/soft9").read(), labels)
    assert sample.labels_info("srseg-wf-1.0/soft9")["Provenance"] == {"model": "wf.srseg"}
    with pytest.raises(UnknownNameError, match=r"several predictions.*soft9"):
        sample.labels("srseg-wf-1.0")
    with pytest.raises(UnknownNameError, match=r"WF, srseg-wf-1\.0/hard3"):
        sample.labels("srseg-other")
    description = study.path / "derivatives" / "srseg-wf-1.0" / "dataset_description.json"
    assert '"DatasetType": "derivative"' in description.read_text()
    assert study.check(deep=True) == []


def predict(study, value, **more):
    grid = study[0].scan.grid
    with study.create_prediction(
        "A", "m", grid, description="soft3", provenance={}, **more
    ) as sink:
        sink.labels[0 : grid.shape[0]] = np.full(grid.shape, value, np.uint8)


def test_a_prediction_is_kept_unless_it_may_be_replaced(study):
    predict(study, 1)
    with pytest.raises(DatasetError, match="exists already and is kept"):
        predict(study, 2)
    assert study["A"].labels("srseg-m").read().max() == 1
    predict(study, 2, overwrite=True)
    assert study["A"].labels("srseg-m").read().min() == 2
    assert study.check(deep=True) == []


def test_a_prediction_that_fails_leaves_the_old_one(study):
    predict(study, 1)
    grid = study[0].scan.grid

    def fail(stop):
        with study.create_prediction(
            "A", "m", grid, description="soft3", provenance={}, overwrite=True
        ) as sink:
            sink.labels[0:4] = np.zeros((4, 10, 12), np.uint8)
            if stop:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(stop=True)
    with pytest.raises(StorageError, match="never written"):
        fail(stop=False)
    assert study["A"].labels("srseg-m").read().min() == 1
    assert study.check(deep=True) == []


def test_what_cannot_be_predicted_into(study):
    grid = study[0].scan.grid
    table = LabelTable([LabelClass(0, "background"), LabelClass(1, "tooth")])
    with pytest.raises(LabelError, match="the model m has another label table"):
        predict(study, 0, table=table)
    with (
        pytest.raises(ParameterError, match="model name"),
        study.create_prediction("A", "../x", grid, description="soft3", provenance={}),
    ):
        pass
    with (
        pytest.raises(ParameterError, match="description"),
        study.create_prediction("A", "m", grid, description="soft 3", provenance={}),
    ):
        pass


def test_working_copies_are_read_fast(study):
    study[:1].preprocess(voxel_size=2.5)
    (path,) = (study.path / "derivatives" / "preprocessed").rglob("*.h5")
    import h5py

    with h5py.File(path) as file:
        voxels = file["entry/data/data"]
        assert voxels.dtype == np.uint16
        assert voxels.compression is None
    assert open_volume(path).dtype == np.float32
