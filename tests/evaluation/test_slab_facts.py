"""What tells slabs of a sample in a dataset from others: records, and no voxels."""

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, ArraySample, Dataset, Volume
from srseg.estimators import SamplePart
from srseg.evaluation._compare_numbers import label_set_facts
from srseg.evaluation._job_facts import sample_facts
from srseg.evaluation._slabs import cut_into_slabs
from srseg.io import write_volume

SHAPE = (24, 9, 8)


def labels_of(value):
    return Volume.from_array(np.full(SHAPE, value, np.uint8), 5.0, table=DEFAULT_LABELS)


@pytest.fixture
def dataset(tmp_path):
    grey = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.uint16)
    write_volume(tmp_path / "a.h5", Volume.from_array(grey, 5.0))
    made = Dataset.create(tmp_path / "study")
    made.add_sample(tmp_path / "a.h5", name="A")
    for name, value in (("WF", 1), ("HQ", 2)):
        write_volume(tmp_path / f"{name}.h5", labels_of(value))
        made.add_labels(tmp_path / f"{name}.h5", sample="A", label_set=name)
    return made


def test_nothing_is_read_and_slabs_differ(dataset, monkeypatch):
    slabs = cut_into_slabs(dataset["A"], 2)
    monkeypatch.setattr(Volume, "read", lambda *_: pytest.fail("voxels were read"))
    first, second = map(sample_facts, slabs)
    assert [facts["scan"]["box"][1:] for facts in (first, second)] == [[[0, 9], [0, 8]]] * 2
    assert first["scan"] != second["scan"]
    assert first["labels"] == second["labels"]
    assert first == sample_facts(cut_into_slabs(dataset["A"], 2)[0])


def test_a_part_of_a_part_is_known_by_its_place_in_the_sample(dataset):
    def part(sample, begin, end):
        return SamplePart(sample, (slice(begin, end), slice(0, 9), slice(0, 8)))

    once = sample_facts(part(dataset["A"], 9, 11))["scan"]
    twice = [sample_facts(part(part(dataset["A"], n, 20), 2, 4))["scan"] for n in (7, 8)]
    assert twice[0] == once != twice[1]


def test_changed_labels_are_other_labels(dataset, tmp_path):
    (slab, _) = cut_into_slabs(dataset["A"], 2)
    before = sample_facts(slab)
    write_volume(tmp_path / "new.h5", labels_of(3))
    dataset.add_labels(tmp_path / "new.h5", sample="A", label_set="WF")
    after = sample_facts(slab)
    assert after["labels"] != before["labels"]
    assert after["scan"] == before["scan"]


def test_a_label_set_that_is_not_the_target(dataset):
    (slab, _) = cut_into_slabs(dataset["A"], 2)
    hq = dataset["A"].labels_info("HQ")
    assert label_set_facts(slab, "HQ")["labels"]["Stamp"] == hq["Stamp"]
    assert label_set_facts(slab, "WF")["labels"]["Stamp"] != hq["Stamp"]


def test_of_arrays_the_voxels_tell():
    scan = Volume.from_array(np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), 5.0)
    box = (slice(0, 8), slice(0, 9), slice(0, 8))
    found = []
    for value in (1, 2):
        part = SamplePart(ArraySample("A", scan, {"WF": labels_of(value)}), box)
        found.append(sample_facts(part))
    assert found[0]["labels"] != found[1]["labels"]
    assert found[0]["scan"] == found[1]["scan"]
