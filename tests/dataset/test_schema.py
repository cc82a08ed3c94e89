"""The schema: every key can be used as it says, and its document says the same."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.dataset import (
    METADATA_KEYS,
    SCHEMA_VERSION,
    Dataset,
    SampleMetadata,
    metadata_schema,
    parse_metadata,
    unusual_metadata,
)
from srseg.errors import FileFormatError, ParameterError

TYPES = {"string": str, "number": (int, float), "integer": int}


def documented():
    sections = metadata_schema()["properties"]
    return {
        name: (section, about)
        for section in ("Specimen", "AcquisitionParameters", "ProcessingParameters")
        for name, about in sections[section]["properties"].items()
    }


def test_the_issue_asks_for_these_keys():
    assert {
        "species", "sample_type", "implant_type", "alloy", "time_point", "implantation_days",
        "initial_volume_mm3", "initial_surface_mm2", "facility", "beamline", "beam", "energy_kev",
        "distance_mm", "exposure_ms", "projections", "scintillator", "optics", "camera",
        "camera_pixel_um", "camera_bits", "reconstruction_program", "reconstruction_version",
        "proposal",
    } == set(METADATA_KEYS) == set(SampleMetadata.model_fields)  # fmt: skip


@pytest.mark.parametrize("name", METADATA_KEYS)
def test_a_key_is_as_its_document_says(name):
    key = METADATA_KEYS[name]
    section, about = documented()[name]
    assert (section, about["description"]) == (key.section, key.description)
    assert about.get("unit", "") == key.unit
    assert tuple(about.get("enum", ())) == key.choices
    assert about["examples"] == [key.example]
    assert isinstance(key.example, TYPES[about["type"]])
    assert parse_metadata({name: key.example}) == {name: key.example}
    assert unusual_metadata({name: key.example}) == []
    assert "default" not in about
    assert "anyOf" not in about
    if key.kind == "text":
        return
    # a number that the document refuses is refused, and one that it allows is taken
    high = about["maximum"]
    assert parse_metadata({name: high}) == {name: high}
    assert unusual_metadata({name: high}) != []
    with pytest.raises(ParameterError, match="Is the unit right"):
        parse_metadata({name: high * 10})
    low = about.get("exclusiveMinimum", -1 if about.get("minimum") == 0 else 0)
    for bad in (low, -5, math.nan, math.inf, -math.inf, 10**400):
        with pytest.raises(ParameterError, match=name):
            parse_metadata({name: bad})


def test_the_document_is_json_and_has_the_version_of_the_sidecars():
    schema = json.loads(json.dumps(metadata_schema(), allow_nan=False))
    assert schema["version"] == SCHEMA_VERSION
    assert re.fullmatch(schema["properties"]["SchemaVersion"]["pattern"], SCHEMA_VERSION)
    assert set(documented()) == set(METADATA_KEYS)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ParameterError) as error:
        parse_metadata(
            {"energy": 38, "beam": "pnk", "aloy": "Mg", "camera_bits": 1.5, "extra": {"a b": 1}},
            where="scan.toml",
        )
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("scan.toml: ") for line in lines)
    assert "did you mean 'pink'" in str(error.value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [("Mono", "monochromatic"), ("PINK", "pink"), (" white ", "white")],
)
def test_words_in_upper_case_and_short(value, kept):
    assert parse_metadata({"beam": value}) == {"beam": kept}


@pytest.mark.parametrize("value", [0, "0", "0 weeks", "0.0 day", "0days"])
def test_a_sample_that_was_never_implanted(value):
    assert parse_metadata({"implantation_days": value}) == {"implantation_days": 0.0}


@pytest.mark.parametrize(
    "value", ["0 mm", "0 weeks extra", "-0.1 weeks", "1_0", "٣", "1e999", "0x3"]
)
def test_what_is_no_time(value):
    with pytest.raises(ParameterError, match="implantation_days"):
        parse_metadata({"implantation_days": value})


@given(st.floats(1e-3, 1e5), st.sampled_from([("eV", 1e3), ("keV", 1), ("MeV", 1e-3)]))
def test_the_unit_of_an_energy_is_converted(energy, unit):
    name, factor = unit
    found = parse_metadata({"energy_kev": f"{energy * factor!r} {name}"})
    assert found["energy_kev"] == pytest.approx(energy, rel=1e-11)


@pytest.mark.parametrize("value", ["n/a", "N/A", " n/A "])
def test_not_known_is_no_value(value):
    for values in ({"alloy": value}, {"extra": {"mine": value}}):
        with pytest.raises(ParameterError, match="left out"):
            parse_metadata(values)


def edit(dataset, name, **changes):
    (path,) = dataset.path.glob(f"sub-*/micr/*sample-{name}_XPCT.json")
    sidecar = json.loads(path.read_text("utf-8"))
    sidecar.update(changes)
    path.write_text(json.dumps(sidecar), "utf-8")
    return path


def test_each_sidecar_has_a_version_and_one_without_is_of_the_first(study):
    (path,) = study.path.glob("sub-*/micr/*sample-A_XPCT.json")
    sidecar = json.loads(path.read_text("utf-8"))
    assert sidecar.pop("SchemaVersion") == SCHEMA_VERSION == "1.0"
    before = dict(study["A"].metadata)
    path.write_text(json.dumps(sidecar), "utf-8")
    assert dict(study["A"].metadata) == before
    edit(study, "A", SchemaVersion="1.7")
    assert dict(study["A"].metadata) == before


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("2.0", "newer srseg. Install that one"),
        ("12.3", "newer srseg. Install that one"),
        ("zwei", "a text such as '1.0'"),
        (1.0, "a text such as '1.0'"),
        (None, "a text such as '1.0'"),
    ],
)
def test_a_sidecar_of_another_version_is_refused_by_name(study, version, says):
    path = edit(study, "B", SchemaVersion=version)
    with pytest.raises(FileFormatError, match=says) as error:
        _ = study["B"].metadata
    assert str(path) in str(error.value)
    assert Dataset(study.path)["A"].metadata["alloy"]
