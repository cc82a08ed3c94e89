"""The code of README.md does what it says, on tiny scans."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from srseg import Dataset, VolumeSegmenter
from srseg.cli import app
from srseg.io import write_volume
from srseg.phantoms import make_phantom

PLUGIN = Path(__file__).parents[1]
TEXT = (PLUGIN / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.M | re.S)
SMALL = {"width": 2, "depth": 1, "input_size": 16, "max_iter": 2, "batch_size": 2}


@pytest.fixture
def workshop(tmp_path, tiny):
    made = Dataset.create(tmp_path / "mgbone")
    for seed, name in enumerate(("A", "V1")):
        phantom = make_phantom(seed, (40, 40, 40), voxel_size=5.0)
        write_volume(tmp_path / f"{name}.h5", phantom.scan)
        write_volume(tmp_path / f"{name}wf.h5", phantom.wf)
        made.add_sample(tmp_path / f"{name}.h5", name=name)
        made.add_labels(tmp_path / f"{name}wf.h5", sample=name, label_set="WF")
    VolumeSegmenter(**tiny).fit(made.select(name="A")).save(tmp_path / "wf.srseg")
    shutil.copy(tmp_path / "wf.srseg", made.path)
    return tmp_path


def test_the_code_runs(workshop, monkeypatch):
    assert [language for language, _ in BLOCKS] == ["sh", "sh", "python"]
    for language, code in BLOCKS:
        monkeypatch.chdir(workshop if language == "python" else workshop / "mgbone")
        if language == "python":
            small = ", ".join(f"{name}={value}" for name, value in SMALL.items())
            exec(code.replace("width=32, input_size=384", small), {})
            continue
        for line in code.splitlines():
            words = shlex.split(line)
            if words[0] == "pip":
                assert words[1:] == ["install", f"./plugins/{PLUGIN.name}"]
                continue
            if words[1] == "train":
                at = words.index("max_iter=4000")
                del words[at - 1 : at + 1]
                words += [word for n, v in SMALL.items() for word in ("--set", f"{n}={v}")]
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, f"{line}\n{result.output}"
    assert Dataset(workshop / "mgbone")["V1"].predictions
