"""The job array of the documentation: run by bash, with a stand-in for SLURM."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srseg import Dataset

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "cluster.md"

# what SLURM's programs do for the script, and no more
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo "$@" >> requeued
"""
# the real command; where it is told to, the signal comes with its first step
SRSEG = """#!{python}
import os, signal
from srseg import progress
from srseg.cli import app

def advance(self, amount=1, status=""):
    if "STOP" in os.environ:
        os.kill(os.getpid(), signal.SIGUSR1)
progress._SilentTask.advance = advance
app(prog_name="srseg")
"""


def script() -> str:
    found = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (text,) = (block for block in found if "--part" in block)
    return text


@pytest.fixture
def submit(tiny, tmp_path):
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "srseg": SRSEG}.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.format(python=sys.executable) if name == "srseg" else text)
        file.chmod(0o755)
    text = (
        script().replace("/data/wf.srseg", str(tiny.model)).replace("/data/mgbone", str(tiny.path))
    )
    assert text.count(str(tiny.path)) == 1
    Path("job.sh").write_text(text.replace("--planes 9", "--planes 1"))

    def run(task: int, **environment: str) -> subprocess.CompletedProcess[str]:
        slurm = {
            "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": f"7{task}",
        }  # fmt: skip
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "job.sh"], env={**os.environ, **slurm, **environment, "PATH": path},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run


def test_a_job_array_labels_every_sample_once_and_goes_back_when_time_is_up(submit, tiny):
    stopped = submit(1, STOP="1")
    assert stopped.returncode == 75, stopped.stderr
    assert "stopped by SIGUSR1" in stopped.stderr
    assert Path("requeued").read_text() == "requeue 71\n"
    said = []
    for task in (1, 2):
        done = submit(task)
        assert done.returncode == 0, done.stderr
        said += [line for line in done.stdout.splitlines() if ": done, srseg-wf/soft1" in line]
    assert sorted(line[0] for line in said) == ["A", "B", "C", "V"]
    assert Path("requeued").read_text() == "requeue 71\n"
    assert all(sample.predictions == ["srseg-wf/soft1"] for sample in Dataset(tiny.path))


def test_a_failure_is_not_put_back(submit, tiny):
    Dataset(tiny.path)["B"].scan_file.path.unlink()
    done = submit(2)
    assert done.returncode == 1
    assert "sample B failed" in done.stderr
    assert not Path("requeued").exists()
    assert Dataset(tiny.path)["V"].predictions == ["srseg-wf/soft1"]


def test_what_the_script_asks_of_slurm():
    asked = set(re.findall(r"^#SBATCH (--[\w-]+)", script(), re.MULTILINE))
    assert {"--array", "--signal", "--requeue"} <= asked
    assert "#SBATCH --signal=USR1@120" in script()
    assert subprocess.run(["bash", "-n"], input=script(), text=True, check=False).returncode == 0
