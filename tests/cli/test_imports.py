"""Help is quick because nothing heavy is imported for it."""

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "h5py",
    "SimpleITK",
    "matplotlib",
    "pint",
    "srseg.dataset",
}


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "import srseg"),
        ("-m", "srseg", "--help"),
        ("-m", "srseg", "train", "--help"),
        ("-m", "srseg", "predict", "--help"),
        ("-m", "srseg", "evaluate", "--help"),
        ("-m", "srseg", "demo", "--help"),
        ("-m", "srseg", "dataset", "metadata", "set", "--help"),
    ],
    ids=lambda words: " ".join(words[1:]),
)
def test_a_new_process_loads_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "srseg" in loaded
    assert not HEAVY & loaded
