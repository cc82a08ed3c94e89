"""The implant before implantation: closed forms, and what is refused."""

import builtins
import math
import struct

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Volume
from srseg.errors import (
    FileFormatError,
    LabelError,
    MissingFileError,
    MissingPackageError,
    ParameterError,
)
from srseg.quantification import (
    Roles,
    implant_from_labels,
    implant_from_mesh,
    implant_from_metadata,
)

trimesh = pytest.importorskip("trimesh", reason="trimesh is in the extra 'mesh'")


def ball(n=61, radius=25.0):
    where = np.indices((n, n, n)) - (n - 1) / 2
    return (where**2).sum(0) <= radius**2


@pytest.fixture
def stl(tmp_path):
    """Write a mesh, a cylinder of 2 mm x 5 mm unless told otherwise."""

    def write(mesh=None, name="pin.stl", **how):
        mesh = mesh or trimesh.creation.cylinder(radius=1.0, height=5.0, sections=512)
        path = tmp_path / name
        mesh.export(path, **how)
        return path

    return write


def test_of_metadata_both_are_needed():
    known = implant_from_metadata({"initial_volume_mm3": 9.6, "initial_surface_mm2": 39.5})
    assert (known.volume_mm3, known.surface_mm2, known.source) == (9.6, 39.5, "metadata")
    assert implant_from_metadata({"initial_volume_mm3": 9.6}) is None
    assert implant_from_metadata({}) is None


def test_labels_of_a_ball():
    labels = np.where(ball(), 3, 0).astype(np.uint8)
    labels[ball(radius=26.5) & ~ball()] = 2  # a layer, which is implant too
    found = implant_from_labels(
        Volume.from_array(labels, 40.0, table=DEFAULT_LABELS), name="before.h5"
    )
    radius = 26.5 * 0.040  # mm
    assert found.volume_mm3 == pytest.approx(ball(radius=26.5).sum() * 0.040**3)
    assert found.volume_mm3 == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert found.surface_mm2 == pytest.approx(4 * math.pi * radius**2, rel=0.01)
    assert found.source == "reference labels before.h5, voxel size 40 µm"
    labels[0, 0, :5] = 255
    found = implant_from_labels(Volume.from_array(labels, 40.0, table=DEFAULT_LABELS))
    assert found.source == "reference labels, voxel size 40 µm, 5 voxels unlabelled"


@pytest.mark.parametrize("value", [1, 7, 200])
def test_a_mask_is_implant_where_it_is_not_background(value):
    mask = Volume.from_array(np.where(ball(31, 12.0), value, 0).astype(np.uint8), 10.0)
    found = implant_from_labels(mask)
    assert found.volume_mm3 == pytest.approx(ball(31, 12.0).sum() * 1e-6)


def test_labels_that_cannot_be_a_whole_implant_are_refused():
    def volume(array):
        return Volume.from_array(array.astype(np.uint8), 10.0)

    with pytest.raises(LabelError, match="before: no voxel is implant"):
        implant_from_labels(
            Volume.from_array(np.ones((9, 9, 9), np.uint8), 10.0, table=DEFAULT_LABELS),
            name="before",
        )
    with pytest.raises(LabelError, match="the implant reaches the border"):
        implant_from_labels(volume(ball(31, 15.0)))
    with pytest.raises(LabelError, match="255 means unlabelled; save the mask with 1"):
        implant_from_labels(volume(255 * ball(31, 12.0).astype(int)))
    four = np.zeros((9, 9, 9))
    four[4, 4, 2:6] = 1, 2, 3, 4
    with pytest.raises(LabelError, match="value 4 is not in the label table"):
        implant_from_labels(volume(four))
    four[4, 4, 5] = 0
    with pytest.raises(LabelError, match="no class 'metal'"):
        implant_from_labels(volume(four), roles=Roles(residual="metal"))


@pytest.mark.parametrize("how", [{}, {"file_type": "stl_ascii"}])
def test_the_mesh_of_a_cylinder(stl, how):
    found = implant_from_mesh(stl(**how))
    assert found.volume_mm3 == pytest.approx(math.pi * 5, rel=1e-4)
    assert found.surface_mm2 == pytest.approx(2 * math.pi * (5 + 1), rel=1e-4)
    assert found.source.startswith("mesh pin.stl, in mm, 2 x 2 x 5 mm")


def test_units_of_a_mesh(stl):
    mesh = trimesh.creation.cylinder(radius=1000.0, height=5000.0, sections=512)
    assert implant_from_mesh(stl(mesh), unit="um").volume_mm3 == pytest.approx(15.708, rel=1e-3)
    with pytest.raises(FileFormatError, match=r"in mm, the mesh measures 2000 x 2000 x 5000 mm"):
        implant_from_mesh(stl(mesh))
    with pytest.raises(FileFormatError, match=r"Say the unit of the file \(--mesh-unit um\|mm"):
        implant_from_mesh(stl(), unit="um")
    with pytest.raises(ParameterError, match="'feet' is not one of um, mm"):
        implant_from_mesh(stl(), unit="feet")


def test_a_mesh_turned_inside_out_encloses_the_same(stl):
    mesh = trimesh.creation.box(extents=(2.0, 3.0, 4.0))
    mesh.invert()
    found = implant_from_mesh(stl(mesh))
    assert found.volume_mm3 == pytest.approx(24)
    assert found.surface_mm2 == pytest.approx(52)


def test_separate_bodies_are_told(stl):
    parts = [trimesh.creation.box(extents=(2.0, 3.0, 4.0)) for _ in range(2)]
    parts[1].apply_translation((5.0, 0, 0))
    found = implant_from_mesh(stl(trimesh.util.concatenate(parts)))
    assert found.volume_mm3 == pytest.approx(48)
    assert found.source.endswith("7 x 3 x 4 mm, 2 separate bodies")


def test_open_meshes_are_refused(stl):
    mesh = trimesh.creation.box(extents=(2.0, 3.0, 4.0))
    mesh.update_faces(np.arange(len(mesh.faces)) != 4)
    with pytest.raises(FileFormatError, match=r"not closed \(11 triangles\)"):
        implant_from_mesh(stl(mesh))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"solid nothing\nendsolid nothing\n",
        b"\0" * 80 + struct.pack("<I", 1000) + b"\0" * 50,  # says more triangles than it has
        b"\0" * 80 + struct.pack("<I", 2**32 - 1),
        b"PK\x03\x04 is a zip file" * 20,
        b"\0" * 80 + struct.pack("<I", 1) + struct.pack("<12fH", *([math.nan] * 12), 0),
    ],
)
def test_what_is_no_mesh_is_refused(tmp_path, content):
    path = tmp_path / "bad.stl"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"bad\.stl"):
        implant_from_mesh(path)


def test_missing_and_huge_files(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        implant_from_mesh(tmp_path / "none.stl")
    with (tmp_path / "huge.stl").open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(FileFormatError, match=r"has 300 MiB; meshes of up to 256 MiB"):
        implant_from_mesh(tmp_path / "huge.stl")


def test_without_trimesh_the_extra_is_named(stl, monkeypatch):
    path = stl()
    real = builtins.__import__

    def without(name, *rest):
        if name == "trimesh":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"pip install 'srseg\[mesh\]'"):
        implant_from_mesh(path)
