"""Names with the signs of each format come back as they were, and are no more than names."""

from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import tifffile

from srseg import LabelClass, LabelTable, Volume
from srseg.io import open_volume, write_nexus, write_ome_zarr, write_volume

NAMES = (
    'a]]></Description><x y="1">&amp;\'"<!--',
    "b|c:=d\\n\\ {}[]: #%s",
    "=1+1, @SUM(A1);\u00a7 骨",
    "../../etc/passwd; Segment1_Name:=evil = 5",
)
TABLE = LabelTable([LabelClass(i, name, f"{i}<|:=\\") for i, name in enumerate(NAMES)])
VOXELS = (np.arange(60) % 4).astype(np.uint8).reshape(3, 4, 5)
PROVENANCE = {"note": "\n]]>\x00\x1b[31m<script>\r\n# a := b\nElementDataFile = /etc/passwd\n"}


def labels():
    return Volume.from_array(VOXELS, 5.0, table=TABLE)


@pytest.mark.parametrize("ending", [".h5", ".seg.nrrd", ".tif", ".ome.tif", ".ome.btf"])
def test_classes_come_back(tmp_path, ending):
    path = tmp_path / f"a<b>&'=$x$ %s{{0}}{ending}"
    write_volume(path, labels(), provenance=PROVENANCE)
    found = open_volume(path, labels=True)
    assert found.table.names == NAMES
    assert [c.abbreviation for c in found.table] == [c.abbreviation for c in TABLE]
    np.testing.assert_array_equal(found.read(), VOXELS)


@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".nii", ".nii.gz", ".tif", ".ome.tif"])
def test_what_is_told_beside_voxels_is_no_part_of_a_header(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    volume = Volume.from_array(VOXELS.astype(np.uint16), 5.0)
    write_volume(path, volume, provenance=PROVENANCE)
    found = open_volume(path)
    assert found.grid.same_as(volume.grid)
    np.testing.assert_array_equal(found.read(), VOXELS)


def test_ome_xml_is_xml(tmp_path):
    path = tmp_path / "<a>&'\"]]>.ome.tif"
    write_volume(path, labels(), provenance=PROVENANCE)
    with tifffile.TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata)
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert not set(tags) & {"x", "script", "a"}
    assert tags.count("Image") == tags.count("Pixels") == 1
    (image,) = [one for one in root if one.tag.endswith("Image")]
    assert image.get("Name") == "<a>&'\"]]>"


def test_nexus_and_zarr_hold_them_as_texts(tmp_path):
    scan = Volume.from_array(VOXELS.astype(np.uint16), 5.0)
    strange = {"../../x <b>": labels()}
    write_nexus(
        tmp_path / "a.nxs", scan, labels=strange, provenance=PROVENANCE, facts={"sample": NAMES[0]}
    )
    with h5py.File(tmp_path / "a.nxs") as file:
        names = []
        file.visit(names.append)
        (entry,) = [name for name in names if "labels_" in name and "crc" not in name]
        assert file[entry].attrs["label_set"] == "../../x <b>"
        assert not [name for name in names if ".." in name or "<" in name]
    with pytest.raises(ValueError, match=r"\.\./x"):
        write_ome_zarr(tmp_path / "a.ome.zarr", scan, labels={"../x": labels()})
    write_ome_zarr(tmp_path / "a.ome.zarr", scan, labels={"WF": labels()}, provenance=PROVENANCE)
    text = (tmp_path / "a.ome.zarr" / "labels" / "WF" / "zarr.json").read_text("utf-8")
    assert "]]></Description>" in text
    assert {path.name for path in tmp_path.iterdir()} == {"a.nxs", "a.ome.zarr"}


def test_a_name_or_an_abbreviation_with_control_characters_is_refused():
    for one in (LabelClass(1, "a\nb"), LabelClass(1, "a", "b\n"), LabelClass(1, "a", "\x1b[31m")):
        with pytest.raises(ValueError, match="printable"):
            LabelTable([LabelClass(0, "background"), one])
