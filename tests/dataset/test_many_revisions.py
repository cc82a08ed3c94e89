"""Twenty revisions of a label set: what names it opens no more files than for three."""

import io
from pathlib import Path

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import write_volume


@pytest.fixture
def opened(monkeypatch):
    """Count the files that Python opens; what h5py opens by itself is not among them."""
    seen = []

    def counting(name):
        original = getattr(io, name)

        def open_(file, *args, **kwargs):
            seen.append(Path(file) if not isinstance(file, int) else file)
            return original(file, *args, **kwargs)

        return open_

    monkeypatch.setattr(io, "open", counting("open"))
    return seen


def test_what_names_a_label_set_does_not_open_its_older_revisions(tmp_path, opened):
    shape = (4, 5, 6)
    labels = np.arange(120, dtype=np.uint8).reshape(shape) % 4
    write_volume(tmp_path / "scan.mha", Volume.from_array(labels + 0.5, 5.0))
    file = tmp_path / "labels.mha"
    write_volume(file, Volume.from_array(labels, 5.0, table=DEFAULT_LABELS))
    path = Dataset.create(tmp_path / "study").path
    Dataset(path).add_sample(tmp_path / "scan.mha", name="A", copy=True)

    def count(work):
        opened.clear()
        work()
        return len(opened)

    def look():
        dataset = Dataset(path).select(has="WF")
        dataset["A"].labels("WF").read()
        return dataset["A"].labels_info("WF")

    costs = []
    for number in range(1, 21):
        adding = count(lambda: Dataset(path).add_labels(file, sample="A", label_set="WF"))
        looking = count(look)
        costs.append((adding, looking))
        assert look()["Revision"] == number
    assert min(costs[2]) > 0
    assert costs[-1] == costs[2]
    kept = len(list(path.rglob("*_rev-*_dseg.h5")))
    assert kept == 19
    # a check looks at each once
    assert count(lambda: Dataset(path).check()) < costs[2][1] + 4 * kept
