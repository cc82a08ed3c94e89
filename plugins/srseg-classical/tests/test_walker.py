"""The random walker: sparse labels become dense ones, in Python and from the command line."""

import json

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve
from srseg_classical import RandomWalkerSegmenter
from srseg_classical._command import app
from srseg_classical._walk import NOBODY, OUTSIDE, walked
from typer.testing import CliRunner

from srseg import Dataset, Volume
from srseg.io import write_volume
from srseg.volumes import ArraySample

from .conftest import blobs, imaged


def solved(values, seeds, n_classes, beta):
    """Solve the walker's equations directly: each voxel is the weighted mean of its neighbours."""
    n = values.size
    index = np.arange(n).reshape(values.shape)
    matrix = sparse.lil_array((n, n))
    for axis in range(3):
        a, b = (index.take(range(k, values.shape[axis] - 1 + k), axis).ravel() for k in (0, 1))
        weights = np.exp(-beta * (values.ravel()[a] - values.ravel()[b]) ** 2)
        matrix[a, b] = weights
        matrix[b, a] = weights
    matrix = matrix.tocsr()
    matrix = sparse.diags_array(matrix.sum(1)).tocsr() - matrix
    free, fixed = (np.flatnonzero(m) for m in (seeds.ravel() < 0, seeds.ravel() >= 0))
    one_hot = np.eye(n_classes)[seeds.ravel()[fixed]]
    found = np.zeros((n, n_classes))
    found[fixed] = one_hot
    found[free] = spsolve(matrix[free][:, free].tocsc(), -(matrix[free][:, fixed] @ one_hot))
    return found.T.reshape(n_classes, *values.shape)


def test_walkers_solve_their_equations():
    rng = np.random.default_rng(0)
    values = rng.random((6, 7, 8)).astype(np.float32)
    seeds = np.full(values.shape, NOBODY, np.int8)
    seeds[0, 0], seeds[5, 6], seeds[2, 3] = 0, 3, 1  # nowhere class 2
    found = walked(values, seeds, 4, 5.0)
    np.testing.assert_allclose(found, solved(values, seeds, 4, 5.0), atol=0.02)
    # beta means the same whatever else is in a block
    flat = np.zeros((4, 7, 8), np.float32)
    more = walked(
        np.concatenate([values, flat + 9]),
        np.concatenate([seeds, np.full_like(seeds, OUTSIDE)[:4]]),
        4,
        5.0,
    )
    np.testing.assert_allclose(more[:, :6], found, atol=0.02)
    assert not more[:, 6:].any()


def test_seeds_that_no_walker_comes_to_do_not_count():
    seeds = np.array([0, OUTSIDE, 2, NOBODY, 1, OUTSIDE, 2], np.int8).reshape(7, 1, 1)
    values = np.array([0, 0, 0.1, 0.2, 0.3, 0, 0], np.float32).reshape(7, 1, 1)
    found = walked(values, seeds, 3, 10.0)
    np.testing.assert_allclose(found[:, 3, 0, 0], [0, 0.5, 0.5], atol=1e-3)
    seeds[2] = OUTSIDE  # one class is met, and others are cut off
    found = walked(values, seeds, 3, 10.0)
    assert found[:, 3, 0, 0].tolist() == [0, 1, 0]
    assert found[:, [0, 4, 6], 0, 0].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("constant", [True, False])
def test_seeds_of_one_class_and_parts_without_any(constant):
    values = np.zeros((3, 3, 9), np.float32) if constant else np.random.default_rng(0).random(
        (3, 3, 9)
    ).astype(np.float32)  # fmt: skip
    seeds = np.full(values.shape, NOBODY, np.int8)
    seeds[..., 4] = OUTSIDE  # a wall
    seeds[0, 0, 0] = 1
    found = walked(values, seeds, 2, 10.0)
    assert (found[1, ..., :4] == 1).all()
    assert not found[..., 4:].any()
    seeds[2, 2, 3] = 0
    found = walked(values, seeds, 2, 10.0)
    np.testing.assert_allclose(found[..., :4].sum(0), 1, atol=1e-5)
    assert found[1, 0, 0, 1] > 0.5 > found[1, 2, 2, 2]
    assert not walked(values, np.full_like(seeds, NOBODY), 2, 10.0).any()


