"""From attenuation to the grey values of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from srseg.phantoms._noise import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.phantoms._beamline import Beamline

__all__ = ["take_scan"]


def take_scan(
    attenuation: NDArray[np.float32],
    density: NDArray[np.float32],
    step: float,
    beamline: Beamline,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Image a sample as a beamline would, up to the reconstruction.

    The order is that of the physics: blur and propagation fringes belong to the sample's picture;
    rings, noise and shading come from detector and reconstruction and are not blurred.

    Parameters
    ----------
    attenuation : ndarray of float32, of shape (Z, Y, X)
        Linear attenuation coefficients in 1/cm; overwritten.
    density : ndarray of float32, of the same shape
        Mass density in g/cm³, to which the phase shift is nearly proportional.
    step : float
        Attenuation step between bone and marrow, in 1/cm: the strengths refer to it.
    beamline : Beamline
        Where the scan is made.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    ndarray of uint16, of the same shape
        Grey values, not normalised.
    """
    image = gaussian_filter(attenuation, beamline.blur, output=attenuation)
    # propagation adds -laplacian(phase): bright inside an edge, dark outside; a difference of two
    # Gaussians is the laplacian of the blurred phase
    edges = gaussian_filter(density, beamline.blur)
    edges -= gaussian_filter(density, 2 * beamline.blur)
    image += np.float32(beamline.fringe * step) * edges
    del edges
    step *= beamline.contrast
    image *= np.float32(beamline.contrast)
    image += np.float32(step * beamline.noise) * _noise(image.shape, rng)
    _add_rings(image, np.float32(step * beamline.ring), rng)
    image += np.float32(step * beamline.shading) * _shading(image.shape, rng)
    image *= np.float32(beamline.grey_scale * rng.uniform(0.95, 1.05))
    image += np.float32(beamline.grey_offset)
    return np.clip(np.rint(image, out=image), 0, 65535, out=image).astype(np.uint16)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of filtered back-projection: grainy, with little at low frequencies, worst amid."""
    white = rng.standard_normal(shape, dtype=np.float32)
    grain = gaussian_filter(white, 0.6)
    grain -= np.float32(0.8) * gaussian_filter(white, 1.5)
    grain /= grain.std(dtype=np.float64)
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape[1:])
    # rays through the middle are the most attenuated
    grain *= 1.12 - 0.2 * np.minimum(y[:, None] ** 2 + x**2, 1)
    return grain


def _add_rings(image: NDArray[np.float32], strength: np.float32, rng: np.random.Generator) -> None:
    """Add rings about the rotation axis, which change slowly from slice to slice."""
    centre = [(n - 1) / 2 + 0.02 * n * rng.uniform(-1, 1) for n in image.shape[1:]]
    y, x = (np.arange(n) - c for n, c in zip(image.shape[1:], centre, strict=True))
    distance = np.hypot(y[:, None], x)
    n_radii = int(distance.max()) + 2
    profile = smooth_field(rng, (image.shape[0], n_radii), (12.0, 1.0))
    # few detector columns are bad, and some are very bad
    profile *= rng.standard_exponential(n_radii, dtype=np.float32)
    # half as strong far outside: an error in one column is spread over a longer circle
    profile *= strength / np.sqrt(1 + np.arange(n_radii, dtype=np.float32) / (n_radii / 8))
    nearest = distance.astype(np.intp)
    part = (distance - nearest).astype(np.float32)
    for slice_, row in zip(image, profile, strict=True):
        slice_ += row[nearest] * (1 - part) + row[nearest + 1] * part


def _shading(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Slow shading, and the cup that beam hardening leaves."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape[1:])
    shade = smooth_field(rng, shape, 0.5 * max(shape))
    shade += 1.2 * (y[:, None] ** 2 + x**2 - 0.7)
    return shade
