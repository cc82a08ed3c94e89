"""Bare voxels: what is not said is asked for, and every byte is accounted for."""

import os
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import FileFormatError, ParameterError, StorageError
from srseg.io import Reading, _source, describe, open_volume, write_volume
from srseg.io._source import Plain

SHAPE = (7, 6, 5)
VOXELS = np.random.default_rng(5).integers(0, 60_000, SHAPE).astype(np.uint16)


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "scan.raw").write_bytes(VOXELS.tobytes())
    return tmp_path / "scan.raw"


@pytest.mark.parametrize("suffix", [".raw", ".vol", ".bin", ".dat", ".RAW"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", ">u2", "<u2", "float32", ">f4", "float64", "int64"]
)
def test_every_type(tmp_path, suffix, dtype):
    voxels = VOXELS.astype(dtype)
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(b"x" * 13 + voxels.tobytes())
    volume = open_volume(path, Reading(shape=SHAPE, dtype=dtype, offset=13), voxel_size=2.4)
    assert volume.dtype == voxels.dtype.newbyteorder("=")
    assert volume.dtype.isnative
    assert volume.grid.voxel_size == (2.4, 2.4, 2.4)
    np.testing.assert_array_equal(volume.read(), voxels)
    np.testing.assert_array_equal(
        volume.source[2:5, 1:6, 0:1], voxels.astype(volume.dtype)[2:5, 1:6, 0:1]
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), voxels)


@settings(deadline=None, max_examples=30)
@given(st.permutations("zyx"), st.lists(st.booleans(), min_size=3, max_size=3), st.data())
def test_axes_in_any_order(tmp_path_factory, letters, turned, data):
    axes = "".join(f"-{a}" if t else a for a, t in zip(letters, turned, strict=True))
    path = tmp_path_factory.mktemp("axes") / "scan.raw"
    path.write_bytes(VOXELS.tobytes())
    reading = Reading(shape=SHAPE, dtype="uint16", axes=axes)
    flips = tuple(n for n, t in enumerate(turned) if t)
    expected = np.flip(VOXELS, flips).transpose([letters.index(a) for a in "zyx"])
    volume = open_volume(path, reading, voxel_size=1)
    assert volume.shape == expected.shape
    region = tuple(
        slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
        for n in expected.shape
    )
    np.testing.assert_array_equal(volume.source[region], expected[region])


class TestWhatIsMissing:
    def test_is_asked_for_by_name_with_a_full_example(self, raw):
        with pytest.raises(
            FileFormatError, match=r"scan\.raw .* not say its shape .* and the type of its voxels"
        ) as caught:
            describe(raw)
        assert (
            "srseg dataset add … scan.raw --shape 2130,2510,2510 --dtype uint16 --voxel-size 2.4um"
            in str(caught.value)
        )

    def test_only_what_is_missing(self, raw):
        with pytest.raises(FileFormatError, match=r"does not say the type of its voxels") as caught:
            describe(raw, Reading(shape=SHAPE))
        assert "--shape 7,6,5 --dtype uint16 " in str(caught.value)
        with pytest.raises(FileFormatError, match=r"does not say its shape \(") as caught:
            describe(raw, Reading(dtype=">u2", offset=4))
        assert "--dtype >u2 --offset 4 " in str(caught.value)

    def test_numbers_in_the_name_are_proposed_where_they_fit(self, raw):
        named = raw.rename(raw.with_name("rec_5x6x7_x.raw"))
        with pytest.raises(FileFormatError, match="--shape 7,6,5 --dtype uint16 "):
            describe(named)
        named = named.rename(raw.with_name("rec_5x6x8.raw"))
        with pytest.raises(FileFormatError, match="--shape 2130,2510,2510 "):
            describe(named)

    def test_voxel_size_too(self, raw):
        with pytest.raises(FileFormatError, match=r"no voxel size in the file; pass --voxel-size"):
            open_volume(raw, Reading(shape=SHAPE, dtype="uint16"))

    def test_a_header_of_another_format_beside_it_is_pointed_to(self, raw):
        raw.with_suffix(".mhd").write_text("ObjectType = Image\n")
        with pytest.raises(FileFormatError, match=r"Or give scan\.mhd, the header that lies"):
            describe(raw)
        assert describe(raw, Reading(shape=SHAPE, dtype="uint16")).shape == SHAPE


