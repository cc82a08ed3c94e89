"""Transforms in files, against SimpleITK."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from srseg import Grid, Volume
from srseg.errors import FileFormatError, MissingFileError
from srseg.io import read_transform
from srseg.preprocessing import resample
from srseg.volumes import RigidTransform

CENTRE = (0.03, 0.02, 0.01)
EULER = sitk.Euler3DTransform(CENTRE, 0.3, -0.2, 0.5, (0.004, -0.006, 0.002))


def versor():
    transform = sitk.VersorRigid3DTransform()
    transform.SetRotation((1.0, 2.0, -0.5), 0.7)
    transform.SetTranslation((0.01, 0.0, -0.02))
    transform.SetCenter(CENTRE)
    return transform


def affine():
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(EULER.GetMatrix())
    transform.SetTranslation((0.001, 0.002, 0.003))
    return transform


RIGID = {
    "euler": EULER,
    "versor": versor(),
    "affine": affine(),
    "translation": sitk.TranslationTransform(3, (0.01, -0.02, 0.03)),
    "composite": sitk.CompositeTransform([EULER, sitk.TranslationTransform(3, (0.1, 0, 0))]),
}


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5"])
@pytest.mark.parametrize("name", RIGID)
def test_points_go_where_itk_takes_them_back_from(tmp_path, name, suffix):
    transform = RIGID[name]
    path = tmp_path / f"t{suffix}"
    sitk.WriteTransform(transform, str(path))
    fixed = np.random.default_rng(0).uniform(-0.2, 0.2, (20, 3))  # x, y, z in mm
    moving = np.array([transform.TransformPoint(p) for p in fixed.tolist()])
    found = read_transform(path)
    np.testing.assert_allclose(
        found.apply(moving[:, ::-1] * 1000), fixed[:, ::-1] * 1000, atol=1e-6
    )
    np.testing.assert_allclose(
        read_transform(path, inverse=True).apply(fixed[:, ::-1] * 1000),
        moving[:, ::-1] * 1000, atol=1e-6,
    )  # fmt: skip


def image(array, voxel, origin=(0.0, 0.0, 0.0)):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing([v / 1000 for v in voxel[::-1]])
    made.SetOrigin([v / 1000 for v in origin[::-1]])
    return made


def test_a_moved_label_volume_is_what_simpleitk_resamples(tmp_path):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 4, (8, 9, 10), dtype=np.uint8)
    labels = np.kron(coarse, np.ones((3, 3, 3), np.uint8))
    sitk.WriteTransform(EULER, str(tmp_path / "t.tfm"))
    scan = Grid((20, 30, 25), (2.5, 2.0, 3.0), (5.0, -3.0, 4.0))
    fixed = image(np.zeros(scan.shape, np.uint8), scan.voxel_size, scan.origin)
    moving = image(labels, (2.0, 2.0, 2.0))
    expected = sitk.GetArrayFromImage(
        sitk.Resample(moving, fixed, EULER, sitk.sitkNearestNeighbor, 255)
    )
    volume = Volume.from_array(labels, 2.0).moved(read_transform(tmp_path / "t.tfm"))
    ours = resample(volume, scan, order="nearest").read()
    assert (expected != 255).mean() > 0.3
    # a voxel that lies halfway between two may fall to either side
    assert (ours != expected).mean() < 1e-3


def test_json_takes_labels_to_the_scan(tmp_path):
    told = RigidTransform((1, 0, 0, 0, 0, -1, 0, 1, 0), (10, 20, 30))
    path = tmp_path / "t.json"
    path.write_text(json.dumps(told.to_dict()))
    assert read_transform(path) == told
    assert read_transform(path, inverse=True) == told.inverse()


def scaled():
    transform = sitk.AffineTransform(3)
    transform.Scale((1.0, 1.02, 1.0))
    return transform


def sheared():
    transform = sitk.AffineTransform(3)
    transform.Shear(0, 1, 0.1)
    return transform


def mirrored():
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((1, 0, 0, 0, 1, 0, 0, 0, -1))
    return transform


def bending():
    made = sitk.BSplineTransform(3)
    made.SetTransformDomainMeshSize((2, 2, 2))
    return made


@pytest.mark.parametrize(
    ("transform", "says"),
    [
        (scaled(), r"stretches or shears .* 1\.02, 1, 1 "),
        (sheared(), r"stretches or shears .* 1\.0512"),
        (mirrored(), r"mirrors space \(determinant -1\)"),
        (bending(), "bends space"),
        (sitk.Euler2DTransform(), "of a plane"),
    ],
)
def test_what_is_not_rigid_is_refused_with_numbers(tmp_path, transform, says):
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    with pytest.raises(FileFormatError, match=says) as error:
        read_transform(tmp_path / "t.tfm")
    assert "t.tfm" in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.txt", '(Transform "EulerTransform")\n', "cannot be read as an ITK transform"),
        ("t.json", '{"rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1]}', "translation_um"),
        (
            "t.json",
            '{"rotation": [2, 0, 0, 0, 1, 0, 0, 0, 1], "translation_um": [0, 0, 0]}',
            "no rotation",
        ),
        ("t.xfm", "MNI Transform File", r"no transform that srseg reads; .*\.tfm"),
    ],
)
def test_files_that_hold_none(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=says):
        read_transform(tmp_path / name)
    with pytest.raises(MissingFileError):
        read_transform(tmp_path / "none.tfm")


@pytest.mark.parametrize("number", [".", "1e999", "1.2.3", "-", "1e", "nan"])
def test_numbers_that_itk_would_not_count_are_refused(tmp_path, number):
    text = f"""#Insight Transform File V1.0
#Transform 0
Transform: Euler3DTransform_double_3_3
Parameters: 0 1. .5 -1e-3 +2 {number}
FixedParameters: 0 0 0
"""
    (tmp_path / "t.tfm").write_text(text)
    with pytest.raises(FileFormatError, match=r"t\.tfm has .* where a number is expected"):
        read_transform(tmp_path / "t.tfm")
