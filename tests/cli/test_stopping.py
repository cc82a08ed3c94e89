"""SIGTERM ends a command between two steps; Ctrl-C as ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import warm

from srseg import Dataset, Volume
from srseg.io import write_volume

if TYPE_CHECKING:
    from pathlib import Path

# the real command, which says when a slab of it is done, and then takes its time
RUN = """
import sys, time
from srseg import progress
from srseg.cli import app
from srseg.preprocessing import _bands

_bands._MOST_BYTES = _bands._LEAST_BYTES = 100_000
def advance(self, amount=1, status=""):
    print("slab", flush=True)
    time.sleep(0.2)
progress._SilentTask.advance = advance
app(prog_name="srseg")
"""


def start(*arguments: object) -> warm.Popen:
    process = warm.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "slab\n"
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    voxels = np.random.default_rng(0).integers(0, 60000, (96, 96, 96), dtype=np.uint16)
    dataset = Dataset.create(tmp_path / "d")
    for name in "AB":
        write_volume(tmp_path / f"{name}.h5", Volume.from_array(voxels, 2.5))
        dataset.add_sample(tmp_path / f"{name}.h5")
    (tmp_path / "scratch").mkdir()
    return tmp_path


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if ".srseg" not in path.parts}


SAID = """finishing the step at hand
srseg: stopped by SIGTERM; what was finished before is kept: to go on, run the same command again
"""


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGTERM, 143, SAID),
        (signal.SIGINT, 130, "stopped; what was finished before is kept"),
    ],
)
def test_preprocess_stops_and_goes_on(
    folder: Path, number: signal.Signals, code: int, says: str
) -> None:
    before = files(folder)
    command = ("preprocess", "-d", folder / "d", "--scratch", folder / "scratch")
    process = start(*command)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert says in errors
    assert "Traceback" not in errors
    assert len(output.splitlines()) < 5  # at the next slab, not at the end
    # nothing of a copy, of a scratch file or of a temporary file is left
    left = {path for path in files(folder) - before if path.is_file()}
    assert {path.name for path in left} <= {"dataset_description.json", ".bidsignore"}
    done = Dataset(folder / "d").preprocess(scratch=folder / "scratch")
    assert [d.status for d in done] == ["made", "made"]


def test_a_second_sigterm_does_not_wait(folder: Path) -> None:
    code = RUN.replace("time.sleep(0.2)", "time.sleep(60)")
    process = warm.Popen(
        [sys.executable, "-c", code, "preprocess", "-d", str(folder / "d")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert "finishing" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "run the same command again" in errors
