"""``srseg demo``; the study itself is tested in tests/demo."""

import json

import pytest

from srseg.demo import Study


@pytest.fixture(autouse=True)
def _short(monkeypatch, tmp_path):
    study = Study(size=40, n_train=2, n_test=1, width=4, depth=2, input_size=32, max_iter=1)
    monkeypatch.setattr("srseg.demo.Study", lambda: study)
    monkeypatch.chdir(tmp_path)


def test_text_and_where_to_look(run, tmp_path):
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    assert "2 scans with WF labels to train on, 1 to test on, 40³ voxels" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["method", "bone", "DL", "RM", "mean"]
    assert [line[:18].strip() for line in lines[1:7]] == [
        "WF labels", "1 plane (rc)", "mean, 3 planes", "majority, 3 planes", "mean, 9 planes",
        "majority, 9 planes",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[8:12]] == ["quantity", "Degradation", "BIC", "BV/TV"]
    assert "look at srseg-demo/figures/comparison.png" in result.stdout
    assert "to open in a browser: srseg-demo/report.html" in result.stdout
    assert (tmp_path / "srseg-demo" / "report.html").is_file()
    listed = run("dataset", "list", "-d", tmp_path / "srseg-demo/dataset").stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["T1", "T2", "V1"]
    again = run("demo")
    assert again.exit_code == 1
    assert "srseg-demo is not an empty folder; choose another --out" in again.stderr


def test_json_is_one_document(run, tmp_path):
    result = run("demo", "--out", tmp_path / "deep" / "demo", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert list(answer["iou"]) == ["wf", "single", "soft3", "hard3", "soft9", "hard9"]
    assert answer["model"] == str(tmp_path / "deep/demo/model.srseg")
    assert answer["report"] == str(tmp_path / "deep/demo/report.html")
    assert answer["seconds"] > 0


def test_a_bone_mask_that_is_not_there(run, tmp_path):
    result = run("demo", "--out", "demo", "--bone-mask", "none.tif")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none.tif does not exist" in result.stderr
    assert list(tmp_path.iterdir()) == []
