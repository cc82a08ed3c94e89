"""The map from patch to slice, measured on the offsets that it gives."""

from dataclasses import replace

import numpy as np
import pytest

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import DEFAULT_LABELS, LabelTable
from srseg.training import Augmentation
from srseg.training._grey import add_rings

N, SIZE = 2000, 16


def offsets(augmentation, n, size, source, seed=0):
    """Draw the maps of n patches, of shape (n, size, size, 2)."""
    generator = np.random.default_rng(seed)
    drawn = [augmentation.offsets(size, source, generator) for _ in range(n)]
    return np.moveaxis(drawn, 1, -1)


def maps(augmentation, n=N, size=SIZE, source=1.0, seed=0):
    """Give the linear part of each patch's map: (row, column) of the slice by (v, u) in [0, 1]."""
    grid = offsets(augmentation, n, size, source, seed).astype(float)
    down = (grid[:, -1, 0] - grid[:, 0, 0]) * size / (size - 1)
    right = (grid[:, 0, -1] - grid[:, 0, 0]) * size / (size - 1)
    return np.stack([down, right], axis=-1)


AFFINE = Augmentation(elastic=0.0)


def test_the_patch_is_centred_and_none_is_the_plain_grid():
    for augmentation in (AFFINE, Augmentation.none()):
        grid = offsets(augmentation, 5, SIZE, 40)
        np.testing.assert_allclose(grid.mean((1, 2)), 0, atol=1e-5)
    plain = offsets(Augmentation.none(), 1, 6, 6)[0]
    expected = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1) - 2.5
    np.testing.assert_allclose(plain, expected, atol=1e-6)
    # resized: the outer faces of patch and source square coincide
    resized = offsets(Augmentation.none(), 1, 4, 12)[0]
    np.testing.assert_allclose(resized[:, 0, 0], [-4.5, -1.5, 1.5, 4.5], atol=1e-6)


def test_area_aspect_rotation_and_flip_fill_their_ranges():
    matrix = maps(AFFINE)
    determinant = np.linalg.det(matrix)
    area = abs(determinant)
    assert area.min() >= 0.85 - 1e-5
    assert area.max() <= 1 + 1e-5
    # evenly: the quartiles are those of a uniform distribution
    np.testing.assert_allclose(
        np.quantile(area, [0.25, 0.5, 0.75]), [0.8875, 0.925, 0.9625], atol=0.006
    )
    height, width = np.linalg.norm(matrix, axis=1).T
    aspect = np.log(height / width)
    limit = np.log(4 / 3)
    assert abs(aspect).max() <= limit + 1e-5
    np.testing.assert_allclose(
        np.quantile(aspect, [0.25, 0.5, 0.75]), [-limit / 2, 0, limit / 2], atol=0.025
    )
    angle = np.rad2deg(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))
    assert abs(angle).max() <= 90
    np.testing.assert_allclose(np.quantile(angle, [0.05, 0.5, 0.95]), [-81, 0, 81], atol=6)
    # three standard deviations of 2000 tosses
    assert (determinant < 0).mean() == pytest.approx(0.5, abs=0.034)
    # rows and columns stay perpendicular: nothing shears
    np.testing.assert_allclose((matrix[:, :, 0] * matrix[:, :, 1]).sum(1), 0, atol=1e-5)


def test_a_flip_is_horizontal_and_comes_before_the_rotation():
    flipped = maps(Augmentation((1, 1), (1, 1), flip=1.0, rotation=0.0, elastic=0.0), n=3)
    np.testing.assert_allclose(flipped, np.broadcast_to([[1, 0], [0, -1]], (3, 2, 2)), atol=1e-5)


