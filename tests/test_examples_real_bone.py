"""The example on real bone learns, on a scan that lies beside the project."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from srseg import Dataset

EXAMPLE = Path(__file__).parents[1] / "examples" / "real_bone.py"


def test_bone_that_was_not_trained_on(shared_file: Callable[[str], Path], tmp_path: Path) -> None:
    scan = shared_file("bone_uct/lhdl_trabecular_200.tif")
    out = tmp_path / "out"
    # half of the 300 iterations, and one plane for nine: a minute less, and an IoU of 0.96
    command = [sys.executable, EXAMPLE, scan, "--out", out, "--max-iter", "150", "--planes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    dataset = Dataset(out / "dataset")
    sample = dataset["lower"]
    truth, found = (sample.labels(s).read() == 1 for s in ("WF", "srseg-bone/soft3"))
    assert 0.1 < truth.mean() < 0.4
    assert np.sum(truth & found) / np.sum(truth | found) >= 0.90
    assert dataset.check() == []
    lines = done.stdout.splitlines()
    table = next(n for n, line in enumerate(lines) if line.split() == ["method", "bone", "mean"])
    assert lines[table + 1].startswith("1 plane (rc)")
    assert lines[-1] == f"look at {out / 'comparison.png'}"
    height, width, _ = imread(out / "comparison.png").shape
    assert min(height, width) > 300
