"""Patches against cut-outs by hand."""

import numpy as np
import pytest
import torch

from srseg.errors import ParameterError, TrainingError
from srseg.planes import Plane, standard_planes
from srseg.training import Augmentation, LabelledVolume, PatchSampler

IGNORED = 255
GEOMETRY = Augmentation(brightness=0.0, contrast=0.0)


def coded(shape, offset=0):
    """A volume in which each voxel has its own grey value."""
    n = int(np.prod(shape))
    image = ((np.arange(n) + 1 + offset) / (n + offset + 1)).reshape(shape).astype(np.float32)
    return image, (np.arange(n) % 4).reshape(shape).astype(np.uint8)


def sampler_of(image, classes, size, augmentation=None, planes=3, **options):
    return PatchSampler(
        [LabelledVolume(image, classes)],
        standard_planes(planes),
        size,
        augmentation or Augmentation.none(),
        **options,
    )


@pytest.mark.parametrize("axis", range(3))
def test_a_patch_that_nothing_varies_is_cut_out_of_its_slice(axis):
    image, classes = coded((9, 11, 13))
    sampler = PatchSampler(
        [LabelledVolume(image, classes)], [Plane(axis)], 6, Augmentation.none(), seed=1
    )
    slices, truths = np.moveaxis(image, axis, 0), np.moveaxis(classes, axis, 0)
    seen = set()
    for patch, label in zip(*sampler.draw(800), strict=True):
        # every voxel has its own grey value, so the first pixel says where the patch is from
        at = np.unravel_index(int(abs(slices - float(patch[0, 0, 0])).argmin()), slices.shape)
        box = (at[0], slice(at[1], at[1] + 6), slice(at[2], at[2] + 6))
        np.testing.assert_allclose(patch[0], slices[box], atol=2e-6)
        np.testing.assert_array_equal(label, truths[box])
        seen.add(at[1:])
    # every place where a patch fits is drawn
    rows, columns = slices.shape[1] - 5, slices.shape[2] - 5
    assert seen == {(r, c) for r in range(rows) for c in range(columns)}


def test_a_patch_larger_than_its_slice_shows_all_of_it_and_is_filled_around():
    image, classes = coded((5, 4, 7))
    patches, labels = sampler_of(image, classes, 8, planes=1).draw(20)
    for patch, label in zip(patches[:, 0].numpy(), labels.numpy(), strict=True):
        rows, columns = slice(2, 6), slice(1, 8)
        which = abs(image[:, 0, 0] - patch[2, 1]).argmin()
        np.testing.assert_allclose(patch[rows, columns], image[which], atol=2e-6)
        np.testing.assert_array_equal(label[rows, columns], classes[which])
        outside = np.ones((8, 8), bool)
        outside[rows, columns] = False
        assert not patch[outside].any()
        assert (label[outside] == IGNORED).all()


@pytest.mark.parametrize("shape", [(1, 1, 20), (1, 9, 1), (3, 1, 9)])
def test_slices_one_pixel_thin_have_an_outside(shape):
    image, classes = np.ones(shape, np.float32), np.full(shape, 2, np.uint8)
    patches, labels = sampler_of(image, classes, 8, GEOMETRY).draw(60)
    assert set(np.unique(labels)) == {2, IGNORED}
    assert (patches[:, 0][labels == IGNORED] == 0).all()
    assert (labels != IGNORED).float().mean() < 0.5


@pytest.mark.parametrize("source", [None, 12, 24])
def test_image_and_label_go_through_the_same_map(source):
    """The image is a ramp, and the label says on which step of a staircase along it a voxel is."""
    z, y, x = np.indices((20, 22, 24))
    image = ((2 * z + 3 * y + 4 * x) / 200).astype(np.float32)
    classes = np.floor(8 * image).astype(np.uint8)
    patches, labels = sampler_of(image, classes, 16, GEOMETRY, source_size=source, seed=3).draw(100)
    grey, labels = patches[:, 0].numpy(), labels.numpy()
    known = labels != IGNORED
    # the nearest voxel is half a voxel away at most along both axes of a slice
    slack = 8 * 0.5 * (3 + 4) / 200 + 1e-4
    step = 8 * grey
    far = abs(step - np.round(step)) > slack
    assert (known & far).mean() > 0.5
    np.testing.assert_array_equal(np.floor(step)[known & far], labels[known & far])