class TestSize:
    @pytest.mark.parametrize(
        ("shape", "dtype", "offset", "message"),
        [
            (SHAPE, "uint8", 0, r"420 bytes, .* 7 x 6 x 5 .* uint8 \(1 byte each\) are 210: it is"),
            (SHAPE, "uint8", 0, "210 too long. .* this shape with uint16 or int16"),
            (SHAPE, "float32", 0, "420 too short. .* this shape with uint16 or int16"),
            ((6, 6, 5), "uint16", 0, r"--offset 60, where .*; --shape 7,6,5 \(z of 7\)"),
            ((7, 6, 6), "uint16", 0, r"--shape 7,5,6 \(y of 5\); --shape 7,6,5 \(x"),
            ((7, 7, 7), "uint16", 0, "too short. Check the shape .* may be cut short"),
            (SHAPE, "uint16", 4, "after the first 4 are 424: it is 4 too short"),
        ],
    )
    def test_must_be_exact(self, raw, shape, dtype, offset, message):
        with pytest.raises(FileFormatError, match=message):
            describe(raw, Reading(shape=shape, dtype=dtype, offset=offset))

    def test_absurd_shape_costs_nothing(self, raw):
        with pytest.raises(FileFormatError, match="too short"):
            describe(raw, Reading(shape=(10**9, 10**9, 10**9), dtype="float64"))

    def test_a_hundred_gigabytes_are_read_in_parts(self, tmp_path):
        path = tmp_path / "big.vol"
        shape = (5000, 3200, 3200)
        with path.open("wb") as file:
            file.truncate(2 * 5000 * 3200 * 3200)
            file.seek(2 * (4000 * 3200 * 3200 + 17))
            file.write(np.array([7], ">u2").tobytes())
        volume = open_volume(path, Reading(shape=shape, dtype=">u2"), voxel_size=1)
        block = volume.source[3999:4002, 0:2, 0:3200]
        assert block[1, 0, 17] == 7
        assert block.sum() == 7

    def test_file_that_changes_after_opening(self, raw):
        volume = open_volume(raw, Reading(shape=SHAPE, dtype="uint16"), voxel_size=1)
        volume.source[0:1, 0:1, 0:1]
        raw.write_bytes(VOXELS[:5].tobytes())
        with pytest.raises((FileFormatError, StorageError), match=r"scan\.raw changed"):
            volume.read()

    def test_single_slice(self, raw):
        with pytest.raises(FileFormatError, match="single slice"):
            describe(raw, Reading(shape=(1, 42, 5), dtype="uint16"))


@pytest.mark.parametrize("dtype", ["float", "short", "object", "S4", "bool", "u3", "", "complex64"])
def test_types_that_mean_something_else_elsewhere_are_refused(raw, dtype):
    with pytest.raises(ParameterError, match=r"is not a type of voxels; write one of uint8"):
        describe(raw, Reading(shape=SHAPE, dtype=dtype))


