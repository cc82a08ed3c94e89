"""The code of README.md does what it says, on tiny scans; it checks the contracts first."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.cli import app
from srseg.io import write_volume

PLUGIN = Path(__file__).parents[1]
TEXT = (PLUGIN / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.M | re.S)
VNET = {"input_size": "16", "max_iter": "1", "validation": "none"}
FCN = {"--width": "1", "--depth": "2", "--input-size": "16", "--max-iter": "1"}


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    made = Dataset.create(tmp_path / "mgbone")
    for name, label_set in (("A", "WF"), ("B", "HQ")):
        labels = rng.integers(0, 4, (8, 2, 2)).repeat(2, 0).repeat(8, 1).repeat(8, 2)
        scan = (labels + rng.normal(0, 0.1, labels.shape)).astype(np.float32)
        truth = Volume.from_array(labels.astype(np.uint8), 5.0, table=DEFAULT_LABELS)
        write_volume(tmp_path / f"{name}scan.h5", Volume.from_array(scan, 5.0))
        write_volume(tmp_path / f"{name}labels.h5", truth)
        made.add_sample(tmp_path / f"{name}scan.h5", name=name)
        made.add_labels(tmp_path / f"{name}labels.h5", sample=name, label_set=label_set)
    monkeypatch.chdir(tmp_path)
    return made


def small(words):
    """Give a command line for networks that are trained at once."""
    if "--segmenter" in words:
        words = [word for word in words if word != "input_size=64" and word != "--set"]
        return words + [word for n, v in VNET.items() for word in ("--set", f"{n}={v}")]
    for option, value in FCN.items():
        if option in words:
            words[words.index(option) + 1] = value
        elif words[1] == "train":
            words += [option, value]
    return words


def test_the_code_runs(workshop):
    assert [language for language, _ in BLOCKS] == ["sh", "sh", "python", "sh"]
    for language, code in BLOCKS:
        if language == "python":
            code = code.replace("input_size=64", "input_size=16, max_iter=1")
            exec(code.replace('save("vnet', 'save("again'), {})
            continue
        for line in code.splitlines():
            words = shlex.split(line)
            if words[0] == "pip":
                assert words[1:] == ["install", f"./plugins/{PLUGIN.name}"]
                continue
            result = CliRunner().invoke(app, small(words)[1:])
            assert result.exit_code == 0, f"{line}\n{result.output}"
    assert workshop["A"].predictions