def test_outside_of_the_slice_is_0_and_unlabelled_whatever_the_grey_values_do():
    image, classes = np.full((12, 12, 12), 0.5, np.float32), np.ones((12, 12, 12), np.uint8)
    augmentation = Augmentation(brightness=0.3, contrast=0.0)
    patches, labels = sampler_of(image, classes, 12, augmentation).draw(100)
    outside = labels == IGNORED
    # turned by 45°, a sixth of the square lies beyond the corners
    assert 0.05 < float(outside.float().mean()) < 0.3
    assert (patches[:, 0][outside] == 0).all()
    inner = patches[:, 0, 4:8, 4:8]
    assert (inner > 0.15).all()
    assert (labels[:, 4:8, 4:8] == 1).all()


def test_slices_of_all_volumes_and_axes_are_drawn_alike():
    """A chi-squared test over the slices of volumes of unlike shapes."""
    shapes = [(3, 8, 5), (20, 2, 7)]
    volumes, n = [], 0
    planes = standard_planes(3)
    for shape in shapes:
        count = np.prod(shape)
        image = np.arange(n, n + count, dtype=np.float32).reshape(shape) / 1000
        volumes.append(LabelledVolume(image, np.zeros(shape, np.uint8)))
        n += count
    expected = {
        (v, plane.stacking, i): 0
        for v, shape in enumerate(shapes)
        for plane in planes
        for i in range(shape[plane.stacking])
    }
    # 21 x 21 patches show the whole slice: its smallest and largest value name it
    keys = {
        tuple(np.round(1000 * np.take(volumes[v].image, i, axis)[[0, -1], [0, -1]])): (v, axis, i)
        for v, axis, i in expected
    }
    assert len(keys) == len(expected) == 45
    sampler = PatchSampler(volumes, planes, 21, Augmentation.none(), seed=5)
    assert sampler.n_slices == 45
    draws = 4500
    for patch, label in zip(*sampler.draw(draws), strict=True):
        shown = 1000 * patch[0][label != IGNORED]
        expected[keys[tuple(np.round([shown[0], shown[-1]]))]] += 1
    from scipy import stats

    assert stats.chisquare(list(expected.values())).pvalue > 0.01


def test_draws_depend_on_the_seed_alone():
    image, classes = coded((12, 13, 14))
    before = image.copy(), classes.copy()

    def draw(seed):
        sampler = sampler_of(image, classes, 8, Augmentation(), seed=seed)
        return [*sampler.draw(3), *sampler.draw(5)]

    first = draw(7)
    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002  the global state is what must not matter
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = draw(7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], draw(8)[0])
    assert torch.equal(torch.random.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(classes, before[1])


def test_what_cannot_be_trained_on_is_refused():
    image, classes = coded((4, 4, 4))
    with pytest.raises(TrainingError, match="no labelled volume"):
        PatchSampler([], standard_planes(3), 8, Augmentation())
    unlabelled = LabelledVolume(image, np.full_like(classes, IGNORED), "rat 3")
    with pytest.raises(TrainingError, match="rat 3 has no labelled voxel"):
        PatchSampler([unlabelled], standard_planes(3), 8, Augmentation())
    with pytest.raises(ParameterError, match="rc@45r"):
        PatchSampler([LabelledVolume(image, classes)], standard_planes(9), 8, Augmentation())
    with pytest.raises(ParameterError, match="one shape"):
        LabelledVolume(image, classes[1:])


def test_patches_of_what_was_not_seen_are_drawn_again():
    image, classes = coded((30, 40, 40))
    seen = np.zeros((1, 40, 40), bool)
    seen[:, 15:25, 15:25] = True
    volume = LabelledVolume(image, np.where(seen, classes, IGNORED).astype(np.uint8), seen=seen)
    sampler = PatchSampler([volume], standard_planes(3), 8, Augmentation.none())
    _, labels = sampler.draw(300)
    assert (labels != IGNORED).any(dim=(1, 2)).all()
    # those at the rim, which show a corner of it, are drawn too
    assert (labels != IGNORED).float().mean() < 0.9


def test_a_volume_seen_everywhere_is_drawn_from_as_ever():
    image, classes = coded((9, 11, 13))
    everywhere = LabelledVolume(image, classes, seen=np.ones((1, 11, 13), bool))
    sampler = PatchSampler([everywhere], standard_planes(3), 6, Augmentation.none(), seed=3)
    plain = sampler_of(image, classes, 6, seed=3)
    for ours, theirs in zip(sampler.draw(40), plain.draw(40), strict=True):
        assert torch.equal(ours, theirs)
