"""``srseg report``."""

import json

import pytest
from html_page import PageText


@pytest.fixture
def here(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study.path)
    return study.path


def test_a_page_of_the_samples_that_were_chosen(run, here):
    result = run("report", "E", "--labels", "WF", "--title", "Screw <E>")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("report.html: 1 sample, ")
    assert result.stdout.endswith("MB; open it in a browser\n")
    page = PageText((here / "report.html").read_text("utf-8"))
    assert "Screw <E>" in page.text
    # random labels, the same in both
    assert page.table("label set", "bone") == [["WF", *["100.00"] * 4]]
    assert "Not measured: E HQ, E WF" in page.text


def test_json_is_one_document_and_says_what_is_missing(run, here):
    result = run("report", "--select", "has=HQ", "--out", "two.html", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["report"] == "two.html"
    assert answer["size"] == (here / "two.html").stat().st_size
    assert answer["samples"] == ["E", "F"]
    assert answer["label_sets"] == ["HQ", "WF"]
    assert answer["against"] == "HQ"
    assert answer["notes"] == []


def test_a_page_that_is_there_is_kept(run, here):
    (here / "report.html").write_text("mine")
    result = run("report", "A")
    assert result.exit_code == 1
    assert "report.html exists already; name another file, or say --overwrite" in result.stderr
    assert (here / "report.html").read_text() == "mine"
    assert run("report", "A", "--overwrite", "--max-size", "1MB").exit_code == 0
    assert (here / "report.html").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--out", "report.pdf"], 2, "report.pdf does not end in .html"),
        (["--max-size", "50"], 2, "--max-size"),
        (["--out", "no/report.html"], 1, "the folder no does not exist; make it first"),
        (["--labels", "XX"], 1, "no sample has a label set 'XX'; there are: WF, HQ"),
        (["--against", "XX"], 1, "no sample has a label set 'XX'"),
        (["--model", "none.srseg", "A"], 1, "none.srseg: no such model file"),
        (["Z"], 1, "Z"),
    ],
)
def test_what_cannot_be_is_said(run, here, arguments, code, says):
    result = run("report", *arguments)
    assert result.exit_code == code
    assert says in result.stderr.replace("\n", " ")
    assert result.stdout == ""
    assert not list(here.glob("*.html"))
