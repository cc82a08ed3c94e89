"""Amira and Avizo files, as these programs and those that imitate them write them."""

import pickle
import time
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srseg.errors import FileFormatError, LabelError
from srseg.io import Reading, describe, open_volume, write_volume
from srseg.io._amira.decode import decode

SHAPE = (4, 5, 6)
RNG = np.random.default_rng(11)
LABELS = np.repeat(RNG.integers(0, 4, (4, 5, 2)), 3, axis=2).astype(np.uint8)

# as Avizo writes a label field: ids are its own numbers, the first material has no colour
MATERIALS = """    Materials {
        Exterior {
            Id 5
        }
        Bone {
            Id 77,
            Color 0.9 0.5 0
        }
        "Degradation layer" {
            Color 0.2 0.4 1,
            Id 3
        }
        Residual material
        {
            Id 4,
            Color 1 0 0.5 0
        }
    }
"""
UNITS = '    Units {\n        Coordinates "µm"\n    }\n'


def run_lengths(data: bytes) -> bytes:
    """Encode as Amira does: runs of three and more, the rest as it is."""
    coded = bytearray()
    at = 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at] and run < 127:
            run += 1
        if run > 2:
            coded += bytes([run, data[at]])
            at += run
            continue
        end = at
        while end < len(data) and end - at < 127 and len(set(data[end : end + 3])) > 1:
            end += 1
        end = max(end, at + 1)
        coded += bytes([128 + end - at]) + data[at:end]
        at = end
    return bytes(coded)


def header(
    kind="byte",
    name="Labels",
    magic="# AmiraMesh BINARY-LITTLE-ENDIAN 2.1",
    lattice="6 5 4",
    parameters=MATERIALS + UNITS,
    box="BoundingBox 10 22 0 9.6 -5 2.2",
    coding="",
    tail="\n# Data section follows\n@1\n",
):
    return (
        f"{magic}\n\n# Dimensions in x-, y-, and z-direction {{\ndefine Lattice {lattice}\n\n"
        f'Parameters {{\n{parameters}    Content "6x5x4 {kind}, uniform coordinates",\n'
        f'    # xmin, xmax "\n    {box},\n    CoordType "uniform"\n}}\n\n'
        f"Lattice {{ {kind} {name} }} @1{coding}\n{tail}"
    )


def save(path, data, encoding="utf-8", **options):
    path.write_bytes(header(**options).encode(encoding) + data)
    return path


def labels(path, **options):
    return save(path, LABELS.tobytes(), **options)


class TestLabels:
    def test_materials_are_the_label_table(self, tmp_path):
        volume = open_volume(labels(tmp_path / "a.am"), labels=True)
        assert [(c.value, c.name, c.color) for c in volume.table] == [
            (0, "Exterior", "#000000"),
            (1, "Bone", "#e68000"),
            (2, "Degradation layer", "#3366ff"),
            (3, "Residual material", "#ff0080"),
        ]
        np.testing.assert_array_equal(volume.read(), LABELS)
        volume.table.check(volume.read())
        assert pickle.loads(pickle.dumps(volume)).table == volume.table

    def test_grid(self, tmp_path):
        grid = open_volume(labels(tmp_path / "a.am"), labels=True).grid
        assert grid.shape == SHAPE
        # from centre to centre: 12 over five steps, not six
        assert grid.voxel_size == (2.4, 2.4, 2.4)
        assert grid.origin == (-5.0, 0.0, 10.0)

    @pytest.mark.parametrize("suffix", [".am", ".labels", ".labels.am", ".AM"])
    @pytest.mark.parametrize("coding", ["", "HxByteRLE", "HxZip"])
    def test_codings(self, tmp_path, suffix, coding):
        coders = {"": bytes, "HxByteRLE": run_lengths, "HxZip": zlib.compress}
        data = coders[coding](LABELS.tobytes())
        said = f"({coding},{len(data)})" if coding else ""
        path = save(tmp_path / f"a{suffix}", data + b"\n", coding=said)
        volume = open_volume(path, labels=True)
        np.testing.assert_array_equal(volume.read(), LABELS)
        np.testing.assert_array_equal(volume.source[1:3, 2:5, 0:4], LABELS[1:3, 2:5, 0:4])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), LABELS)

    def test_labels_with_their_probability(self, tmp_path):
        two = "Lattice { byte Probability } @2\n\n# Data section follows\n@1\n"
        path = save(tmp_path / "a.am", LABELS.tobytes() + b"\n@2\n" + bytes(120), tail=two)
        np.testing.assert_array_equal(open_volume(path, labels=True).read(), LABELS)

    def test_no_materials(self, tmp_path):
        path = labels(tmp_path / "a.am", parameters=UNITS)
        assert describe(path).table is None

    @pytest.mark.parametrize(
        ("materials", "message"),
        [
            ("A {\n}\nA {\n}\n", "the name A stands twice"),
            ("A {\n}\nB {\n}\na {\n}\n", "the key a stands twice"),
            ("".join(f"M{n} {{\n}}\n" for n in range(256)), r"256 materials; .* at most 255"),
        ],
    )
    def test_materials_that_are_no_table(self, tmp_path, materials, message):
        path = labels(tmp_path / "a.am", parameters=f"Materials {{\n{materials}}}\n")
        with pytest.raises(LabelError, match=message):
            describe(path)

    def test_255_materials_leave_255_free(self, tmp_path):
        materials = "".join(f"M{n} {{\n}}\n" for n in range(255))
        path = labels(tmp_path / "a.am", parameters=f"Materials {{\n{materials}}}\n")
        assert describe(path).table.values == tuple(range(255))


