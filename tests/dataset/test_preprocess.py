"""Working copies of many samples: failures, several processes, the field of view, scratch space."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from srseg import Dataset, Volume
from srseg.io import write_volume
from srseg.preprocessing import prepare
from srseg.progress import reporting
from srseg.volumes import FieldOfView

if TYPE_CHECKING:
    from pathlib import Path

CLIP = (0.5, 99.9)


def slices(seed: int = 0, edge: int = 80) -> Any:
    """Give slices with a circle outside of which they are 0."""
    y, x = np.ogrid[:edge, :edge]
    inside = (y - edge / 2 + 0.5) ** 2 + (x - edge / 2 + 0.5) ** 2 <= (edge / 2 - 2) ** 2
    grey = np.random.default_rng(seed).normal(30000, 3000, (20, edge, edge))
    return (grey * inside).astype(np.uint16)


def add(dataset: Dataset, folder: Path, name: str, voxels: Any, **more: Any) -> Any:
    write_volume(folder / f"{name}.h5", Volume.from_array(voxels, 2.5))
    return dataset.add_sample(folder / f"{name}.h5", **more)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "d")


def test_what_fails_does_not_stop_the_rest(dataset: Dataset, tmp_path: Path) -> None:
    add(dataset, tmp_path, "A", np.full((8, 8, 8), 7, np.uint16))
    add(dataset, tmp_path, "B", slices(), copy=False)
    add(dataset, tmp_path, "C", slices(1))
    (tmp_path / "B.h5").unlink()
    with pytest.warns(UserWarning, match="sample [AB] could not be prepared") as warned:
        done = dataset.preprocess()
    assert [d.status for d in done] == ["failed", "failed", "made"]
    assert len(warned) == 2
    assert "constant" in done[0].reason
    assert "B.h5" in done[1].reason
    assert done[0].path is None
    assert done[2].n_bytes == 2 * slices().size
    assert done[2].seconds > 0
    # next time only what is missing is tried
    with pytest.warns(UserWarning, match="could not be prepared"):
        assert [d.status for d in dataset.preprocess()] == ["failed", "failed", "kept"]


def test_a_copy_is_kept_while_its_scan_is_away(dataset: Dataset, tmp_path: Path) -> None:
    add(dataset, tmp_path, "A", slices(), copy=False)
    dataset.preprocess()
    (tmp_path / "A.h5").rename(tmp_path / "elsewhere.h5")
    assert [d.status for d in dataset.preprocess()] == ["kept"]
    assert dataset["A"].prepared(5.0, CLIP) is not None


def test_the_copy_is_what_prepare_gives_in_the_field_of_view(
    dataset: Dataset, tmp_path: Path
) -> None:
    sample = add(dataset, tmp_path, "A", slices())
    assert sample.scan.field is not None
    (done,) = dataset.preprocess(scratch=tmp_path)
    kept = sample.prepared(5.0, CLIP)
    assert kept.field == sample.scan.field
    expected = prepare(sample.scan, voxel_size=5.0).read()
    np.testing.assert_array_equal(
        np.rint(kept.read() * 65535), np.rint(expected * np.float32(65535))
    )
    inside = kept.field.inside(kept.grid, tuple(slice(0, n) for n in kept.shape))
    assert (kept.read()[:, ~inside[0]] == 0).all()
    # the zeros outside are no voxels of the scan
    assert json.loads(done.path.with_suffix(".json").read_text())["Normalisation"]["low"] > 20000
    assert {p.name for p in tmp_path.iterdir()} == {"d", "A.h5"}


@pytest.mark.parametrize("change", ["FieldOfView", "Roi"])
def test_a_copy_of_another_region_does_not_fit(
    dataset: Dataset, tmp_path: Path, change: str
) -> None:
    sample = add(dataset, tmp_path, "A", slices())
    dataset.preprocess()
    assert sample.prepared(5.0, CLIP) is not None
    (path,) = dataset.path.glob("sub-*/micr/*_XPCT.json")
    facts = json.loads(path.read_text())
    facts[change] = {
        "FieldOfView": FieldOfView((0, 100, 100), 50).to_dict(),
        "Roi": [[0, 20], [10, 70], [0, 80]],
    }[change]
    path.write_text(json.dumps(facts))
    assert sample.prepared(5.0, CLIP) is None
    assert [d.status for d in dataset.preprocess()] == ["made"]
    assert sample.prepared(5.0, CLIP).grid == sample.scan.grid.resampled(5.0)


def test_a_file_that_another_process_replaced_does_not_fit(
    dataset: Dataset, tmp_path: Path
) -> None:
    sample = add(dataset, tmp_path, "A", slices())
    path = dataset.preprocess()[0].path
    assert path is not None
    sidecar = path.with_suffix(".json").read_text()
    dataset.preprocess(clip=(10, 90))
    # as if it was read just before
    path.with_suffix(".json").write_text(sidecar)
    assert sample.prepared(5.0, CLIP) is None
    assert [d.status for d in dataset.preprocess()] == ["made"]
    assert sample.prepared(5.0, CLIP) is not None


def test_too_little_space_is_found_before_anything_is_read(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(dataset, tmp_path, "A", slices())
    real = shutil.disk_usage
    # enough for the copy or for the scratch file, not for both
    monkeypatch.setattr(shutil, "disk_usage", lambda p: real(p)._replace(free=5 * 10 * 40 * 40))
    with pytest.warns(UserWarning, match="working copy of A needs"):
        (done,) = dataset.preprocess(scratch=tmp_path)
    assert done.status == "failed"


WORKER = """
import json, sys
from srseg import Dataset
done = Dataset(sys.argv[1]).preprocess(voxel_size=5.0)
print(json.dumps({d.sample: d.status for d in done}))
"""


def test_two_processes_share_the_work(dataset: Dataset, tmp_path: Path) -> None:
    names = [f"S{i}" for i in range(8)]
    for i, name in enumerate(names):
        add(dataset, tmp_path, name, slices(i, edge=160))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(dataset.path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [json.loads(p.communicate(timeout=60)[0]) for p in processes]
    for name in names:
        assert sorted(answer[name] for answer in answers) == ["kept", "made"]
        assert dataset[name].prepared(5.0, CLIP) is not None
    assert dataset.check(deep=True) == []


def test_a_sample_that_another_process_prepares_comes_last(
    dataset: Dataset, tmp_path: Path
) -> None:
    for name in "AB":
        add(dataset, tmp_path, name, slices())
    order = []

    class Listener:
        def open(self, description: str, total: float | None) -> Any:
            if description == "resampling":
                order.append("resampled")
            if description.startswith("waiting"):
                order.append("waited")
                holder.terminate()
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def advance(self, amount: float = 1, status: str = "") -> None:
            pass

    hold = (
        "import sys, time; from srseg.storage import locked\n"
        "with locked(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    place = dataset.path / ".srseg" / "prepared-a"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with reporting(Listener()):
        assert [d.status for d in dataset.preprocess()] == ["made", "made"]
    assert order == ["resampled", "waited", "resampled"]
    holder.communicate()