class TestHeaderBeside:
    """ESRF: PyHST and nabu."""

    FLOATS = VOXELS.astype("<f4")
    INFO = (
        "! PyHST_SLAVE VOLUME INFO FILE\nNUM_X =  5\nNUM_Y =  6\nNUM_Z =  7\nvoxelSize =  {size}\n"
        "BYTEORDER = {order}\nValMin =  0.0\nValMax =  1.0\ns1 =  0.0\ns2 =  1.0\nS1 =  0.0\n"
        "S2 =  1.0\n"
    )
    XML = (
        "<!-- PyHST VOLUME XML FILE -->\n<tomodb2>\n<reconstruction>\n<idAc>N_A_</idAc>\n"
        "<listSubVolume>\n<subVolume>\n<SUBVOLUME_NAME>scan.vol</SUBVOLUME_NAME>\n<SIZEX>5</SIZEX>\n"
        "<SIZEY>6</SIZEY>\n<SIZEZ>7</SIZEZ>\n<ORIGINX>1</ORIGINX>\n<ORIGINY>1</ORIGINY>\n"
        "<ORIGINZ>1</ORIGINZ>\n<DIM_REC>210</DIM_REC>\n<BYTE_ORDER>{order}</BYTE_ORDER>\n"
        "<voxelSize>{size}</voxelSize>\n<ValMin>0.0</ValMin>\n</subVolume>\n</listSubVolume>\n"
        "</reconstruction>\n</tomodb2>\n"
    )

    @pytest.mark.parametrize(("suffix", "text"), [(".info", INFO), (".xml", XML)])
    @pytest.mark.parametrize(
        ("order", "dtype"), [("LOWBYTEFIRST", "<f4"), ("HIGHBYTEFIRST", ">f4")]
    )
    def test_says_all(self, tmp_path, suffix, text, order, dtype):
        (tmp_path / "scan.vol").write_bytes(self.FLOATS.astype(dtype).tobytes())
        (tmp_path / f"scan.vol{suffix}").write_text(text.format(size="2.400000", order=order))
        info = describe(tmp_path / "scan.vol")
        assert (info.shape, info.dtype, info.voxel_size) == (SHAPE, np.float32, (2.4, 2.4, 2.4))
        assert info.metadata == {"program": "PyHST"}
        np.testing.assert_array_equal(open_volume(tmp_path / "scan.vol").read(), self.FLOATS)

    def test_type_of_another_file_is_asked_for_unless_it_is_said(self, raw):
        header = raw.with_name("scan.raw.info")
        text = "! PyHST_SLAVE VOLUME INFO FILE\nNUM_X =    5\nNUM_Y =    6\nNUM_Z =    7\n"
        header.write_text(text)
        with pytest.raises(FileFormatError, match=r"does not say the type .*--shape 7,6,5 "):
            describe(raw)
        assert describe(raw, Reading(dtype="uint16")).shape == SHAPE
        header.write_text(text + "DATA_TYPE = uint16\n")
        np.testing.assert_array_equal(open_volume(raw, voxel_size=1).read(), VOXELS)

    @pytest.mark.parametrize("size", ["0.0", "nan", "", "1e300", "-1"])
    def test_no_voxel_size(self, tmp_path, size):
        (tmp_path / "a.vol").write_bytes(self.FLOATS.tobytes())
        (tmp_path / "a.vol.info").write_text(self.INFO.format(size=size, order="LOWBYTEFIRST"))
        assert describe(tmp_path / "a.vol").voxel_size is None

    def test_what_the_user_says_comes_first(self, tmp_path):
        (tmp_path / "a.vol").write_bytes(VOXELS.tobytes())
        (tmp_path / "a.vol.info").write_text(self.INFO.format(size="1", order="LOWBYTEFIRST"))
        info = describe(tmp_path / "a.vol", Reading(shape=(6, 7, 5), dtype="int16"))
        assert (info.shape, info.dtype) == ((6, 7, 5), np.int16)

    def test_file_shorter_than_the_header_says(self, tmp_path):
        (tmp_path / "a.vol").write_bytes(self.FLOATS.tobytes()[:-5])
        (tmp_path / "a.vol.info").write_text(self.INFO.format(size="1", order="LOWBYTEFIRST"))
        with pytest.raises(FileFormatError, match=r"835 bytes, .* are 840: it is 5 too short"):
            describe(tmp_path / "a.vol")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("NUM_X =  5", "NUM_X = many", r"a\.vol\.info: NUM_Z, NUM_Y and NUM_X are 7, 6, many"),
            ("NUM_X =  5", "", "are 7, 6, missing"),
            ("NUM_X =  5", "NUM_X = 99999999", "numbers of voxels"),
            ("LOWBYTEFIRST", "MIDDLE", "BYTEORDER is 'MIDDLE'"),
            ("S2 =  1.0", "DATA_TYPE = PACKED_BINARY", "DATA_TYPE is 'packed_binary'"),
        ],
    )
    def test_wrong_header_is_named(self, tmp_path, old, new, message):
        (tmp_path / "a.vol").write_bytes(self.FLOATS.tobytes())
        text = self.INFO.format(size="1", order="LOWBYTEFIRST")
        (tmp_path / "a.vol.info").write_text(text.replace(old, new))
        with pytest.raises(FileFormatError, match=message):
            describe(tmp_path / "a.vol")

    @pytest.mark.parametrize(
        ("suffix", "text"), [("info", "NUM_X = 5\n" + "\n" * 60_000), ("xml", "<" + "a" * 60_000)]
    )
    def test_long_text_is_no_long_work(self, tmp_path, suffix, text):
        (tmp_path / "a.raw").write_bytes(VOXELS.tobytes())
        (tmp_path / f"a.raw.{suffix}").write_text(text)
        start = time.process_time()
        with pytest.raises(FileFormatError, match=r"NUM_Z|does not say its shape"):
            describe(tmp_path / "a.raw")
        assert time.process_time() - start < 2

    def test_another_text_of_that_name_is_passed_over(self, raw):
        raw.with_name("scan.raw.xml").write_bytes(b"\xff<log><entry>all well</entry></log>")
        assert describe(raw, Reading(shape=SHAPE, dtype="uint16")).shape == SHAPE


def test_is_not_written(tmp_path, make):
    with pytest.raises(FileFormatError, match=r"scan\.raw: .* read but not written"):
        write_volume(tmp_path / "scan.raw", make())


@pytest.mark.parametrize("columns", [5, 9000])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4"])
def test_boxes_are_those_of_the_array(tmp_path, columns, dtype):
    """Long lines of which little is wanted are read in parts, others whole."""
    voxels = np.random.default_rng(0).integers(0, 60000, (4, 6, columns)).astype(dtype)
    path = tmp_path / "scan.raw"
    path.write_bytes(b"head" + voxels.tobytes())
    source = Plain(path, voxels.dtype, 4, voxels.shape)
    for x in (slice(0, columns), slice(2, 4), slice(columns - 1, columns)):
        box = (slice(1, 3), slice(2, 6), x)
        np.testing.assert_array_equal(source.read(box), voxels[box])


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path, monkeypatch):
    """Through a memory map, this would end the process (SIGBUS)."""
    voxels = np.zeros((8, 64, 64), np.uint16)
    path = tmp_path / "scan.raw"
    path.write_bytes(voxels.tobytes())
    source = Plain(path, voxels.dtype, 0, voxels.shape)
    looked = _source._stamp

    def cut(facts):
        os.truncate(path, 9000)
        return looked(facts)

    monkeypatch.setattr(_source, "_stamp", cut)
    with pytest.raises(FileFormatError, match=r"scan.raw is cut short"):
        source.read((slice(0, 8), slice(0, 64), slice(0, 64)))
