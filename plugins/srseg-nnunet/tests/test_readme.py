"""The code of README.md does what it says, on tiny scans."""

import re
import shlex
from pathlib import Path

import pytest
from tiny import TINY, phantom
from typer.testing import CliRunner

from srseg import Dataset, LabelTable, Volume
from srseg.cli import app
from srseg.io import write_volume

PLUGIN = Path(__file__).parents[1]
TEXT = (PLUGIN / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.M | re.S)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    table = LabelTable.from_values({0, 1, 2})
    made = Dataset.create(tmp_path / "mgbone", table=table)
    for seed, name in enumerate(("A", "E")):
        scan, labels = phantom(seed)
        write_volume(tmp_path / f"{name}.h5", Volume.from_array(scan, 5.0))
        write_volume(tmp_path / f"{name}wf.h5", Volume.from_array(labels, 5.0, table=table))
        made.add_sample(tmp_path / f"{name}.h5", name=name)
        made.add_labels(tmp_path / f"{name}wf.h5", sample=name, label_set="WF")
    monkeypatch.chdir(tmp_path)
    return made


def test_the_code_runs(workshop):
    assert [language for language, _ in BLOCKS] == ["sh", "python"]
    (scan, labels), (held_out, truth) = phantom(0), phantom(1)
    small = {name: value for name, value in TINY.items() if name != "random_state"}
    for language, code in BLOCKS:
        if language == "python":
            given = ", ".join(f"{name}={value!r}" for name, value in small.items())
            names = {"scans": [scan], "labels": [labels], "held_out": held_out, "truth": truth}
            exec(code.replace('max_iter=5000, device="cuda", n_jobs=8', given), names)
            continue
        for line in code.splitlines():
            words = shlex.split(line)
            if words[0] == "pip":
                assert words[1:] == ["install", f"./plugins/{PLUGIN.name}"]
                continue
            if words[1] == "train":
                at = words.index("max_iter=5000")
                del words[at - 1 : at + 1]
                words += [word for n, v in small.items() for word in ("--set", f"{n}={v}")]
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, f"{line}\n{result.output}"
    assert workshop["E"].predictions
