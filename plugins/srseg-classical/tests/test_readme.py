"""The commands of README.md do what it says, on a tiny scan."""

import re
import shlex
from pathlib import Path

import pytest
import tifffile
from srseg_classical._command import app as complete
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app
from srseg.io import write_volume
from srseg.phantoms import make_phantom

PLUGIN = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", (PLUGIN / "README.md").read_text("utf-8"), re.M | re.S)
SMALL = {"n_estimators=50": "n_estimators=2", "0:1000:10": "0:40:10"}
NETWORK = ["--width", "2", "--depth", "1", "--input-size", "16", "--max-iter", "2"]


@pytest.fixture
def study(tmp_path):
    phantom = make_phantom(0, (40, 40, 40), voxel_size=5.0)
    made = Dataset.create(tmp_path / "study")
    write_volume(tmp_path / "scan.h5", phantom.scan)
    write_volume(tmp_path / "wf.h5", phantom.wf)
    made.add_sample(tmp_path / "scan.h5", name="A")
    made.add_labels(tmp_path / "wf.h5", sample="A", label_set="WF")
    tifffile.imwrite(made.path / "slices.tif", phantom.truth.read()[::10], photometric="minisblack")
    return made


def test_the_commands_run(study, monkeypatch):
    monkeypatch.chdir(study.path)
    assert len(BLOCKS) == 2
    for line in "".join(BLOCKS).splitlines():
        words = [SMALL.get(word, word) for word in shlex.split(line)]
        if words[0] == "pip":
            assert words[1:] == ["install", f"./plugins/{PLUGIN.name}"]
            continue
        if words[:2] == ["srseg", "train"] and "--segmenter" not in words:
            words += NETWORK
        command = {"srseg": app, "srseg-complete": complete}[words[0]]
        result = CliRunner().invoke(command, words[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
    (dense,) = Dataset(study.path).with_target("walker")
    assert (dense.labels().read() != 255).mean() > 0.99
