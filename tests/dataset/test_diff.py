"""What changed between label volumes, and the history of a label set."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.metrics import contingency_table

from srseg import DEFAULT_LABELS, Grid, LabelClass, LabelTable, Volume
from srseg.dataset import LabelsDiff, diff_labels, restore_labels
from srseg.errors import GridError, LabelError, ParameterError, UnknownNameError
from srseg.io import create_hdf5, write_volume
from srseg.preprocessing import labels_on_grid

NAMES = (*DEFAULT_LABELS.names, "unlabelled")


def labels(array, voxel_size=5.0, table=DEFAULT_LABELS):
    return Volume.from_array(np.asarray(array, np.uint8), voxel_size, table=table)


def pair(seed=0, shape=(9, 10, 11)):
    rng = np.random.default_rng(seed)
    before = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), shape)
    after = before.copy()
    hit = rng.random(shape) < 0.1
    hit[:2], hit[:, :, 9:] = False, False
    after[hit] = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), hit.sum())
    return before, after


def test_counts_are_those_of_a_contingency_table():
    before, after = pair()
    found = diff_labels(labels(before), labels(after))
    order = np.array([0, 1, 2, 3, 255])
    old, new = np.searchsorted(order, before), np.searchsorted(order, after)
    np.testing.assert_array_equal(found.counts, contingency_table(old, new).toarray())
    assert found.n_changed == (before != after).sum()
    assert found.n_labelled == ((before != 255) | (after != 255)).sum()
    assert found.share == found.n_changed / found.n_labelled
    assert {(a, b): n for a, b, n in found.changes()} == {
        (NAMES[i], NAMES[j]): n
        for i in range(5)
        for j in range(5)
        if i != j and (n := int(((old == i) & (new == j)).sum()))
    }
    assert not found.resampled


def test_iou_counts_where_both_are_labelled():
    before, after = pair(1)
    both = (before != 255) & (after != 255)
    found = diff_labels(labels(before), labels(after))
    for value, name in enumerate(DEFAULT_LABELS.names):
        a, b = before[both] == value, after[both] == value
        assert found.iou[name] == pytest.approx((a & b).sum() / (a | b).sum())


def test_the_box_and_the_slices_of_the_changes():
    before, after = pair(2)
    found = diff_labels(labels(before), labels(after))
    where = np.argwhere(before != after)
    assert found.box == tuple(
        slice(int(a), int(b) + 1) for a, b in zip(where.min(0), where.max(0), strict=True)
    )
    per_slice = (before != after).sum((1, 2))
    np.testing.assert_array_equal(found.per_slice, per_slice)
    most = found.slices(3)
    assert [n for _, n in most] == sorted(per_slice, reverse=True)[:3]
    assert all(per_slice[z] == n for z, n in most)


def test_the_same_labels():
    before, _ = pair()
    found = diff_labels(labels(before), labels(before))
    assert (found.n_changed, found.share, found.box) == (0, 0.0, None)
    assert (found.changes(), found.slices()) == ([], [])
    assert set(found.iou.values()) == {1.0}
    empty = diff_labels(labels(np.zeros((2, 2, 2))), labels(np.zeros((2, 2, 2))))
    assert empty.iou["bone"] is None


def test_another_grid_is_brought_onto_the_first():
    before, after = pair(3, (8, 8, 8))
    fine = Volume(
        np.kron(after, np.ones((2, 2, 2), np.uint8)), labels(before).grid.resampled(2.5),
        table=DEFAULT_LABELS,
    )  # fmt: skip
    found = diff_labels(labels(before), fine)
    assert found.resampled
    assert found.grid == labels(before).grid
    np.testing.assert_array_equal(found.counts, diff_labels(labels(before), labels(after)).counts)
    part = labels(after).cropped((slice(2, 5), slice(0, 8), slice(0, 8)))
    found = diff_labels(labels(before), part)
    expected = np.full((8, 8, 8), 255)
    expected[2:5] = after[2:5]
    np.testing.assert_array_equal(
        found.counts, diff_labels(labels(before), labels(expected)).counts
    )


@pytest.mark.parametrize("n_classes", [2, 15, 16, 40])
def test_tables_of_any_size(n_classes):
    table = LabelTable(LabelClass(3 * i, f"class {i}") for i in range(n_classes))
    rng = np.random.default_rng(0)
    before, after = (3 * rng.integers(0, n_classes, (6, 7, 8)) for _ in range(2))
    found = diff_labels(labels(before, table=table), labels(after, table=table))
    np.testing.assert_array_equal(
        found.counts[:-1, :-1],
        np.histogram2d(before.ravel(), after.ravel(), n_classes, [[0, 3 * n_classes]] * 2)[0],
    )
    assert found.counts.shape == (n_classes + 1, n_classes + 1)


def test_what_cannot_be_compared():
    before, after = pair()
    with pytest.raises(LabelError, match="table="):
        diff_labels(labels(before, table=None), labels(after))
    bad = after.copy()
    bad[-1, -1, -1] = 9
    with pytest.raises(LabelError, match="the second labels: value 9"):
        diff_labels(labels(before), labels(bad))
    far = Volume(after, Grid(after.shape, (5.0,) * 3, (1000, 0, 0)), table=DEFAULT_LABELS)
    with pytest.raises(GridError, match="do not overlap"):
        diff_labels(labels(before), far)


MEMORY = """
import resource, sys
from srseg.dataset import diff_labels
from srseg.io import open_volume
before, after = (open_volume(sys.argv[i], labels=True) for i in (1, 2))
small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert diff_labels(before, after).n_changed == 64 * 1024 * 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - small)
"""


def test_comparing_needs_little_memory(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        with create_hdf5(
            tmp_path / f"{name}.h5", Grid((64 * (3 - value), 1024, 1024), (2.5,) * 3), np.uint8,
            table=DEFAULT_LABELS, compression="bitshuffle",
        ) as sink:  # fmt: skip
            for z in range(0, 64 * (3 - value), 64):
                sink[z : z + 64] = np.full((64, 1024, 1024), 1 if z else value, np.uint8)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "b.h5", tmp_path / "a.h5"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) << 10 < 256 << 20


@pytest.fixture
def three(study, label_file):
    """Three revisions of the label set WF of sample A."""
    arrays = [study["A"].labels().read()]
    for seed in (50, 51):
        study.add_labels(
            label_file(seed=seed), sample="A", label_set="WF", note=f"seed {seed}", manual=True
        )
        arrays.append(study["A"].labels().read())
    return study, arrays


def test_older_revisions_are_read(three):
    study, arrays = three
    for number, array in enumerate(arrays, 1):
        np.testing.assert_array_equal(study["A"].labels("WF", revision=number).read(), array)
        assert study["A"].labels_info("WF", revision=number)["Revision"] == number
    with pytest.raises(UnknownNameError, match="WF of sample A has no revision 4; it has 1, 2, 3"):
        study["A"].labels("WF", revision=4)
    with pytest.raises(UnknownNameError, match="no label set 'HQ' with revisions; it has: WF"):
        study["A"].labels("HQ", revision=1)


def test_the_history_says_who_when_and_what(three):
    study, arrays = three
    found = study["A"].revisions("WF")
    assert [(r.number, r.newest, r.note) for r in found] == [
        (1, False, ""), (2, False, "seed 50"), (3, True, "seed 51"),
    ]  # fmt: skip
    assert [r.manual for r in found] == [None, True, True]
    for one, array in zip(found, arrays, strict=True):
        values, counts = np.unique(array, return_counts=True)
        assert one.voxels == dict(zip(values.tolist(), counts.tolist(), strict=True))
        assert one.source.endswith(".mha")
        assert one.by
        assert one.at.startswith("20")
    assert sorted(r.at for r in found) == [r.at for r in found]


def test_an_old_revision_becomes_the_newest_and_none_is_lost(three):
    study, arrays = three
    restore_labels(study, "A", "WF", 1)
    np.testing.assert_array_equal(study["A"].labels("WF").read(), arrays[0])
    for number, array in enumerate([*arrays, arrays[0]], 1):
        np.testing.assert_array_equal(study["A"].labels("WF", revision=number).read(), array)
    last = study["A"].revisions("WF")[-1]
    assert (last.number, last.restored, last.newest) == (4, 1, True)
    assert last.source == study["A"].revisions("WF")[0].source
    restore_labels(study, "A", "WF", 2, note="it was better")
    last = study["A"].revisions("WF")[-1]
    assert (last.number, last.restored, last.note, last.manual) == (5, 2, "it was better", True)
    with pytest.raises(ParameterError, match=r"revision 5 .* is the newest"):
        restore_labels(study, "A", "WF", 5)
    with pytest.raises(UnknownNameError, match="no revision 9"):
        restore_labels(study, "A", "WF", 9)
    assert study.check(deep=True) == []


def test_two_label_sets_on_different_grids(study, tmp_path):
    grid = study["E"].scan.grid.resampled(5.0)
    array = np.ones(grid.shape, np.uint8)
    write_volume(tmp_path / "coarse.mha", Volume(array, grid, table=DEFAULT_LABELS))
    study.add_labels(tmp_path / "coarse.mha", sample="E", label_set="coarse")
    found = diff_labels(study["E"].labels("WF"), study["E"].labels("coarse"))
    assert isinstance(found, LabelsDiff)
    brought = labels_on_grid(study["E"].labels("coarse"), found.grid).read()
    assert found.n_changed == (study["E"].labels("WF").read() != brought).sum()
