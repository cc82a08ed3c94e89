"""Metadata with units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.dataset import METADATA_KEYS, parse_metadata, read_metadata_file
from srseg.dataset._layout import require_label, suggest_label
from srseg.dataset._metadata.parse import from_sidecar, to_sections
from srseg.errors import FileFormatError, MissingFileError, ParameterError


def test_a_file_with_units(tmp_path):
    path = tmp_path / "scan.toml"
    path.write_text(
        'alloy = "Mg-10Gd"\nenergy = "0.038 MeV"\ndistance_mm = 50\nimplantation = "8 weeks"\n'
        'initial_surface = "1.2 cm2"\nprojections = 1201\n[extra]\noperator = "B. Z."\nrun = 4\n'
        "day = 2026-01-31\n"
    )
    assert parse_metadata(read_metadata_file(path)) == {
        "alloy": "Mg-10Gd",
        "energy_kev": 38.0,
        "distance_mm": 50.0,
        "implantation_days": 56.0,
        "initial_surface_mm2": 120.0,
        "projections": 1201,
        "operator": "B. Z.",
        "run": 4,
        "day": "2026-01-31",
    }


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"aloy": "Mg"}, "did you mean 'alloy'"),
        ({"energy": 38}, "has no unit"),
        ({"energy": "38"}, "has no unit"),
        ({"energy": "38 mm"}, "not measured in keV"),
        ({"energy_kev": -1}, "positive and finite"),
        ({"energy_kev": float("nan")}, "positive and finite"),
        ({"energy_kev": True}, "must be a number"),
        ({"energy": "38 keV", "energy_kev": 38}, "given twice"),
        ({"projections": 1.5}, "whole number"),
        ({"projections": "many"}, "must be a number"),
        ({"alloy": 5}, "in quotes"),
        ({"alloy": ""}, "printable"),
        ({"alloy": "a\tb"}, "printable"),
        ({"beam": "blue"}, "'monochromatic', 'pink'"),
        ({"extra": {"energy": "x"}}, "means something to srseg"),
        ({"extra": {"a b": "x"}}, "letters, digits"),
        ({"extra": {"a": [1]}}, "must be a text"),
        ({"extra": 3}, "must be a table"),
    ],
)
def test_what_cannot_be_is_refused(values, says):
    with pytest.raises(ParameterError, match=says) as error:
        parse_metadata(values, where="scan.toml")
    assert str(error.value).startswith("scan.toml: ")


def test_files_that_are_none(tmp_path):
    with pytest.raises(MissingFileError, match=r"x\.toml"):
        read_metadata_file(tmp_path / "x.toml")
    for name, content in (("a.toml", b"energy: 3"), ("b.toml", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=name):
            read_metadata_file(tmp_path / name)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_metadata_file(tmp_path)


@given(
    st.dictionaries(
        st.sampled_from([k for k, v in METADATA_KEYS.items() if v.kind == "number"]),
        st.floats(1e-6, 1e4),
    )
)
def test_sections_give_back_what_was_put_in(values):
    parsed = parse_metadata({**values, "extra": {"mine": "yes"}})
    assert parsed == {**values, "mine": "yes"}
    assert from_sidecar(to_sections(parsed)) == parsed


def test_every_key_with_a_unit_has_a_readable_one():
    for key in METADATA_KEYS.values():
        if key.unit:
            assert key.parse(f"3 {key.unit}", where="here") == 3
            assert key.stem != key.name


@given(st.text(max_size=20))
def test_names_are_taken_or_refused_with_a_name_that_is_taken(text):
    suggestion = suggest_label(text)
    if text and suggestion == text:
        assert require_label(text, what="the sample name") == text
        return
    with pytest.raises(ParameterError) as error:
        require_label(text, what="the sample name")
    if suggestion:
        assert repr(suggestion) in str(error.value)
        assert require_label(suggestion, what="the sample name") == suggestion
