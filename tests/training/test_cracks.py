"""Cracks: where they lie, how wide they are, and how they look."""

import numpy as np
from scipy import ndimage

from srseg.training import Augmentation
from srseg.training._cracks import draw_cracks

IGNORED = 255
LAYER, INTO, METAL = 2, 0, 3


def patch(seed=0, size=128, noise=0.03):
    """A ring of layer around metal, in fluid of grey 0.3 and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size)) - size / 2
    radius = np.hypot(rows, columns)
    classes = np.zeros((size, size), np.uint8)
    classes[radius < 0.42 * size] = LAYER
    classes[radius < 0.2 * size] = METAL
    image = np.array([0.3, 0.5, 0.7, 0.9])[classes] + rng.normal(0, noise, classes.shape)
    return image.astype(np.float32), classes


def cracked(seed, image, classes, **options):
    image, classes = image.copy(), classes.copy()
    draw_cracks(image, classes, LAYER, INTO, np.random.default_rng(seed), **options)
    return image, classes


def test_cracks_lie_in_the_layer_and_become_the_background():
    image, classes = patch()
    classes[:20] = IGNORED
    shares = []
    for seed in range(60):
        after, labels = cracked(seed, image, classes)
        changed = labels != classes
        assert (classes[changed] == LAYER).all()
        assert (labels[changed] == INTO).all()
        shares.append(changed.sum() / (classes == LAYER).sum())
        # the image changes in the crack, and softly around it
        near = ndimage.binary_dilation(changed, np.ones((5, 5)))
        np.testing.assert_array_equal(after[~near], image[~near])
    assert 0.02 < np.median(shares) < 0.3
    assert max(shares) < 0.6
    assert min(shares) < 0.5 * np.median(shares)


def test_cracks_look_like_the_background_of_their_patch():
    image, classes = patch(noise=0.03)
    # wrong labels: bright pixels called background
    image[:12] = 0.9
    means, spreads = [], []
    for seed in range(80):
        after, labels = cracked(seed, image, classes)
        # the middle of wide ones: edges are soft
        inner = ndimage.binary_erosion(labels != classes, iterations=2)
        if inner.sum() > 20:
            means.append(after[inner].mean())
            spreads.append(after[inner].std())
    assert len(means) > 20
    # as dark as the background, and darker by up to 0.4 of the contrast to the layer
    assert max(means) < 0.33
    assert min(means) > 0.3 - 0.4 * 0.4 - 0.02
    assert np.std(means) > 0.02
    np.testing.assert_allclose(np.median(spreads), 0.035, atol=0.015)


def test_cracks_are_thin_and_long():
    image, classes = patch(size=256)
    classes[:] = LAYER
    classes[:, :10] = INTO
    long, wide = 0, []
    for seed in range(30):
        crack = cracked(seed, image, classes)[1] != classes
        depth = ndimage.distance_transform_edt(crack)
        wide.append(2 * np.median(depth[crack & (depth == ndimage.maximum_filter(depth, 3))]))
        parts, _ = ndimage.label(crack, np.ones((3, 3)))
        sizes = [np.hypot(*(s.stop - s.start for s in box)) for box in ndimage.find_objects(parts)]
        long += max(sizes, default=0) > 40
    assert np.median(wide) < 6
    assert long > 15


def test_nothing_is_drawn_where_the_background_is_not_known():
    image, classes = patch()
    classes[classes == INTO] = METAL
    np.testing.assert_array_equal(cracked(1, image, classes)[0], image)
    image, classes = patch()
    classes[classes == LAYER] = METAL
    np.testing.assert_array_equal(cracked(1, image, classes)[1], classes)


def test_a_share_of_the_patches_has_cracks():
    image, classes = patch(size=64)
    augmentation = Augmentation((1, 1), (1, 1), 0, 0, 0, 2, 0, 0, cracks=0.3, crack_classes=(2, 0))
    n = 0
    for seed in range(400):
        after, labels = image.copy(), classes.copy()
        augmentation.vary(after, labels, None, np.random.default_rng(seed))
        n += bool((labels != classes).any())
    assert 0.2 < n / 400 < 0.36
