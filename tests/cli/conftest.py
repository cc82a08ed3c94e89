"""A dataset of small phantoms, and a model trained on it for a moment."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import toy_plugin
from typer.testing import CliRunner

from srseg import Dataset, VolumeSegmenter
from srseg.cli import app
from srseg.io import write_volume
from srseg.phantoms import make_phantom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (40, 44, 42)


@dataclass(frozen=True)
class Tiny:
    """A, B, C and V with WF, C and V with HQ too; a model trained on A and B.

    Parameters
    ----------
    folder : Path
        Holds ``V-scan.h5`` and the like beside the dataset.
    path : Path
        The dataset.
    model : Path
        The model file.
    segmenter : VolumeSegmenter
        The same model.
    """

    folder: Path
    path: Path
    model: Path
    segmenter: VolumeSegmenter


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    dataset = Dataset.create(folder / "study")
    for seed, name in enumerate("ABCV"):
        phantom = make_phantom(seed, SHAPE, beamline=("P05", "I13-2")[seed % 2])
        volumes = {"scan": phantom.scan, "WF": phantom.wf, "HQ": phantom.truth}
        for what, volume in volumes.items():
            write_volume(folder / f"{name}-{what}.h5", volume)
        dataset.add_sample(folder / f"{name}-scan.h5", name=name)
        for label_set in ("WF", "HQ") if name in "CV" else ("WF",):
            dataset.add_labels(folder / f"{name}-{label_set}.h5", sample=name, label_set=label_set)
    segmenter = VolumeSegmenter(
        width=4, depth=2, input_size=32, voxel_size=None, max_iter=40, learning_rate=0.01,
        validation=None, precision="fp32", device="cpu", random_state=0,
    ).fit(dataset.select(name=["A", "B"]))  # fmt: skip
    segmenter.save(folder / "wf.srseg")
    return Tiny(folder, dataset.path, folder / "wf.srseg", segmenter)


@pytest.fixture
def tiny(_tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Give a copy that the test may change; the current folder is an empty one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    copy = shutil.copytree(_tiny.folder, tmp_path / "tiny")
    return Tiny(copy, copy / "study", copy / "wf.srseg", _tiny.segmenter)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command in this process."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of an installed plugin with the segmenters levels and slices."""
    (tmp_path / "site").mkdir()
    folder = toy_plugin.install(tmp_path / "site")
    monkeypatch.syspath_prepend(folder)
    return folder
