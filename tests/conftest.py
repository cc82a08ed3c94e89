"""Small studies that several rooms test with."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import Browser, started_driver
from hypothesis import HealthCheck, settings
from joblib.externals.loky import get_reusable_executor

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import write_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome

# as the command line does, and before torch is loaded: tests run beside other work
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# the same examples each time: what a change breaks is the change's; a busy machine breaks nothing
settings.register_profile(
    "srseg", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("srseg")

# programs that the tests of the folder start; one needs atheris
collect_ignore_glob = ["fuzz/[!t]*.py"]

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Draw the same in each test, whichever ran before it in the process."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  # what libraries draw from
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def processes() -> Iterator[None]:
    """End joblib's processes after a test: of one that waits for minutes the end may meet work."""
    yield
    get_reusable_executor().shutdown()


@pytest.fixture
def shared_file() -> Callable[[str], Path]:
    """Give a real file that lies beside the project, and skip where it does not."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"the real data are not here: {path.name}")
        return path

    return find


def _write(path: Path, volume: Volume) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, volume, overwrite=True)
    return path


def _scan(path: Path, shape: tuple[int, int, int], voxel_size: float, seed: int) -> Path:
    voxels = np.random.default_rng(seed).integers(0, 60000, shape, dtype=np.uint16)
    return _write(path, Volume.from_array(voxels, voxel_size))


def _labels(path: Path, shape: tuple[int, int, int], voxel_size: float, seed: int) -> Path:
    voxels = np.random.default_rng(seed).integers(0, 4, shape, dtype=np.uint8)
    return _write(path, Volume.from_array(voxels, voxel_size, table=DEFAULT_LABELS))


@pytest.fixture
def scan_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a scan of random grey values."""

    def write(
        name: str = "scan.mha", shape: tuple[int, int, int] = (8, 10, 12),
        voxel_size: float = 2.5, seed: int = 0,
    ) -> Path:  # fmt: skip
        return _scan(tmp_path / name, shape, voxel_size, seed)

    return write


@pytest.fixture
def label_file(tmp_path: Path) -> Callable[..., Path]:
    """Write labels of random classes."""

    def write(
        name: str = "labels.mha", shape: tuple[int, int, int] = (8, 10, 12),
        voxel_size: float = 2.5, seed: int = 0,
    ) -> Path:  # fmt: skip
        return _labels(tmp_path / name, shape, voxel_size, seed)

    return write


@pytest.fixture(scope="session")
def _study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    dataset = Dataset.create(folder / "study")
    shape = (8, 10, 12)
    for i, name in enumerate("ABCDEF"):
        dataset.add_sample(
            _scan(folder / f"{name}.mha", shape, 2.5, i),
            subject=f"{min(i, 3) + 1:02d}",
            metadata={"alloy": "Mg-5Gd" if i % 2 else "Mg-10Gd", "energy_kev": 30.0 + i},
        )
        labels = _labels(folder / f"{name}_wf.mha", shape, 2.5, i)
        dataset.add_labels(labels, sample=name, label_set="WF")
        if name in "EF":
            dataset.add_labels(labels, sample=name, label_set="HQ", manual=True)
    return dataset.path


@pytest.fixture
def study(_study: Path, tmp_path: Path) -> Dataset:
    """Give a copy of a dataset of six samples A to F of four subjects, all WF, and E, F with HQ."""
    return Dataset(shutil.copytree(_study, tmp_path / "study"))


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver = started_driver(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(_driver: Chrome) -> Iterator[Browser]:
    """Give a real browser without a network; nothing may have gone wrong in its console."""
    browser = Browser(_driver)
    yield browser
    assert browser.errors() == []
