"""Patches against cut-outs by hand."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from srseg.errors import ParameterError, TrainingError
from srseg.planes import Plane, standard_planes
from srseg.training import Augmentation, LabelledVolume, PatchSampler
from srseg.training._boundaries import near_boundary
from srseg.training._places import voxels_by_class

IGNORED = 255
GEOMETRY = Augmentation(brightness=0.0, contrast=0.0)


def coded(shape, offset=0):
    """A volume in which each voxel has its own grey value."""
    n = int(np.prod(shape))
    image = ((np.arange(n) + 1 + offset) / (n + offset + 1)).reshape(shape).astype(np.float32)
    return image, (np.arange(n) % 4).reshape(shape).astype(np.uint8)


def draw(sampler, n, iteration=0):
    """Draw images and labels of n patches."""
    images, classes, _ = sampler.draw(iteration, range(n))
    return images, classes


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
    for patch, label in zip(*draw(sampler, 800), strict=True):
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
    patches, labels = draw(sampler_of(image, classes, 8, planes=1), 20)
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
    patches, labels = draw(sampler_of(image, classes, 8, GEOMETRY), 60)
    assert set(np.unique(labels)) == {2, IGNORED}
    assert (patches[:, 0][labels == IGNORED] == 0).all()
    assert (labels != IGNORED).float().mean() < 0.5


@pytest.mark.parametrize("source", [None, 12, 24])
def test_image_and_label_go_through_the_same_map(source):
    """The image is a ramp, and the label says on which step of a staircase along it a voxel is."""
    z, y, x = np.indices((20, 22, 24))
    image = ((2 * z + 3 * y + 4 * x) / 200).astype(np.float32)
    classes = np.floor(8 * image).astype(np.uint8)
    sampler = sampler_of(image, classes, 16, GEOMETRY, source_size=source, seed=3)
    patches, labels = draw(sampler, 100)
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
    patches, labels = draw(sampler_of(image, classes, 12, augmentation), 100)
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
    for patch, label in zip(*draw(sampler, draws), strict=True):
        shown = 1000 * patch[0][label != IGNORED]
        expected[keys[tuple(np.round([shown[0], shown[-1]]))]] += 1
    assert stats.chisquare(list(expected.values())).pvalue > 0.01


EVERYTHING = Augmentation(
    gamma=0.3, blur=1.0, rings=0.1, noise=0.05, cracks=0.5, crack_classes=(2, 0)
)


def test_a_patch_depends_on_seed_iteration_and_number_alone():
    image, classes = coded((12, 13, 14))
    before = image.copy(), classes.copy()
    options = {"augmentation": EVERYTHING, "draw": "by class", "boundary": 1.0}
    whole = sampler_of(image, classes, 8, seed=7, **options).draw(3, range(6))
    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002  the global state is what must not matter
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    other = sampler_of(image, classes, 8, seed=7, **options)
    other.draw(2, range(9))
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda j: other.draw(3, [j]), [5, 2, 0, 4, 1, 3]))
    for j, part in zip([5, 2, 0, 4, 1, 3], parts, strict=True):
        for ours, theirs in zip(part, whole, strict=True):
            assert torch.equal(ours[0], theirs[j])
    for seed, iteration in ((8, 3), (7, 4)):
        unlike = sampler_of(image, classes, 8, seed=seed, **options).draw(iteration, range(6))
        assert not any(torch.equal(a, b) for a, b in zip(unlike[0], whole[0], strict=True))
    assert torch.equal(torch.random.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(classes, before[1])


def test_a_batch_is_what_a_network_takes():
    image, classes = coded((12, 13, 14))
    images, labels, weights = sampler_of(image, classes, 8).draw(1, range(3))
    assert (images.shape, images.dtype) == ((3, 1, 8, 8), torch.float32)
    assert (labels.shape, labels.dtype) == ((3, 8, 8), torch.int64)
    assert weights is None


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
    with pytest.raises(ParameterError, match="greater than 0"):
        LabelledVolume(image, classes, weight=0.0)
    volume = LabelledVolume(image, classes)
    with pytest.raises(ParameterError, match="by class"):
        PatchSampler([volume], standard_planes(3), 8, Augmentation(), draw="classes")
    with pytest.raises(ParameterError, match="boundary"):
        PatchSampler([volume], standard_planes(3), 8, Augmentation(), boundary=-1.0)


def test_patches_of_what_was_not_seen_are_drawn_again():
    image, classes = coded((30, 40, 40))
    seen = np.zeros((1, 40, 40), bool)
    seen[:, 15:25, 15:25] = True
    volume = LabelledVolume(image, np.where(seen, classes, IGNORED).astype(np.uint8), seen=seen)
    sampler = PatchSampler([volume], standard_planes(3), 8, Augmentation.none())
    _, labels = draw(sampler, 300)
    assert (labels != IGNORED).any(dim=(1, 2)).all()
    # those at the rim, which show a corner of it, are drawn too
    assert (labels != IGNORED).float().mean() < 0.9


def test_a_volume_seen_everywhere_is_drawn_from_as_ever():
    image, classes = coded((9, 11, 13))
    everywhere = LabelledVolume(image, classes, seen=np.ones((1, 11, 13), bool))
    sampler = PatchSampler([everywhere], standard_planes(3), 6, Augmentation.none(), seed=3)
    plain = sampler_of(image, classes, 6, seed=3)
    for ours, theirs in zip(draw(sampler, 40), draw(plain, 40), strict=True):
        assert torch.equal(ours, theirs)


def test_slices_without_a_labelled_voxel_are_never_drawn():
    """A label set of two slices and a stroke: each other slice is drawn only where it crosses."""
    image, classes = coded((30, 40, 50))
    sparse = np.full_like(classes, IGNORED)
    sparse[4], sparse[11] = classes[4], classes[11]
    sparse[20, 7, 10:13] = 3
    volume = LabelledVolume(image, sparse)
    n_slices = {0: 3, 1: 40, 2: 50}
    for axis, count in n_slices.items():
        sampler = PatchSampler([volume], [Plane(axis)], 6, Augmentation.none(), seed=1)
        assert sampler.n_slices == count
        patches, labels = draw(sampler, 400)
        assert (labels != IGNORED).any(dim=2).any(dim=1).all()
        # images are cut out of the slices with labels, and all of them are drawn alike
        found = np.searchsorted(image.ravel(), patches[:, 0, 0, 0].numpy() - 1e-6)
        drawn = np.unravel_index(found, image.shape)[axis]
        numbers, times = np.unique(drawn, return_counts=True)
        assert len(numbers) == count
        assert stats.chisquare(times).pvalue > 0.01
    assert set(numbers) == set(range(50))


def test_of_a_few_labelled_slices_those_across_are_not_drawn():
    """They would show lines of labels, and most of a batch would teach nothing."""
    classes = np.full((40, 30, 20), 255, np.uint8)
    classes[[7, 21, 22]] = 1
    image = np.zeros(classes.shape, np.float32)
    assert sampler_of(image, classes, 8).n_slices == 3
    across = [plane for plane in standard_planes(3) if plane.stacking]
    volume = LabelledVolume(image, classes)
    alone = PatchSampler([volume], across, 8, Augmentation.none())
    assert alone.n_slices == 30 + 20  # there is nothing better
    for how in ("uniform", "by class"):
        assert not (draw(sampler_of(image, classes, 8, draw=how), 60)[1] == IGNORED).any()


def test_a_labelled_pixel_in_a_large_slice_is_found():
    image, classes = coded((2, 300, 300))
    classes[:] = IGNORED
    classes[1, 150, 7] = 2
    sampler = PatchSampler([LabelledVolume(image, classes)], [Plane(0)], 8, Augmentation.none())
    _, labels = draw(sampler, 200)
    at = (labels == 2).nonzero()
    assert len(at) == 200
    # wherever the squares that show it lie
    assert set(at[:, 1].tolist()) == set(range(8))
    assert set(at[:, 2].tolist()) == set(range(8))


def test_volumes_are_drawn_by_their_weights():
    volumes = [
        LabelledVolume(np.full((8, 8, 8), grey, np.float32), np.zeros((8, 8, 8), np.uint8),
                       weight=weight)
        for grey, weight in ((0.2, 1.0), (0.5, 4.0), (0.8, 0.5))
    ]  # fmt: skip
    for how in ("uniform", "by class"):
        sampler = PatchSampler(volumes, standard_planes(3), 4, Augmentation.none(), draw=how)
        patches, _ = draw(sampler, 1100)
        greys, times = np.unique(patches[:, 0, 0, 0].numpy().round(1), return_counts=True)
        np.testing.assert_allclose(greys, [0.2, 0.5, 0.8])
        assert stats.chisquare(times, [200, 800, 100]).pvalue > 0.01


def test_classes_are_drawn_evenly_and_their_voxels_too():
    """One class fills almost everything, one lies in one volume, one voxel is alone."""
    image, classes = coded((20, 21, 22))
    classes[:] = 0
    classes[3:5, 8:10, 9:12] = 1
    classes[15, 12, 11] = 3
    other = np.full_like(classes, IGNORED)
    other[10] = 0
    bright = np.ones_like(image)
    volumes = [LabelledVolume(image / 2, classes, "A"), LabelledVolume(bright, other, "B")]
    sampler = PatchSampler(volumes, standard_planes(3), 5, Augmentation.none(), draw="by class")
    patches, labels = draw(sampler, 1500)
    centres, times = np.unique(labels[:, 2, 2].numpy(), return_counts=True)
    # near the rim the square is moved inward, and something else may be in its middle
    assert centres.tolist() == [0, 1, 3]
    assert stats.chisquare(times).pvalue > 0.01
    of_class_1 = patches[labels[:, 2, 2] == 1][:, 0, 2, 2].numpy()
    _, times = np.unique(of_class_1.round(6), return_counts=True)
    assert len(times) == 12
    assert stats.chisquare(times).pvalue > 0.01
    # the second volume has one slice of the first class: 462 of 9240 - 13 + 462 voxels
    share = float((patches[labels[:, 2, 2] == 0] > 0.9).any(dim=(1, 2, 3)).float().mean())
    assert share == pytest.approx(462 / 9689, abs=0.03)


def test_of_a_large_class_some_voxels_are_kept_evenly(monkeypatch):
    monkeypatch.setattr("srseg.training._places._KEPT", 600)
    _, classes = coded((70, 12, 13))
    classes[30:40] = IGNORED
    volume = LabelledVolume(np.zeros(classes.shape, np.float32), classes)
    index = voxels_by_class(volume, np.random.default_rng(0))
    assert sorted(index) == [0, 1, 2, 3]
    for position, (count, voxels) in index.items():
        assert count == (classes == position).sum()
        assert len(np.unique(voxels, axis=0)) == len(voxels) == 600
        assert (classes[tuple(voxels.T)] == position).all()
        for axis, n in enumerate(classes.shape):
            labelled = np.bincount(np.nonzero(classes == position)[axis], minlength=n)
            times = np.bincount(voxels[:, axis], minlength=n)
            some = labelled > 0
            expected = labelled[some] * 600 / labelled.sum()
            assert stats.chisquare(times[some], expected).pvalue > 0.001


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.sampled_from([0, 1, 2, IGNORED]),
    ),
    st.floats(0, 5),
)
def test_pixels_near_a_boundary_are_those_within_the_distance(classes, distance):
    rows, columns = (line.ravel() for line in np.indices(classes.shape))
    far = np.hypot(rows - rows[:, None], columns - columns[:, None])
    flat = classes.ravel()
    known = flat != IGNORED
    other = (flat != flat[:, None]) & known & known[:, None]
    expected = (other & (far <= distance)).any(1).reshape(classes.shape)
    np.testing.assert_array_equal(near_boundary(classes, distance), expected)


def test_pixels_near_a_boundary_count_nothing_but_drawn_cracks_do():
    image = np.random.default_rng(0).random((40, 48, 48), np.float32)
    classes = np.zeros((40, 48, 48), np.uint8)
    classes[:, :, 10:38] = 2
    plain = sampler_of(image, classes, 40, planes=1, boundary=2.0, seed=2)
    _, labels, weights = plain.draw(5, range(4))
    for label, weight in zip(labels.numpy(), weights.numpy(), strict=True):
        expected = ~near_boundary(label.astype(np.uint8), 2.0)
        np.testing.assert_array_equal(weight, expected)
    cracked = replace(Augmentation.none(), cracks=1.0, crack_classes=(2, 0))
    drawn = sampler_of(image, classes, 40, cracked, planes=1, boundary=2.0, seed=2)
    _, changed, same = drawn.draw(5, range(4))
    assert torch.equal(same, weights)
    assert ((changed != labels) & (same == 1)).any()
