"""The smallest study that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from srseg.demo import DemoResult, Study, run_demo

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST = Study(size=40, n_train=2, n_test=1, width=4, depth=2, input_size=32, max_iter=20, seed=1)


@pytest.fixture(scope="session")
def smallest() -> Study:
    """Give the study."""
    return SMALLEST


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """Run it once."""
    out: Path = tmp_path_factory.mktemp("study") / "new" / "demo"
    return run_demo(out, study=SMALLEST)
