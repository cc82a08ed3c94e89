"""What nnU-Net is given is what was labelled, and what it predicts is what it would say alone."""

import json

import numpy as np
import pytest
import SimpleITK
import torch
from srseg_nnunet import _cases
from srseg_nnunet._cases import describe, write_cases
from srseg_nnunet._package import import_nnunet, quietly
from tiny import phantom

from srseg.training import LabelledVolume


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def volume(seed, weight=1.0):
    scan, labels = phantom(seed)
    image = np.clip((scan - scan.min()) / np.ptp(scan), 0, 1).astype(np.float32)
    return LabelledVolume(image, labels, name=f"S{seed}", weight=weight)


def test_slabs_hold_all_slices_along_each_axis(tmp_path, monkeypatch):
    monkeypatch.setattr(_cases, "_SLAB", 5000)
    first, second = volume(0), volume(1, weight=2.0)
    first.classes[:, :, 3] = 255
    written = write_cases([first, second], 3, 3, 5.0, tmp_path / "raw")
    assert len(written.cases) > 6
    for axis in range(3):
        for number, expected in enumerate((first, second)):
            mine = [c for c in written.cases if c.name.startswith(f"volume{number:04}axis{axis}")]
            parts = [read(tmp_path / "raw" / "imagesTr" / f"{c.name}_0000.mha") for c in mine]
            found = np.moveaxis(np.concatenate(parts), 0, axis)
            np.testing.assert_allclose(found, expected.image + 1, atol=1e-6)
            parts = [read(tmp_path / "raw" / "labelsTr" / f"{c.name}.mha") for c in mine]
            classes = np.where(expected.classes == 255, 3, expected.classes)
            np.testing.assert_array_equal(np.moveaxis(np.concatenate(parts), 0, axis), classes)
            # patches are drawn by slices
            weight = expected.weight * expected.image.shape[axis]
            assert sum(c.weight for c in mine) == weight
    described = json.loads((tmp_path / "raw" / "dataset.json").read_text())
    assert described == written.description
    assert described["labels"]["ignore"] == 3
    values = np.concatenate([first.image.ravel(), second.image.ravel()]) + 1.0
    statistics = written.fingerprint["foreground_intensity_properties_per_channel"]["0"]
    expected = {
        "mean": values.mean(), "std": values.std(),
        "percentile_00_5": values.min(), "percentile_99_5": values.max(),
    }  # fmt: skip
    assert statistics == pytest.approx(expected, rel=1e-5)


def test_slabs_without_labels_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(_cases, "_SLAB", 20 * 28 * 6)
    one = volume(0)
    one.classes[6:] = 255
    written = write_cases([one], 1, 3, None, tmp_path / "raw")
    assert [case.name for case in written.cases] == ["volume0000axis0slice00000"]
    assert "ignore" not in written.description["labels"]
    assert written.description["numTraining"] == 1


@pytest.mark.parametrize("mirror", [False, True])
def test_slices_are_labelled_as_nnunet_labels_a_case(fitted, mirror):
    """Its whole way, from an image to probabilities, with its own preprocessing."""
    parts = import_nnunet()
    image = volume(1).image
    fitted.set_params(mirror=mirror)
    found = fitted.predict_slices_proba(image)
    with quietly():
        predictor = parts.nnUNetPredictor(
            use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False
        )
        manager = parts.PlansManager(fitted.plans_)
        predictor.manual_initialization(
            fitted.network_, manager, manager.get_configuration("2d"),
            [fitted.network_.state_dict()], describe(3), "nnUNetTrainer", (0, 1),
        )  # fmt: skip
        _, expected = predictor.predict_single_npy_array(
            image[None] + 1, {"spacing": [0.005] * 3}, None, None, True
        )
    # its probabilities are rounded
    np.testing.assert_allclose(found.transpose(1, 0, 2, 3), expected, atol=3e-3)
    np.testing.assert_array_equal(image, volume(1).image)
