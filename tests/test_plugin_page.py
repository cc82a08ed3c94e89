"""The segmenter of plugins/README.md: built from the page, installed by pip, checked and used."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

USE = """
    import json
    import sys
    from typer.testing import CliRunner
    from srseg.cli import app

    for line in sys.stdin.read().splitlines():
        result = CliRunner().invoke(app, [*line.split()[1:], "--json"])
        if result.exit_code:
            sys.exit(f"{line}: {result.output}")
        print(json.dumps(json.loads(result.stdout)))
"""


@pytest.fixture(scope="module")
def page():
    text = (ROOT / "plugins" / "README.md").read_text("utf-8")
    section = text.split("## A segmenter")[1].split("\n## ")[0]
    found = dict(re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    assert set(found) == {"python", "toml", "sh"}
    return found


@pytest.fixture(scope="module")
def installed(page, tmp_path_factory):
    """The package of the page, in a folder of its own."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("package", "site"))
    (source / "nearest_mean.py").write_text(page["python"], "utf-8")
    (source / "pyproject.toml").write_text(page["toml"], "utf-8")
    install = page["sh"].splitlines()[0]
    assert install == "pip install ."
    pip = [sys.executable, "-m", *install.split(), "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--no-index", "--disable-pip-version-check", "--target", str(target)],
        cwd=source, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def test_it_is_thirty_lines(page):
    lines = [line for line in page["python"].splitlines() if line.strip()]
    assert len(lines) <= 30


def test_it_is_checked_trained_and_predicts(page, installed, study):
    commands = page["sh"].splitlines()[1:]
    assert [words.split()[1] for words in commands] == ["plugins", "train", "predict"]
    text = "\n".join(commands).replace(" V1", " E")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(USE)], input=text, cwd=study.path,
        capture_output=True, text=True, timeout=400,
        env={**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    checked, trained, _ = (json.loads(line) for line in done.stdout.splitlines())
    assert checked["plugins"][0]["problem"] is None
    assert checked["plugins"][0]["package"] == "nearest-mean"
    assert trained["segmenter"] == "nearest-mean"
    assert (study.path / "mean.srseg").exists()
    (sample,) = study.select(name=["E"])
    assert sample.predictions == ["srseg-mean/volume"]
    assert sample.labels("srseg-mean/volume").shape == (4, 5, 6)  # of 5 µm
