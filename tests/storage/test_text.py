"""JSON sidecars: written whole, read with the line that is wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import FileFormatError, MissingFileError, ParameterError, StorageError
from srseg.storage import read_json, write_json, write_text

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    leaves | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=30)
@given(data=st.dictionaries(st.text(), values))
def test_round_trip(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_json(path, data)
    assert read_json(path) == data


def test_form(tmp_path):
    write_json(
        tmp_path / "a.json",
        {"z": 1, "a": {"µ": np.float32(0.5)}, "p": Path("x"), "n": np.arange(2)},
    )
    assert (tmp_path / "a.json").read_bytes() == (
        '{\n  "z": 1,\n  "a": {\n    "µ": 0.5\n  },\n  "p": "x",\n  "n": [\n    0,\n    1\n  ]\n}\n'
    ).encode()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused_and_nothing_written(tmp_path, bad):
    with pytest.raises(ParameterError, match=r"a\.json: the data cannot be written as JSON"):
        write_json(tmp_path / "a.json", {"x": bad})
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept(tmp_path):
    write_json(tmp_path / "a.json", {})
    with pytest.raises(StorageError, match="exists already"):
        write_json(tmp_path / "a.json", {"x": 1})
    write_json(tmp_path / "a.json", {"x": 1}, overwrite=True)
    assert read_json(tmp_path / "a.json") == {"x": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("", "is not JSON"),
        ("[1, 2]", "holds a JSON list"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
    ],
)
def test_bad_files(tmp_path, text, message):
    write_text(tmp_path / "a.json", text)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert "a.json" in str(caught.value)


def test_bytes_that_are_not_text_missing_file_and_folder(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(FileFormatError, match="is not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(MissingFileError, match=r"b\.json does not exist"):
        read_json(tmp_path / "b.json")
    with pytest.raises(StorageError, match="cannot read"):
        read_json(tmp_path)


def test_file_far_too_large_for_a_sidecar_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(FileFormatError, match="65 MiB, far more"):
        read_json(tmp_path / "a.json")


def test_text_that_is_not_unicode_is_refused_and_nothing_written(tmp_path):
    name = os.fsdecode(b"2.4\xb5m.tif")
    for write in (
        lambda path: write_text(path, name),
        lambda path: write_json(path, {"file": name}),
    ):
        with pytest.raises(ParameterError, match=r"udcb5.*rename the file"):
            write(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "a.tsv", "µm\n1\n")
    assert (tmp_path / "a.tsv").read_bytes() == b"\xc2\xb5m\n1\n"
    assert json.loads('"\\u00b5m"') == (tmp_path / "a.tsv").read_text("utf-8").splitlines()[0]
