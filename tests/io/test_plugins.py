"""A format of another package joins by its entry point alone."""

import sys
import textwrap

import numpy as np
import pytest

from srseg import Grid, Volume
from srseg.errors import FileFormatError
from srseg.io import FORMATS, open_volume, write_volume

PLUGIN = """
    import numpy as np
    from srseg.io import Format, ScanInfo

    class NumPyFormat(Format):
        name = "NumPy"
        suffixes = (".npy",)

        def describe(self, path, reading):
            voxels = np.load(path, mmap_mode="r")
            return ScanInfo(path, self.name, voxels.shape, voxels.dtype, voxel_size=(5.0, 5.0, 5.0))

        def source(self, info):
            return np.load(info.path, mmap_mode="r")

    numpy_format = NumPyFormat()
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "fake_format-1.dist-info").mkdir(parents=True)
    (site / "fake_format.py").write_text(textwrap.dedent(PLUGIN))
    (site / "fake_format-1.dist-info" / "METADATA").write_text("Name: fake-format\nVersion: 1\n")
    (site / "fake_format-1.dist-info" / "entry_points.txt").write_text(
        "[srseg.formats]\nNumPy = fake_format:numpy_format\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "fake_format", raising=False)
    yield
    FORMATS._loaded.clear()


def test_format_of_a_plugin(tmp_path, installed):
    voxels = np.arange(60).reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", voxels)
    volume = open_volume(tmp_path / "a.npy")
    assert volume.grid == Grid((3, 4, 5), (5.0,) * 3)
    np.testing.assert_array_equal(
        volume.read((slice(1, 2), slice(0, 4), slice(2, 5))), voxels[1:2, :, 2:]
    )
    with pytest.raises(
        FileFormatError, match=r"b\.npy: files of this kind are read but not written"
    ):
        write_volume(tmp_path / "b.npy", Volume.from_array(voxels, 5.0))


def test_it_is_loaded_only_for_its_own_files(tmp_path, installed):
    write_volume(tmp_path / "a.mha", Volume.from_array(np.zeros((2, 3, 4), np.uint8), 5.0))
    open_volume(tmp_path / "a.mha")
    (tmp_path / "slices").mkdir()
    with pytest.raises(FileFormatError):
        open_volume(tmp_path / "slices")
    assert "fake_format" not in sys.modules
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    open_volume(tmp_path / "a.npy")
    assert "fake_format" in sys.modules


def test_without_it_the_suffix_is_unknown(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(FileFormatError, match="known formats are"):
        open_volume(tmp_path / "a.npy")