def test_the_elastic_map_is_bounded_smooth_and_never_folds():
    elastic = Augmentation((1, 1), (1, 1), flip=0.0, rotation=0.0, elastic=0.015)
    size = 32
    grid = offsets(elastic, 400, size, 100.0, seed=1)
    moved = grid - offsets(Augmentation.none(), 1, size, 100.0)
    # displacements in pixels of a source of 100: 1.5 at a control point, five times that at most
    at_points = moved[:, [0, -1]][:, :, [0, -1]]
    assert at_points.std() == pytest.approx(1.5, rel=0.1)
    assert np.abs(moved).max() < 5 * 1.5
    step = 100.0 / size
    determinant = np.linalg.det(
        np.stack(
            [np.diff(grid, axis=1)[:, :, :-1] / step, np.diff(grid, axis=2)[:, :-1] / step], axis=-1
        )
    )
    assert determinant.min() > 0.3


def varied(augmentation, image, inside=None, seed=0):
    """Vary a patch without labels."""
    changed = image.copy()
    classes = np.zeros(image.shape, np.uint8)
    augmentation.vary(changed, classes, inside, np.random.default_rng(seed))
    assert not classes.any()
    assert changed.dtype == np.float32
    return changed


def test_brightness_and_contrast_stay_in_range_and_the_fill_stays_0():
    image = np.random.default_rng(0).random((4, 4), np.float32)
    image[0, :2] = 0.4, 0.6
    inside = np.ones(image.shape, bool)
    inside[3] = False
    patches = np.stack([varied(Augmentation(), image, inside, seed) for seed in range(500)])
    assert patches.min() >= 0
    assert patches.max() <= 1
    assert not patches[:, 3].any()
    contrast = (patches[:, 0, 1] - patches[:, 0, 0]) / 0.2
    shift = patches[:, 0, 0] - 0.4 * contrast
    for values, centre, width in ((contrast, 1, 0.2), (shift, 0, 0.1)):
        quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        expected = centre + width * np.array([-1, -0.5, 0, 0.5, 1])
        np.testing.assert_allclose(quartiles, expected, atol=0.2 * width)
        assert abs(values - centre).max() <= width + 1e-5
    np.testing.assert_array_equal(varied(Augmentation.none(), image, inside), image * inside)


def only(**options):
    return replace(Augmentation.none(), **options)


def test_gamma_is_a_power_within_its_range():
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    powers = []
    for seed in range(200):
        patch = varied(only(gamma=0.5), image, seed=seed)
        powers.append(np.log(patch[4, 0]) / np.log(image[4, 0]))
        np.testing.assert_allclose(patch, image ** powers[-1], atol=1e-5)
    assert min(powers) >= 1 / 1.5 - 1e-5
    assert max(powers) <= 1.5 + 1e-5
    assert np.mean(np.log(powers)) == pytest.approx(0, abs=0.06)
    assert min(powers) < 0.7
    assert max(powers) > 1.4


def test_noise_is_white_and_as_strong_as_drawn():
    image = np.full((64, 64), 0.5, np.float32)
    spread = []
    for seed in range(60):
        noise = varied(only(noise=0.08), image, seed=seed) - image
        spread.append(noise.std())
        correlation = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
        assert abs(correlation) < 5 / 64
    assert max(spread) < 0.085
    np.testing.assert_allclose(np.median(spread), 0.04, atol=0.012)


def test_blur_is_a_gaussian_that_keeps_the_mean():
    image = np.zeros((33, 33), np.float32)
    image[16, 16] = 1
    for seed in range(20):
        patch = varied(only(blur=1.5), image, seed=seed)
        assert patch.sum() == pytest.approx(1, abs=1e-4)
        at = np.arange(33) - 16
        sd = np.sqrt((patch.sum(0) * at**2).sum())
        assert sd < 1.6
        np.testing.assert_allclose(patch, patch.T, atol=1e-6)


class Scripted:
    """A generator whose numbers are written down beforehand."""

    def __init__(self, *numbers):
        self.numbers = iter(numbers)

    def uniform(self, low, high):
        return low + next(self.numbers) * (high - low)

    def integers(self, low, high=None):
        return next(self.numbers)


