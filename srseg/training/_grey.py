"""What detectors and reconstruction do to grey values: changes of one patch, in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_RINGS = 8
_FADING = 0.05  # radians over which an arc ends


def apply_gamma(image: NDArray[np.float32], largest: float, generator: np.random.Generator) -> None:
    """Raise grey values to a power, evenly drawn in the logarithm.

    Parameters
    ----------
    image : ndarray of shape (H, W), float32
        The patch.
    largest : float
        The power lies between ``1 / (1 + largest)`` and ``1 + largest``.
    generator : numpy.random.Generator
        Where the randomness comes from.
    """
    most = math.log1p(largest)
    power = math.exp(generator.uniform(-most, most))
    np.clip(image, 0, 1, out=image)
    np.power(image, np.float32(power), out=image)


def blur(image: NDArray[np.float32], largest: float, generator: np.random.Generator) -> None:
    """Blur with a Gaussian.

    Parameters
    ----------
    image : ndarray of shape (H, W), float32
        The patch.
    largest : float
        Largest standard deviation, in pixels.
    generator : numpy.random.Generator
        Where the randomness comes from.
    """
    ndimage.gaussian_filter(
        image, generator.uniform(0, largest), output=image, mode="nearest", truncate=3
    )


def add_noise(image: NDArray[np.float32], largest: float, generator: np.random.Generator) -> None:
    """Add white noise.

    Parameters
    ----------
    image : ndarray of shape (H, W), float32
        The patch.
    largest : float
        Largest standard deviation, on the scale [0, 1].
    generator : numpy.random.Generator
        Where the randomness comes from.
    """
    noise = generator.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(generator.uniform(0, largest))
    image += noise


def add_rings(image: NDArray[np.float32], largest: float, generator: np.random.Generator) -> None:
    """Add what faulty pixels of a detector leave in a slice: arcs about the axis of rotation.

    Up to eight arcs, one to a few pixels wide, about a centre up to two edges away from the
    middle of the patch; they end where a random sector ends.

    Parameters
    ----------
    image : ndarray of shape (H, W), float32
        The patch.
    largest : float
        Largest strength of an arc, on the scale [0, 1]; brighter and darker alike.
    generator : numpy.random.Generator
        Where the randomness comes from.
    """
    size = max(image.shape)
    away, angle = generator.uniform(0, 2 * size), generator.uniform(0, 2 * math.pi)
    rows = np.arange(image.shape[0], dtype=np.float32) - (image.shape[0] - 1) / 2
    columns = np.arange(image.shape[1], dtype=np.float32) - (image.shape[1] - 1) / 2
    rows = (rows - np.float32(away * math.sin(angle)))[:, None]
    columns = (columns - np.float32(away * math.cos(angle)))[None]
    radius = np.sqrt(rows * rows + columns * columns)
    # the profile along the radius, one pixel before its first value and two after its last
    first = math.floor(float(radius.min()))
    at = np.arange(math.ceil(float(radius.max())) - first + 2)
    profile = np.zeros(len(at))
    for _ in range(generator.integers(1, _MOST_RINGS + 1)):
        middle, width = generator.uniform(0, len(at)), generator.uniform(0.5, 1.5)
        strength = generator.uniform(-largest, largest)
        profile += strength * np.exp(-0.5 * ((at - middle) / width) ** 2)
    # the sector lies about the direction of a random pixel
    row, column = (float(line.ravel()[generator.integers(line.size)]) for line in (rows, columns))
    towards = math.hypot(row, column) or 1.0
    half = generator.uniform(0, math.pi)
    cosine = rows * np.float32(row / towards) + columns * np.float32(column / towards)
    cosine /= np.maximum(radius, np.float32(1e-3))
    shown = np.clip((cosine - math.cos(half)) / _FADING, 0, 1)
    radius -= np.float32(first)
    below = radius.astype(np.intp)
    radius -= below
    steps = np.diff(profile).astype(np.float32)
    found = np.take(profile.astype(np.float32), below)
    found += np.take(steps, below) * radius
    image += found * shown
