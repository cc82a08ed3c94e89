"""OME-TIFF for others: its XML, its tiles, its size."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tifffile

from srseg import DEFAULT_LABELS, Grid, LabelClass, LabelTable, Volume
from srseg.io import open_volume, write_volume

NS = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
GRID = Grid((5, 40, 30), (2.4, 1.2, 1.3), (12.5, -3.25, 1000.1))


def pixels(path):
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert not tif.is_imagej
        root = ET.fromstring(tif.ome_metadata)
        series = tif.series[0]
        return root.find("o:Image/o:Pixels", NS), series, tif.is_bigtiff


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.tiff", ".ome.btf"])
def test_scan(tmp_path, suffix):
    voxels = np.random.default_rng(0).integers(0, 60000, GRID.shape, dtype=np.uint16)
    write_volume(tmp_path / f"a{suffix}", Volume(voxels, GRID), provenance={"by": '<&"µ{0}>'})
    found, series, big = pixels(tmp_path / f"a{suffix}")
    assert big == (suffix == ".ome.btf")
    assert [found.get(f"Size{a}") for a in "XYZCT"] == ["30", "40", "5", "1", "1"]
    assert [float(found.get(f"PhysicalSize{a}")) for a in "ZYX"] == [2.4, 1.2, 1.3]
    assert {found.get(f"PhysicalSize{a}Unit") for a in "ZYX"} == {"µm"}
    assert found.find("o:Channel", NS).get("Name") == "X-ray tomography"
    assert series.axes == "ZYX"
    assert series.dataoffset is not None  # one piece, so that it is read by memory map
    np.testing.assert_array_equal(tifffile.imread(tmp_path / f"a{suffix}"), voxels)
    back = open_volume(tmp_path / f"a{suffix}")
    assert back.grid == GRID
    np.testing.assert_array_equal(back.read(), voxels)


def test_labels_are_compressed_and_keep_their_table(tmp_path):
    table = LabelTable([LabelClass(0, "void"), LabelClass(7, 'a<b>&"c" µ', "ab", "#ff00aa")])
    voxels = np.zeros((20, 200, 200), np.uint8)
    voxels[3:9, 50:90] = 7
    volume = Volume.from_array(voxels, 5.0, table=table)
    write_volume(tmp_path / "a.ome.tif", volume)
    found, series, _ = pixels(tmp_path / "a.ome.tif")
    assert series.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert (tmp_path / "a.ome.tif").stat().st_size < voxels.nbytes / 10
    assert found.find("o:Channel", NS).get("Name") == "labels"
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), voxels)
    back = open_volume(tmp_path / "a.ome.tif", labels=True)
    assert back.table.to_dicts() == table.to_dicts()
    np.testing.assert_array_equal(back.read(), voxels)


def test_imagej_sees_spacing_and_keeps_the_table(tmp_path):
    labels = Volume(np.ones(GRID.shape, np.uint8), GRID, table=DEFAULT_LABELS)
    write_volume(tmp_path / "a.tif", labels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        facts = tif.imagej_metadata
        assert (facts["spacing"], facts["unit"], facts["slices"]) == (2.4, "um", 5)
        up, down = tif.pages[0].tags["XResolution"].value
        assert down / up == pytest.approx(1.3)
    assert open_volume(tmp_path / "a.tif", labels=True).table == DEFAULT_LABELS


def test_large_is_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("srseg.io._tiff.write.LARGEST_TIFF", 1000)
    voxels = np.random.default_rng(0).integers(0, 255, GRID.shape, dtype=np.uint8)
    for name in ("a.tif", "a.ome.tif"):
        write_volume(tmp_path / name, Volume(voxels, GRID))
        found, _, big = pixels(tmp_path / name)
        assert big
        assert float(found.get("PhysicalSizeZ")) == 2.4
        np.testing.assert_array_equal(open_volume(tmp_path / name).read(), voxels)