class TestScans:
    @pytest.mark.parametrize(
        ("kind", "dtype"),
        [
            ("byte", "u1"), ("sbyte", "i1"), ("short", "i2"), ("ushort", "u2"), ("int", "i4"),
            ("uint", "u4"), ("float", "f4"), ("double", "f8"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize(
        ("magic", "order"),
        [
            ("# AmiraMesh BINARY-LITTLE-ENDIAN 2.1", "<"),
            ("# Avizo BINARY-LITTLE-ENDIAN 3.0", "<"),
            ("# AmiraMesh 3D BINARY 2.0", ">"),
            ("# Avizo 3D ASCII 3.0", "ascii"),
            ("# AmiraMesh ASCII 1.0", "ascii"),
        ],
    )
    def test_types_and_orders(self, tmp_path, kind, dtype, magic, order):
        voxels = (RNG.standard_normal(SHAPE) * 100).astype(dtype)
        if order == "ascii":
            data = "\n".join(repr(v) for v in voxels.ravel().tolist()).encode()
        else:
            data = voxels.astype(order + dtype).tobytes()
        path = save(tmp_path / "a.am", data, kind=kind, name="Data", magic=magic, parameters=UNITS)
        volume = open_volume(path)
        assert volume.dtype == voxels.dtype
        np.testing.assert_array_equal(volume.read(), voxels)
        np.testing.assert_array_equal(volume.source[3:4, 0:2, 5:6], voxels[3:4, 0:2, 5:6])

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_zipped_words(self, tmp_path, order):
        voxels = RNG.integers(0, 60_000, SHAPE).astype(f"{order}u2")
        data = zlib.compress(voxels.tobytes())
        magic = f"# AmiraMesh BINARY{'-LITTLE-ENDIAN' if order == '<' else ''} 2.1"
        path = save(
            tmp_path / "a.am", data, kind="ushort", magic=magic, coding=f"(HxZip,{len(data)})"
        )
        np.testing.assert_array_equal(open_volume(path).read(), voxels)

    def test_declared_in_the_old_ways(self, tmp_path):
        text = header(kind="float", name="ScalarField", parameters=UNITS)
        for new in ("} = @1\n", "} = Linear(@1)\n", "} Constant(@1)\n", "}@1\n"):
            path = tmp_path / "a.am"
            path.write_bytes(text.replace("} @1\n", new).encode() + bytes(480))
            assert describe(path).dtype == np.float32

    def test_written_on_windows(self, tmp_path):
        text = header().replace("\n", "\r\n")
        (tmp_path / "a.am").write_bytes(text.encode() + LABELS.tobytes())
        volume = open_volume(tmp_path / "a.am", labels=True)
        np.testing.assert_array_equal(volume.read(), LABELS)
        assert volume.table.names[3] == "Residual material"


class TestPlace:
    @pytest.mark.parametrize(
        ("units", "factor"),
        [
            ('Units {\n Coordinates "µm"\n }\n', 1),
            ('Units { Coordinates "um" }\n', 1),
            ('Units {\n Coordinates "micron",\n }\n', 1),
            ('Units {\n Coordinates "microns"\n }\n', 1),
            ('Units\n{\n Coordinates "mm"\n }\n', 1e3),
            ("Units {\n Coordinates nm\n }\n", 1e-3),
            ('Units "mm"\n', 1e3),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_units(self, tmp_path, units, factor, encoding):
        info = describe(labels(tmp_path / "a.am", encoding=encoding, parameters=units))
        assert info.voxel_size == pytest.approx((2.4 * factor,) * 3, rel=1e-12)
        assert info.origin == pytest.approx((-5 * factor, 0, 10 * factor), rel=1e-12)
        assert info.metadata == {}

    def test_metres(self, tmp_path):
        box = "BoundingBox 0 1.2e-05 0 9.6e-06 0 7.2e-06"
        path = labels(tmp_path / "a.am", parameters='Units {\nCoordinates "m"\n}\n', box=box)
        assert describe(path).voxel_size == (2.4, 2.4, 2.4)

    @pytest.mark.parametrize(
        ("units", "said"),
        [
            ("", "not stated"),
            # what Avizo notes where nobody chose a unit: voxels of 2.4 m
            ('Units {\n Coordinates "m"\n }\n', "m"),
            ('Units {\n Coordinates "px"\n }\n', "px"),
            ('Units {\n Coordinates "keV"\n }\n', "keV"),
        ],
    )
    def test_no_unit_is_no_voxel_size(self, tmp_path, units, said):
        path = labels(tmp_path / "a.am", parameters=units)
        info = describe(path)
        assert info.voxel_size is None
        assert info.metadata == {
            "bounding_box": [10, 22, 0, 9.6, -5, 2.2],
            "bounding_box_unit": said,
        }
        with pytest.raises(FileFormatError, match="no voxel size in the file"):
            open_volume(path)
        assert open_volume(path, voxel_size=2.4).grid.voxel_size == (2.4, 2.4, 2.4)

    @pytest.mark.parametrize("box", ["", "BoundingBox 0 1 0 1", "BoundingBox a b c d e f"])
    def test_no_box(self, tmp_path, box):
        assert describe(labels(tmp_path / "a.am", box=f"{box} Foo 1")).voxel_size is None

    def test_moved_in_amira(self, tmp_path):
        # a quarter turn about z takes x to y: the rows of the matrix are the images of the axes
        matrix = "TransformationMatrix 0 1 0 0 -1 0 0 0 0 0 1 0 100 200 300 1,\n"
        grid = open_volume(labels(tmp_path / "a.am", parameters=UNITS + matrix)).grid
        position = grid.to_physical(np.array([2, 1, 3]))
        x, y, z = 10 + 3 * 2.4, 0 + 1 * 2.4, -5 + 2 * 2.4
        np.testing.assert_allclose(position, [z + 300, x + 200, -y + 100])

    @pytest.mark.parametrize(
        "numbers", ["2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1", "1 0 0 0 0 1 0 0", "x " * 16]
    )
    def test_scaled_in_amira(self, tmp_path, numbers):
        path = labels(tmp_path / "a.am", parameters=UNITS + f"TransformationMatrix {numbers}\n")
        with pytest.raises(FileFormatError, match="scaled or sheared by its Transf"):
            describe(path)

    @pytest.mark.parametrize("kind", ["rectilinear", "stacked", "curvilinear"])
    def test_other_coordinates(self, tmp_path, kind):
        path = labels(tmp_path / "a.am")
        path.write_bytes(path.read_bytes().replace(b'"uniform"', f'"{kind}"'.encode()))
        with pytest.raises(FileFormatError, match=f"{kind} coordinates"):
            describe(path)

    def test_axes_of_another_order(self, tmp_path):
        volume = open_volume(labels(tmp_path / "a.am"), Reading(axes="xyz"), labels=True)
        np.testing.assert_array_equal(volume.read(), LABELS.transpose(2, 1, 0))
        assert volume.grid.origin == (10.0, 0.0, -5.0)


class TestHostile:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"magic": "# HyperSurface 0.1 BINARY"}, "not an Amira or Avizo file"),
            ({"lattice": "6 5"}, r"Lattice 6 5' is no volume"),
            ({"lattice": "6 5 4 3"}, "is no volume"),
            ({"lattice": "6 5 0"}, "is no volume"),
            ({"lattice": "6 -5 4"}, "is no volume"),
            ({"lattice": "99999999999999999999 5 4"}, "is no volume"),
            (
                {"lattice": "1000000 1000000 1000000"},
                "cut short: .* declares 1,000,000,000,000,000",
            ),
            ({"lattice": "30 4 1"}, "single slice"),
            ({"kind": "float[3]"}, r"holds float\[…\] in each voxel"),
            ({"kind": "complex"}, "holds complex in each voxel"),
            ({"coding": "(HxMagic,12)"}, "compressed with HxMagic"),
            ({"coding": "(HxByteRLE,500)"}, "cut short: its header declares 500 bytes"),
            ({"coding": "(HxZip,500)"}, "cut short"),
            ({"coding": "(HxByteRLE,1)"}, "1 bytes of HxByteRLE cannot be the 120 of its lattice"),
            ({"kind": "ushort", "coding": "(HxByteRLE,9)"}, "ushort compressed with HxByteRLE"),
            ({"parameters": "Materials {\nA {\n"}, "braces or quotes .* do not match"),
            ({"parameters": 'A "\n'}, "braces or quotes"),
            ({"parameters": "{\n}\n"}, "braces or quotes"),
            ({"parameters": "A {\n" * 50 + "}" * 50}, "braces or quotes"),
            ({"tail": ""}, "no block of data"),
            ({"tail": "\n@2\n"}, r"\(@1\) do not come first but @2"),
            ({"tail": "Lattice { byte Other } @2\n@1\n", "name": "Data"}, "declares 2 fields"),
            ({"name": "}"}, r"declares no fields"),
        ],
    )
    def test_is_refused(self, tmp_path, options, message):
        path = labels(tmp_path / "a.am", **options)
        with pytest.raises(FileFormatError, match=message) as caught:
            describe(path)
        assert "a.am" in str(caught.value)

    @pytest.mark.parametrize(
        ("declared", "names"),
        [
            ("define VERTEX 3\ndefine EDGE 2\n", "VERTEX, EDGE"),
            ("nNodes 7\nnTetrahedra 3\n", "Nodes, Tetrahedra"),
            ("", "nothing that srseg knows"),
        ],
    )
    def test_no_lattice(self, tmp_path, declared, names):
        text = f"# Avizo BINARY-LITTLE-ENDIAN 2.1\n{declared}Parameters {{\n}}\n@1\n"
        (tmp_path / "a.am").write_text(text)
        with pytest.raises(FileFormatError, match=f"holds no volume .* but {names};"):
            describe(tmp_path / "a.am")

    @pytest.mark.parametrize("coding", ["", "HxByteRLE", "HxZip", "ascii"])
    def test_cut_short(self, tmp_path, coding):
        coders = {"HxByteRLE": run_lengths, "HxZip": zlib.compress}
        data = LABELS.tobytes()
        options = {}
        if coding == "ascii":
            data = b" ".join(b"%d" % v for v in data)
            options = {"magic": "# AmiraMesh 3D ASCII 2.0"}
        elif coding:
            data = coders[coding](data)
            options = {"coding": f"({coding},{len(data)})"}
        path = save(tmp_path / "a.am", data, **options)
        content = path.read_bytes()
        np.testing.assert_array_equal(open_volume(path).read(), LABELS)
        for keep in [*range(0, len(content) - 2, 31), len(content) - 2]:
            path.write_bytes(content[:keep])
            with pytest.raises(FileFormatError, match=r"a\.am"):
                open_volume(path, voxel_size=1).read()

    @pytest.mark.parametrize(
        ("data", "coding", "message"),
        [
            (run_lengths(bytes(119)), "HxByteRLE", "do not decode to 120 but to 119"),
            (run_lengths(bytes(121)), "HxByteRLE", "to 120 but to more"),
            (b"\x00\x00" * 99, "HxByteRLE", "to 120 but to 0"),
            (b"\x7f\x01" * 99, "HxByteRLE", "to more"),
            (b"\x77\x01\xff" + bytes(80), "HxByteRLE", "to 120 but to more"),
            (zlib.compress(bytes(119)), "HxZip", "to 120 but to 119"),
            (zlib.compress(bytes(10**6)), "HxZip", "to 120 but to more"),
            (
                zlib.compress(LABELS.tobytes())[:-9] + bytes(9),
                "HxZip",
                "cannot be decoded|decode to",
            ),
            (b"garbage that is no deflate", "HxZip", "cannot be decoded"),
            (b"10 " * 119, "ascii", "to 120 but to 119"),
            (b"1 " * 121, "ascii", "to 120 but to more"),
            (b"1 " * 119 + b"x ", "ascii", "not all numbers"),
            (b"1 " * 119 + b"256", "ascii", "not all uint8"),
            (b"1 " * 119 + b"1.5", "ascii", "not all numbers"),
            (b"1" * 5000, "ascii", "not all numbers"),
        ],
    )
    def test_damaged_voxels(self, tmp_path, data, coding, message):
        options = (
            {"magic": "# AmiraMesh 3D ASCII 2.0"}
            if coding == "ascii"
            else {"coding": f"({coding},{len(data)})"}
        )
        volume = open_volume(save(tmp_path / "a.am", data, **options))
        with pytest.raises(FileFormatError, match=rf"a\.am: .*{message}"):
            volume.read()

    def test_too_large_for_the_memory(self, tmp_path, monkeypatch):
        data = run_lengths(LABELS.tobytes())
        volume = open_volume(save(tmp_path / "a.am", data, coding=f"(HxByteRLE,{len(data)})"))
        monkeypatch.setattr("srseg.io._memory.usable_memory", lambda: 299)
        with pytest.raises(FileFormatError, match=r"a\.am is compressed .* decoded whole"):
            volume.read()

    def test_changed_after_opening(self, tmp_path):
        path = labels(tmp_path / "a.am")
        volume = open_volume(path)
        labels(path, lattice="5 6 4")
        with pytest.raises(FileFormatError, match="changed since"):
            volume.read()

    @pytest.mark.parametrize(
        "filling",
        [
            b"\n",
            b" ",
            b"{",
            b'"',
            b"A {\n",
            b"#",
            b"Lattice { a ",
            b"define Lattice ",
            b"n\n",
            b"@1",
        ],
    )
    def test_a_header_of_megabytes_costs_little(self, tmp_path, filling):
        before, after = header().split("    Content")
        for text in (before + "{}" + after, "# Avizo BINARY 1.0\n{}"):
            first, last = text.encode().split(b"{}") if "{}" in text else (text.encode(), b"")
            (tmp_path / "a.am").write_bytes(first + filling * (5_000_000 // len(filling)) + last)
            start = time.process_time()
            with pytest.raises((FileFormatError, LabelError)):
                describe(tmp_path / "a.am")
            assert time.process_time() - start < 5

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=400), st.integers(0, 700), st.integers(0, 60), st.booleans())
    @example(b"", 0, 700, True)
    @example(b"}", 150, 1, False)
    def test_any_bytes(self, tmp_path_factory, junk, at, gone, alone):
        path = tmp_path_factory.mktemp("junk") / "a.am"
        content = header().encode() + LABELS.tobytes()
        path.write_bytes(junk if alone else content[:at] + junk + content[at + gone :])
        try:
            found = open_volume(path, voxel_size=1).read()
        except (FileFormatError, LabelError) as error:
            assert "a.am" in str(error)  # noqa: PT017 - the other outcome is a volume
        else:
            assert found.size > 0


class TestRunLengths:
    @settings(deadline=None, max_examples=100)
    @given(hnp.arrays(np.uint8, st.integers(1, 700), elements=st.sampled_from([0, 1, 2, 255])))
    def test_round_trip(self, tmp_path_factory, voxels):
        path = tmp_path_factory.mktemp("rle") / "a"
        coded = run_lengths(voxels.tobytes())
        path.write_bytes(b"before" + coded + b"after")
        found = decode(path, 6, "HxByteRLE", len(coded), voxels.size, np.dtype(np.uint8))
        np.testing.assert_array_equal(found, voxels)

    def test_speed(self, tmp_path):
        # 64 million voxels of runs of 127: a label field as large as a slab decodes in seconds
        path = tmp_path / "a"
        path.write_bytes(b"\x7f\x01" * (1 << 19))
        start = time.process_time()
        decode(path, 0, "HxByteRLE", 2 << 19, 127 << 19, np.dtype(np.uint8))
        assert time.process_time() - start < 10


def test_is_not_written(tmp_path, make):
    with pytest.raises(FileFormatError, match=r"a\.am: .* read but not written"):
        write_volume(tmp_path / "a.am", make())
