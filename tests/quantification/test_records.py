"""Measures are written and read again without loss."""

import csv
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import FileFormatError
from srseg.quantification import (
    Measure,
    Measures,
    measures_from_json,
    measures_to_json,
    measures_to_tsv,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
entries = st.builds(
    Measure,
    name=st.text(min_size=1),
    title=st.text(),
    value=finite,
    unit=st.sampled_from(["mm³", "%", ""]),
    definition=st.text(),
    settings=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | finite),
    interval=st.none() | st.tuples(finite, finite),
    note=st.text(),
)


@given(st.lists(entries, max_size=3), st.dictionaries(st.text(), st.text() | st.integers()))
def test_json_gives_back_what_was_written(found, facts):
    measures = Measures(tuple(found), facts)
    text = json.dumps(measures_to_json(measures), allow_nan=False)
    assert measures_from_json(json.loads(text)) == measures


def test_what_is_no_number_is_null_and_comes_back():
    one = Measure("pit_depth", "pit depth", math.nan, "µm", "…", interval=(math.inf, 3.0))
    data = measures_to_json(Measures((one,)))
    assert data["measures"][0]["value"] is None
    assert data["measures"][0]["interval"] == [None, 3.0]
    (back,) = measures_from_json(data)
    assert math.isnan(back.value)
    assert not back.known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": None}, "None is no text"),
        ({"value": "3"}, "'3' is no number"),
        ({"value": True}, "True is no number"),
        ({"interval": [1]}, "not enough values"),
        ({"settings": 3}, "not iterable"),
    ],
)
def test_other_json_is_refused_with_the_name_of_its_file(change, message):
    data = measures_to_json(Measures((Measure("a", "A", 1.0, "", "…"),)))
    data["measures"][0] |= change
    with pytest.raises(FileFormatError, match=rf"A\.json are not what srseg wrote .*{message}"):
        measures_from_json(data, where="A.json")
    del data["measures"]
    with pytest.raises(FileFormatError, match="'measures' is missing"):
        measures_from_json(data)


def test_the_table_keeps_every_cell_in_its_place():
    hostile = Measure("a", "tab\there", 1 / 3, "", "line\nbreak", {"neighbourhood": 6}, (0.1, 0.5))
    unknown = Measure("b", "B", math.nan, "%", "…", note="why")
    facts = {"sample": "A", "voxel_size_um": [5.0, 5.0, 2.5], "revision": 2}
    text = measures_to_tsv([Measures((hostile, unknown), facts)])
    first, second = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert first["title"] == "tab here"
    assert first["definition"] == "line break"
    assert float(first["value"]) == pytest.approx(1 / 3, rel=1e-9)
    assert (first["lower"], first["upper"], first["unit"]) == ("0.1", "0.5", "n/a")
    assert json.loads(first["settings"]) == {"neighbourhood": 6}
    assert (first["voxel_size_um"], first["revision"]) == ("5 x 5 x 2.5", "2")
    assert (second["value"], second["lower"], second["label_set"]) == ("n/a", "n/a", "n/a")
    assert second["note"] == "why"
