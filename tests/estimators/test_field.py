"""What lies outside of a scan's field of view is neither learned, nor labelled, nor scored."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from srseg import ArraySample, MultiAxisEnsemble, Volume
from srseg.errors import LabelError
from srseg.estimators import predict_together
from srseg.estimators._training_data import load_labelled
from srseg.estimators._volume_store import VolumeStore
from srseg.preprocessing import prepare, seen_blocks, seen_voxels
from srseg.volumes import FieldOfView, Grid, RigidTransform

FIELD = FieldOfView((0, 42.5, 42.5), radius=40)
SHAPE = (16, 18, 17)
# what is seen of a small box differs much from one to the next
pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the scans:UserWarning")
INSIDE = FIELD.inside(Grid(SHAPE, (5.0,) * 3), (slice(0, 16), slice(0, 18), slice(0, 17)))[0]


def in_circle(sample, garbage=0.0):
    """Give a sample with a field of view, and grey values outside of it that nobody may look at."""
    scan = np.where(INSIDE, sample.scan.read(), garbage)
    volume = Volume(scan, sample.scan.grid, field=FIELD)
    return ArraySample(sample.name, volume, sample.label_sets, sample.subject)


@pytest.fixture(scope="module")
def trained(small, make_sample):
    return small().fit([in_circle(make_sample(i)) for i in (0, 1)])


def test_what_is_outside_changes_nothing(trained, small, make_sample):
    for garbage in (-1e4, 5e4, np.nan):
        samples = [in_circle(make_sample(i), garbage) for i in (0, 1)]
        again = small().fit(samples)
        for name, tensor in trained.network_.state_dict().items():
            assert torch.equal(tensor, again.network_.state_dict()[name])
        assert trained.domain_ == again.domain_
        assert trained.score(samples) == again.score(samples)


def test_labels_outside_are_ignored(make_sample):
    sample = in_circle(make_sample(0))
    store = VolumeStore([sample], 5.0, None, None)
    table = sample.labels().table
    (volume,), _ = load_labelled([sample], [], 5.0, (0.5, 99.9), table, [1.0], store)
    assert (volume.classes[:, ~INSIDE] == 255).all()
    truth = sample.labels().read()
    np.testing.assert_array_equal(volume.classes[:, INSIDE], truth[:, INSIDE])
    np.testing.assert_array_equal(np.broadcast_to(volume.seen, SHAPE)[3], INSIDE)
    assert (volume.image[:, ~INSIDE] == 0).all()
    # the sample's own labels are left alone
    assert (sample.labels().read() != 255).all()


def test_predictions_are_255_outside(trained, make_sample):
    sample = in_circle(make_sample(2))
    labels = trained.predict(sample)
    assert (labels.read()[:, ~INSIDE] == 255).all()
    assert labels.read()[:, INSIDE].max() <= 2
    probabilities = trained.predict_proba(sample)
    np.testing.assert_allclose(probabilities.sum(0), np.broadcast_to(INSIDE, SHAPE), atol=1e-6)
    frozen = FrozenEstimator(trained)
    ensembles = [MultiAxisEnsemble(frozen, planes=n).fit(None) for n in (1, 3)]
    together = predict_together(ensembles, sample)
    np.testing.assert_array_equal(together[0].read(), labels.read())
    assert (together[1].read()[:, ~INSIDE] == 255).all()


def test_predictions_on_the_scans_own_voxels(trained, make_sample):
    sample = in_circle(make_sample(2))
    scan = np.repeat(np.repeat(sample.scan.read(), 2, 1), 2, 2)
    grid = Grid(scan.shape, (5.0, 2.5, 2.5), (0.0, -1.25, -1.25))
    labels = trained.predict(Volume(scan, grid, field=FIELD), grid="scan")
    assert labels.shape == scan.shape
    assert (labels.read()[:, 0, 0] == 255).all()
    assert (labels.read()[:, 17, 17] != 255).all()


def test_scores_count_only_what_was_seen(trained, make_sample):
    sample = in_circle(make_sample(2))
    alien = sample.labels().read().copy()
    alien[:, ~INSIDE] = 2
    other = ArraySample(
        "S", sample.scan, {"WF": Volume.from_array(alien, 5.0, table=sample.labels().table)}
    )
    assert trained.score([sample]) == trained.score([other])
    nowhere = Volume(sample.scan.source, sample.scan.grid, field=FieldOfView((0, 42.5, 42.5), 6))
    labels = np.full(SHAPE, 255, np.uint8)
    labels[:, 0, 0] = 1
    sets = {"WF": Volume.from_array(labels, 5.0, table=sample.labels().table)}
    with pytest.raises(LabelError, match=r"no labelled voxel .* in its field of view"):
        trained.score([ArraySample("S", nowhere, sets)])


def test_the_corners_do_not_look_foreign(small, make_sample):
    def speckled(seed, field):
        grey = np.random.default_rng(seed).normal(500, 50, SHAPE)
        labels = Volume.from_array((grey > 500).astype(np.uint8), 5.0)
        scan = Volume(grey, labels.grid, field=field)
        return ArraySample(f"S{seed}", scan, {"WF": labels})

    plain = small().fit([speckled(0, None), speckled(1, None)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.predict(speckled(2, FIELD))


def test_a_scan_that_is_all_in_its_field_is_as_one_without(small, make_sample):
    sample = make_sample(0)
    wide = Volume(sample.scan.source, sample.scan.grid, field=FieldOfView((0, 40, 40), 500))
    other = ArraySample(sample.name, wide, sample.label_sets, sample.subject)
    assert seen_voxels(wide, wide.grid) is None
    first, second = (small().fit([s]) for s in (sample, other))
    for name, tensor in first.network_.state_dict().items():
        assert torch.equal(tensor, second.network_.state_dict()[name])
    np.testing.assert_array_equal(first.predict(sample).read(), second.predict(other).read())


def test_the_corners_of_a_turned_scans_grid_were_not_seen(make_sample):
    angle = np.deg2rad(30)
    turn = RigidTransform(
        (1, 0, 0, 0, np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle))
    )
    scan = make_sample(0).scan.moved(turn)
    prepared = prepare(scan, voxel_size=5.0)
    seen = seen_voxels(prepared, scan.grid)
    centres = np.stack(np.meshgrid(*(np.arange(n) for n in prepared.shape), indexing="ij"), -1)
    index = scan.grid.to_index(prepared.grid.to_physical(centres))
    clear = (np.abs(index + 0.5 - np.clip(index + 0.5, 0, scan.shape)) == 0).all(-1)
    np.testing.assert_array_equal(seen, clear)
    assert 0.4 < seen.mean() < 0.9
    field = FieldOfView((0, 42.5, 42.5), 30)
    both = Volume(scan.source, scan.grid, field=field.moved(turn))
    prepared = prepare(both, voxel_size=5.0)
    inside = prepared.field.inside(prepared.grid, tuple(slice(0, n) for n in prepared.shape))
    np.testing.assert_array_equal(
        np.broadcast_to(seen_voxels(prepared, both.grid), prepared.shape), clear & inside
    )


@pytest.mark.parametrize("turned", [False, True])
def test_what_was_seen_is_told_box_by_box_and_in_blocks(turned):
    """A tilted field on a grid that may be turned against its scan."""
    cosine, sine = np.cos(0.3), np.sin(0.3)
    direction = (1.0, 0.0, 0.0, 0.0, cosine, -sine, 0.0, sine, cosine)
    straight = Grid((21, 26, 23), (5.0,) * 3)
    grid = Grid((21, 26, 23), (5.0,) * 3, direction=direction) if turned else straight
    volume = Volume(np.zeros(straight.shape, np.float32), straight, normalised=True)
    scan = Volume(np.zeros(grid.shape, np.float32), grid)
    volume.field = FieldOfView((50.0, 60.0, 40.0), axis=(0.9, 0.3, 0.1), radius=45.0)
    whole = np.broadcast_to(seen_voxels(volume, scan.grid), volume.shape)
    box = (slice(3, 9), slice(5, 21), slice(0, 17))
    part = seen_voxels(volume, scan.grid, box)
    np.testing.assert_array_equal(np.broadcast_to(part, whole[box].shape), whole[box])
    blocks = seen_blocks(volume, scan.grid, 8)
    for index in np.ndindex(blocks.shape):
        block = whole[tuple(slice(8 * i, 8 * i + 8) for i in index)]
        assert blocks[index] == block.any()
    assert not blocks.all()
