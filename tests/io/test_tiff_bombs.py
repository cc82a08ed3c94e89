"""Parts of TIFF files that unpack to more than they are declared to hold, in LZW and JPEG."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from srseg.errors import FileFormatError
from srseg.io._tiff.bombs import jpeg_bytes, page_voxels
from srseg.io._unpacked import SPARE

REFUSED = "page 0 unpacks to far more than the 64 bytes that it is declared to hold"


def read(path):
    with tifffile.TiffFile(path) as file:
        return page_voxels(file.pages[0], path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_that_is_larger_than_its_page_is_not_decoded(tmp_path, mode):
    path = tmp_path / "a.tif"
    Image.new(mode, (8, 8)).save(path, compression="jpeg")
    content = path.read_bytes()
    # the frame: marker, length, bits, height, width
    at = content.index(b"\xff\xc0") + 5
    assert content[at : at + 4] == b"\0\x08\0\x08"
    assert jpeg_bytes(content[content.index(b"\xff\xd8") :]) == 64 * len(mode)
    path.write_bytes(content[:at] + b"\xff\xdc\xff\xdc" + content[at + 4 :])
    with pytest.raises(FileFormatError, match=REFUSED.replace("64", str(64 * len(mode)))):
        read(path)


def test_a_jpeg_of_a_size_that_is_said_behind_others_is_found():
    large = b"\xff\xd8\xff\xe0\0\x04\xff\xda\xff\xff\xc2\0\x0b\x0c\1\0\1\0\1\1\x11\0\xff\xda"
    assert jpeg_bytes(large) == 2 << 16
    assert jpeg_bytes(large[:14]) == 0
    assert jpeg_bytes(b"\xff" * 9) == 0


@pytest.mark.parametrize(("n_packed", "limit"), [(20_000, SPARE + 65), (13_000, None)])
def test_lzw_is_unpacked_to_its_limit_only(tmp_path, monkeypatch, n_packed, limit):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, iter([b"\x80" * n_packed]), shape=(8, 8), dtype=np.uint8, compression="zlib"
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(5)
    asked = []

    def lzw_decode(packed, out):
        asked.append(out)
        return bytes(out)

    # what it stands for is installed by those who need it
    decoder = SimpleNamespace(lzw_decode=lzw_decode, bitorder_decode=bytes)
    monkeypatch.setitem(sys.modules, "imagecodecs", decoder)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda _: "read")
    if limit is None:  # cannot unpack to so much
        assert read(path) == "read"
        assert asked == []
        return
    with pytest.raises(FileFormatError, match=REFUSED):
        read(path)
    assert asked == [limit]
