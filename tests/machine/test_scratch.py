"""Where large temporary files go."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from srseg.errors import MissingFileError, StorageError
from srseg.machine import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GB = 1 << 30
ENOUGH = 10 * GB


@pytest.fixture
def places(
    tree: Callable[[dict[str, str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Path]:
    """Give folders, of which `small` has little space and `memory` lies in memory."""
    places = {name: tmp_path / name for name in ("large", "small", "memory", "beside")}
    for folder in places.values():
        folder.mkdir()
    tree({"proc/self/mounts": f"/dev/a / ext4 rw 0 0\ntmpfs {places['memory']} tmpfs rw 0 0\n"})
    real = shutil.disk_usage

    def usage(folder: Path) -> object:
        return real(folder)._replace(free=GB if "small" in str(folder) else ENOUGH)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(places["memory"]))
    return places


def test_a_chosen_folder_is_taken_or_refused(places: dict[str, Path]) -> None:
    assert scratch_folder(2 * GB, places["memory"]) == places["memory"]
    with pytest.raises(StorageError, match=r"2\.15 GB of scratch.*small has 1\.07 GB free"):
        scratch_folder(2 * GB, places["small"], otherwise=places["large"])
    with pytest.raises(MissingFileError, match="make it first"):
        scratch_folder(1, places["large"] / "none")


def test_tmpdir_then_slurm_then_beside(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = places["beside"]
    # the system's folder lies in memory
    assert scratch_folder(2 * GB, otherwise=beside) == beside
    monkeypatch.setenv("SLURM_TMPDIR", str(places["large"]))
    assert scratch_folder(2 * GB, otherwise=beside) == places["large"]
    monkeypatch.setenv("TMPDIR", str(places["small"]))
    assert scratch_folder(GB // 2, otherwise=beside) == places["small"]
    assert scratch_folder(2 * GB, otherwise=beside) == places["large"]


def test_no_place_at_all_names_each(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(places["large"] / "none"))
    with pytest.raises(
        StorageError,
        match=r"none does not exist, .*memory has 10.*beside has 10\.74 GB free; .*--scratch",
    ):
        scratch_folder(2 * ENOUGH - 1, otherwise=places["beside"])