def test_a_few_slices_become_a_volume():
    truth = blobs(0, shape=(40, 34, 78))  # several boxes
    sparse_labels = np.full_like(truth, 255)
    sparse_labels[::8] = truth[::8]
    scan = imaged(truth, 0)
    before = sparse_labels.copy()
    dense = RandomWalkerSegmenter().complete(scan, sparse_labels)
    np.testing.assert_array_equal(sparse_labels, before)
    np.testing.assert_array_equal(dense[::8], truth[::8])
    assert (dense != 255).all()
    assert (dense == truth).mean() > 0.88
    nearest = truth[np.clip((np.arange(40) + 4) // 8 * 8, 0, 32)]
    assert (dense == truth).mean() > (nearest == truth).mean() + 0.05


def test_voxels_that_no_label_is_near_stay_unlabelled():
    truth = blobs(0, shape=(10, 20, 200))
    sparse_labels = np.full_like(truth, 255)
    sparse_labels[..., :30] = truth[..., :30]
    dense = RandomWalkerSegmenter(margin=4).complete(imaged(truth, 0), sparse_labels)
    assert (dense[..., :64] != 255).all()
    assert (dense[..., 128:] == 255).all()


def test_samples_give_volumes_with_their_classes():
    truth = blobs(0)
    sparse_labels = np.full_like(truth, 255)
    sparse_labels[:, ::5] = truth[:, ::5]
    scan = Volume.from_array(imaged(truth, 0), 10.0)
    labels = Volume.from_array(sparse_labels, 10.0)
    walker = RandomWalkerSegmenter(voxel_size=10.0)
    sample = ArraySample("A", scan, {"WF": labels})
    (dense,) = walker.complete([sample])
    assert dense.grid.same_as(scan.grid)
    assert (dense.read() == truth).mean() > 0.9
    coarser = RandomWalkerSegmenter(voxel_size=20.0).complete(sample)
    assert coarser.shape == tuple(round(n / 2) for n in truth.shape)


@pytest.fixture
def archive(tmp_path):
    truth = blobs(0)
    sparse_labels = np.full_like(truth, 255)
    sparse_labels[::6] = truth[::6]
    write_volume(tmp_path / "A.h5", Volume.from_array(imaged(truth, 0), 5.0))
    write_volume(tmp_path / "slices.h5", Volume.from_array(sparse_labels, 5.0))
    dataset = Dataset.create(tmp_path / "bone")
    dataset.add_sample(tmp_path / "A.h5", name="A")
    dataset.add_labels(tmp_path / "slices.h5", sample="A", label_set="slices")
    return dataset, truth


def test_from_the_command_line(archive):
    dataset, truth = archive
    arguments = ["A", "--labels", "slices", "--set", "walker", "-d", str(dataset.path), "--json"]
    planned = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["dry_run"]
    assert dataset["A"].label_sets == ["slices"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["labelled"] == 1
    found = Dataset(dataset.path)["A"].labels("walker")
    assert (found.read() == truth).mean() > 0.9
    note = Dataset(dataset.path)["A"].revisions("walker")[-1]
    assert "random walker from slices" in str(note)


def test_labels_on_the_scans_own_voxels(archive, tmp_path):
    """Of a coarse scan, too; that it is made many times finer is told."""
    dataset, truth = archive
    write_volume(tmp_path / "B.h5", Volume.from_array(imaged(truth, 0)[:8, :8, :8], 20.0))
    labels = np.full((8, 8, 8), 255, np.uint8)
    labels[::2] = truth[:8:2, :8, :8]
    labels[0, 0, :3] = 0, 1, 2
    write_volume(tmp_path / "more.h5", Volume.from_array(labels, 20.0))
    dataset.add_sample(tmp_path / "B.h5", name="B")
    dataset.add_labels(tmp_path / "more.h5", sample="B", label_set="slices")
    common = ["B", "--labels", "slices", "-d", str(dataset.path)]
    own = CliRunner().invoke(app, [*common, "--set", "own", "--voxel-size", "scan"])
    assert own.exit_code == 0, own.output
    assert "voxels of 20 µm are resampled" not in own.output
    finer = CliRunner().invoke(app, [*common, "--set", "finer"])
    assert finer.exit_code == 0, finer.output
    assert "voxels of 20 µm are resampled to 5 µm, up to 64 times as many" in finer.output
    found = Dataset(dataset.path)["B"]
    assert found.labels("own").shape == (8, 8, 8)
    assert found.labels("finer").shape == (32, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["A", "--labels", "WF"], "sample A has no label set 'WF'; it has slices"),
        (["A", "--labels", "slices", "--set", "slices"], "another name"),
        (["A", "--labels", "slices", "--margin", "0"], "margin is a whole number"),
        (["B", "--labels", "slices"], "B"),
    ],
)
def test_what_cannot_work_is_one_line(archive, arguments, message):
    result = CliRunner().invoke(app, [*arguments, "-d", str(archive[0].path)])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert archive[0]["A"].label_sets == ["slices"]