@pytest.mark.parametrize("half", [1.0, 0.25])
def test_rings_are_arcs_about_a_centre(half):
    """Two rings about a point 48 pixels below the middle, in a sector about the way up."""
    image = np.full((96, 96), 0.5, np.float32)
    numbers = (48 / 192, 0.25, 2, 0.3, 0.5, 0.75, 0.6, 1.0, 1.0, 0, 48, half)
    add_rings(image, 0.2, Scripted(*numbers))
    rows, columns = np.indices(image.shape) - 47.5
    radius = np.hypot(rows - 48, columns)
    first = np.floor(radius.min())
    n = np.ceil(radius.max()) - first + 2
    expected = np.zeros(image.shape)
    for middle, width, strength in ((0.3 * n, 1.0, 0.1), (0.6 * n, 1.5, 0.2)):
        expected += strength * np.exp(-0.5 * ((radius - first - middle) / width) ** 2)
    angle = np.arctan2(abs(columns - 0.5), 48 - rows)  # from the pixel in the middle of the top
    shown = np.cos(angle) > np.cos(half * np.pi) + 0.06
    beyond = np.cos(angle) < np.cos(half * np.pi) - 0.01
    # between two samples of the profile it is linear
    np.testing.assert_allclose((image - 0.5)[shown], expected[shown], atol=0.03)
    assert abs(expected[shown]).max() > 0.15
    np.testing.assert_allclose(image[beyond], 0.5, atol=1e-6)
    assert beyond.any() == (half < 1)


def test_rings_differ_from_patch_to_patch_and_stay_in_range():
    image = np.full((48, 48), 0.5, np.float32)
    patches = [varied(only(rings=0.1), image, seed=seed) for seed in range(50)]
    shown = [abs(patch - 0.5).max() for patch in patches]
    assert np.median(shown) > 0.02
    assert max(shown) < 0.3
    assert len({patch.tobytes() for patch in patches}) > 45


def test_what_is_off_changes_nothing():
    image = np.random.default_rng(3).random((16, 16), np.float32)
    np.testing.assert_array_equal(varied(Augmentation.none(), image), image)


def test_classes_of_cracks_are_looked_up_in_the_table():
    assert Augmentation().for_table(LabelTable.from_values([0, 1])) == Augmentation()
    cracks = Augmentation(cracks=0.5)
    assert cracks.for_table(DEFAULT_LABELS).crack_classes == (2, 0)
    chosen = Augmentation(cracks=0.5, crack_classes=(1, "class 7"))
    assert chosen.for_table(LabelTable.from_values([3, 5, 7])).crack_classes == (1, 2)
    with pytest.raises(UnknownNameError, match=r"no class 'degradation layer'.*class 7"):
        cracks.for_table(LabelTable.from_values([3, 5, 7]))
    with pytest.raises(UnknownNameError, match="no class 4"):
        Augmentation(cracks=0.5, crack_classes=(4, 0)).for_table(DEFAULT_LABELS)
    with pytest.raises(ParameterError, match="for_table"):
        varied(Augmentation(cracks=1.0), np.zeros((8, 8), np.float32))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"area": (0.0, 1.0)}, "area"),
        ({"aspect": (2.0, 1.0)}, "aspect"),
        ({"flip": 1.5}, "probability"),
        ({"rotation": -1.0}, "rotation must be a number of 0 or more"),
        ({"elastic_points": 1}, "2 or more"),
        ({"cracks": 1.5}, "cracks is a probability"),
        ({"noise": -0.1}, "noise must be a number of 0 or more"),
        ({"elastic": float("nan")}, "elastic must be a number of 0 or more"),
        ({"gamma": float("inf")}, "gamma must be a number of 0 or more"),
        ({"aspect": (1.0, float("inf"))}, "both finite"),
    ],
)
def test_what_cannot_be_is_refused(parameters, words):
    with pytest.raises(ParameterError, match=words):
        Augmentation(**parameters)
