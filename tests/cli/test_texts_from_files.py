"""What files and their names say is shown on a terminal, and does nothing there."""

import io
import json
import re
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from srseg import Dataset, Volume
from srseg.cli import app
from srseg.cli._progress import progress_bars
from srseg.io import write_volume
from srseg.progress import task

EVIL = "a\x1b]0;title\x07\x1b[2J\x9b31m\u202e[red]x[/red][link=http://a]y[/link]"
SHOWN = "a\\u001b]0;title\\u0007\\u001b[2J\\u009b31m\\u202e[red]x[/red][link=http://a]y[/link]"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert not STEERS.search(result.stdout), words
    assert not STEERS.search(result.stderr), words
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    voxels = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    write_volume(path / "A.mha", Volume.from_array(voxels, 5.0))
    labels = Volume.from_array((voxels % 4).astype(np.uint8), 5.0)
    write_volume(path / "labels.mha", labels)
    dataset = Dataset.create(path / "d")
    dataset.add_sample(path / "A.mha", name="A", copy=True, metadata={"alloy": "[bold]n[/bold]"})
    dataset.add_labels(path / "labels.mha", sample="A", label_set="WF")
    (path / f"{EVIL.replace('/', '|')}.mha").write_bytes(b"none")
    return path


def test_a_file_of_that_name_is_named_as_it_is(folder):
    (path,) = [p for p in folder.iterdir() if p.name.startswith("a\x1b")]
    said = run("dataset", "add", path, "-d", folder / "d")
    assert said.exit_code == 1
    assert SHOWN.replace("/", "|") in said.stderr
    said = run("--debug", "dataset", "add", path, "-d", folder / "d")
    assert said.exit_code == 1
    assert "Traceback (most recent call last)" in said.stderr
    assert SHOWN.replace("/", "|") in said.stderr
    said = run("dataset", "add", path, "-d", folder / "d", "--json")
    assert path.name in json.loads(said.stdout)["error"]
    assert run("predict", path, folder / "A.mha").exit_code
    assert run("predict", "threshold", "A", "--planes", EVIL, "-d", folder / "d").exit_code


SCAN = "sub-01/micr/sub-01_sample-A_XPCT.json"
LABELS = "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.json"


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        (SCAN, "Specimen", {"alloy": EVIL}),
        (SCAN, "Scan", {"File": EVIL}),
        (LABELS, "Author", EVIL),
        (LABELS, "Description", EVIL),
        ("dataset_description.json", "Name", EVIL),
    ],
    ids=["metadata", "file", "author", "note", "dataset"],
)
def test_a_sidecar_that_says_it(folder, file, key, value):
    path = folder / "d" / file
    before = path.read_text("utf-8")
    path.write_text(json.dumps({**json.loads(before), key: value}), "utf-8")
    try:
        for words in (["show", "A"], ["check"], ["show", "A", "--json"]):
            said = run("dataset", *words, "-d", folder / "d")
            if "--json" in words:
                json.loads(said.stdout)
    finally:
        path.write_text(before, "utf-8")


def test_styles_in_metadata_are_letters(folder):
    assert "[bold]n[/bold]" in run("dataset", "show", "A", "-d", folder / "d").stdout


def test_a_bar_shows_it_too(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "300")
    with progress_bars(), task(f"reading {EVIL}", 2) as progress:
        progress.advance(1, EVIL)
    seen = stream.getvalue()
    assert f"reading {SHOWN}" in seen
    assert not re.search("\x1b\\]0|\x1b\\[2J|\x9b31m|\u202e|\x07", seen)
