"""Texts from files: in a cell of a spreadsheet, on a terminal, as a reason."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srseg.texts import csv_text, guarded, reason_of, shown, unguarded

PIECES = st.sampled_from(
    [*"=+-@＝'\" ;,\t\r\n(|!1a.%", "cmd|' /C calc'!A0", "HYPERLINK(A1)", "-3.2", "; ", "n/a"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=8).map("".join))


@given(TEXTS, st.booleans())
@example("'=1", False)
@example("=1;'=A(1", True)
@example("'-3.2", False)
def test_a_text_comes_back_from_its_cell(text, numbers):
    cell = guarded(text, numbers=numbers)
    assert unguarded(cell, numbers=numbers) == text
    assert len(cell) - len(text) <= text.count(";") + text.count(",") + text.count("\t") + 1


@given(TEXTS)
def test_no_part_of_a_cell_is_a_formula_however_it_is_divided(text):
    """What is left to a spreadsheet: numbers, signs alone, and texts that call nothing."""
    cell = guarded(text)
    bare = re.compile(r"""["\s\x00-\x1f]*[=+\-@＝＋－＠]""")
    number = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?\s?%?|[+-]")
    assert not bare.match(cell) or number.fullmatch(cell)
    for sign in ";,\t":
        for part in cell.split(sign)[1:]:
            assert not (bare.match(part) and re.search("[(|!]", re.split("[;,\t]", part)[0]))


@pytest.mark.parametrize(
    "text",
    ["=cmd()", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '"=1',
     "＝1+1", "-", "-a"],
)  # fmt: skip
def test_what_begins_like_a_formula_has_an_apostrophe(text):
    assert guarded(text) == (text if text == "-" else f"'{text}")


@pytest.mark.parametrize(
    "text", ["-3.2", "+5", "-1e-05", "-3,5", "-12.3 %", "-.5", "Mg-5Gd", "a, -b", "3 - 4", "",
             "n/a", '{"box": [1, -2], "limit": "-1 (none)"}']
)  # fmt: skip
def test_what_is_none_stays(text):
    assert guarded(text) == text == unguarded(text)


def test_numbers_stay_texts_where_they_are_read_back():
    assert guarded("-3.2", numbers=True) == "'-3.2"
    assert unguarded("'-3.2", numbers=True) == "-3.2"
    assert unguarded("'-3.2") == "'-3.2"


def test_a_table_holds_numbers_as_numbers():
    text = csv_text(["=h", "n"], [["=1", -3.2], ["a;@A(1)\n", None], ["-3.2", 7]])
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["'=h", "n"], ["'=1", "-3.2"], ["a;'@A(1)\n", ""], ["-3.2", "7"]]


@given(st.text(), st.booleans())
def test_nothing_that_is_shown_steers_a_terminal(text, line):
    given_back = shown(text, line=line)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", given_back)
    given_back.encode()
    if line:
        assert not set(given_back) & {"\n", "\t"}


def test_what_is_shown_is_what_is_there():
    assert shown("Mg-5Gd, 5 µm\n骨 العظم é [red]x[/red]") == "Mg-5Gd, 5 µm\n骨 العظم é [red]x[/red]"
    assert shown("A\x1b]0;title\x07\x9b31m\u202eB") == "A\\u001b]0;title\\u0007\\u009b31m\\u202eB"


SIMPLE = "Exception thrown in SimpleITK ImageFileReader_Execute: /build/ITK/src/itkX.cxx:935:\n"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"{SIMPLE}ITK ERROR: MetaImageIO(0x55ce2c6bac20): File cannot be read: a.mha\nReason: no",
         "File cannot be read: a.mha"),
        (f"{SIMPLE}Failed to allocate memory for image.", "Failed to allocate memory for image."),
        (f"{SIMPLE}itk::ERROR: NrrdImageIO(0x55): Error reading a.nrrd:\n[nrrd] bad\n[nrrd] 4\n",
         "[nrrd] 4"),
        (f"{SIMPLE}sitk::ERROR: Unable to determine reader", "Unable to determine reader"),
        (f"{SIMPLE}ITK ERROR: T(0x5): Could not create\nThe usual cause\n\t\"A\"\n",
         "Could not create"),
        ("one line", "one line"),
        ("\n\ntwo\nlines", "two"),
        ("", "RuntimeError"),
    ],
)  # fmt: skip
def test_a_reason_is_the_library_s_without_its_own_places(said, reason):
    assert reason_of(RuntimeError(said)) == reason


def test_a_damaged_file_is_told_of_without_folders_of_who_built_the_library(tmp_path):
    import numpy as np

    from srseg import Volume
    from srseg.errors import SRSegError
    from srseg.io import open_volume, write_volume

    path = tmp_path / "a.mha"
    write_volume(path, Volume.from_array(np.zeros((3, 4, 5), np.uint16), 5.0))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SRSegError) as caught:
        open_volume(path).read()
    assert "a.mha" in str(caught.value)
    assert not re.search(r"cxx|Exception thrown|0x[0-9a-f]{4}", str(caught.value))
