"""The map from patch to slice, measured on the offsets that it gives."""

import numpy as np
import pytest
import torch

from srseg.errors import ParameterError
from srseg.training import Augmentation

N, SIZE = 2000, 16


def maps(augmentation, n=N, size=SIZE, source=1.0, seed=0):
    """Give the linear part of each patch's map: (row, column) of the slice by (v, u) in [0, 1]."""
    grid = augmentation.offsets(n, size, source, np.random.default_rng(seed)).double().numpy()
    down = (grid[:, -1, 0] - grid[:, 0, 0]) * size / (size - 1)
    right = (grid[:, 0, -1] - grid[:, 0, 0]) * size / (size - 1)
    return np.stack([down, right], axis=-1)


AFFINE = Augmentation(elastic=0.0)


def test_the_patch_is_centred_and_none_is_the_plain_grid():
    for augmentation in (AFFINE, Augmentation.none()):
        grid = augmentation.offsets(5, SIZE, 40, np.random.default_rng(0))
        np.testing.assert_allclose(grid.mean((1, 2)), 0, atol=1e-5)
    plain = Augmentation.none().offsets(1, 6, 6, np.random.default_rng(0))[0]
    expected = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1) - 2.5
    np.testing.assert_allclose(plain, expected, atol=1e-6)
    # resized: the outer faces of patch and source square coincide
    resized = Augmentation.none().offsets(1, 4, 12, np.random.default_rng(0))[0]
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
    grid = elastic.offsets(400, size, 100.0, np.random.default_rng(1))
    moved = (grid - Augmentation.none().offsets(400, size, 100.0, np.random.default_rng(1))).numpy()
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


def test_brightness_and_contrast_stay_in_range_and_the_fill_stays_0():
    images = torch.rand(500, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images[:, :, 0, 0], images[:, :, 0, 1] = 0.4, 0.6
    inside = torch.ones(images.shape, dtype=torch.bool)
    inside[:, :, 3] = False
    before = images.clone()
    varied = Augmentation().grey_values(images, inside, np.random.default_rng(0))
    assert torch.equal(images, before)
    assert float(varied.min()) >= 0
    assert float(varied.max()) <= 1
    assert not varied[:, :, 3].any()
    contrast = (varied[:, 0, 0, 1] - varied[:, 0, 0, 0]) / 0.2
    shift = varied[:, 0, 0, 0] - 0.4 * contrast
    for values, centre, width in ((contrast, 1, 0.2), (shift, 0, 0.1)):
        quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        expected = centre + width * np.array([-1, -0.5, 0, 0.5, 1])
        np.testing.assert_allclose(quartiles, expected, atol=0.15 * width)
        assert abs(values - centre).max() <= width + 1e-5
    plain = Augmentation.none().grey_values(images, inside, np.random.default_rng(0))
    assert torch.equal(plain, images * inside)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"area": (0.0, 1.0)}, "area"),
        ({"aspect": (2.0, 1.0)}, "aspect"),
        ({"flip": 1.5}, "probability"),
        ({"rotation": -1.0}, "rotation must not be negative"),
        ({"elastic_points": 1}, "2 or more"),
    ],
)
def test_what_cannot_be_is_refused(parameters, words):
    with pytest.raises(ParameterError, match=words):
        Augmentation(**parameters)
