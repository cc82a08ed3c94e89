"""What scans a model has seen, so that it can say when a new one is different."""

from __future__ import annotations

import math
import numbers
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.estimators._callers import callers_level
from srseg.preprocessing import seen_voxels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from srseg.volumes import Grid, Sample, Volume, VoxelSource

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_VOXEL_SIZE = 1.1  # a scan may be this much coarser or finer than any that was seen
_ENERGY = 1.1
_GREY = 0.15  # and its grey values this much darker or brighter, on the scale [0, 1]
_OVERVIEW = 32  # slices that tell of the histogram of all
_PIXELS = 200_000  # quantiles of a regular sample of that many voxels


@dataclass(frozen=True)
class Domain:
    """Ranges over the scans that a model was trained on.

    Parameters
    ----------
    voxel_size : tuple of float
        Smallest and largest voxel size of the scans before resampling, in µm.
    energy : tuple of float, optional
        Lowest and highest photon energy, in keV; None where no scan stated it.
    grey_values : tuple of (float, float)
        Range of each of five quantiles of the normalised grey values.
    """

    voxel_size: tuple[float, float]
    energy: tuple[float, float] | None
    grey_values: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, scans: Iterable[tuple[Sample, VoxelSource, NDArray[np.bool_] | None]]) -> Domain:
        """Look at the scans that a model is trained on.

        Parameters
        ----------
        scans : iterable of (Sample, VoxelSource, ndarray of bool or None)
            Each sample with its normalised volume of shape (Z, Y, X), and which voxels were seen
            (None: all).

        Returns
        -------
        Domain
            The ranges.
        """
        sizes: list[float] = []
        energies, quantiles = [], []
        for sample, image, seen in scans:
            sizes += sample.scan_grid.voxel_size
            energies.append(_energy_of(sample))
            quantiles.append(_quantiles(image, seen))
        known = [energy for energy in energies if energy is not None]
        low, high = np.min(quantiles, axis=0).tolist(), np.max(quantiles, axis=0).tolist()
        return cls(
            (min(sizes), max(sizes)),
            (min(known), max(known)) if known else None,
            tuple(zip(low, high, strict=True)),
        )

    def __or__(self, other: Domain) -> Domain:
        """Give the ranges over the scans of both."""
        known = [energy for energy in (self.energy, other.energy) if energy is not None]
        return Domain(
            _over(self.voxel_size, other.voxel_size),
            _over(*known) if known else None,
            tuple(map(_over, self.grey_values, other.grey_values)),
        )

    def differences(
        self,
        sample: Sample,
        image: NDArray[Any],
        voxel_size: float,
        seen: NDArray[np.bool_] | None = None,
    ) -> list[str]:
        """Say in what a scan lies outside of what was seen.

        Parameters
        ----------
        sample : Sample
            The sample.
        image : ndarray of shape (Z, Y, X)
            Its normalised volume.
        voxel_size : float
            The model's voxel size in µm; a scan that has it needs no resampling.
        seen : ndarray of bool, optional
            Which voxels the scan saw; all where it is None.

        Returns
        -------
        list of str
            One phrase for each difference.
        """
        found = []
        low, high = self.voxel_size
        sizes = sample.scan_grid.voxel_size
        resampled = not all(math.isclose(size, voxel_size, rel_tol=1e-6) for size in sizes)
        if resampled and not low / _VOXEL_SIZE <= min(sizes) <= max(sizes) <= high * _VOXEL_SIZE:
            found.append(f"its voxel size of {max(sizes):g} µm (training: {_range(low, high)} µm)")
        energy = _energy_of(sample)
        if energy is not None and self.energy is not None:
            low, high = self.energy
            if not low / _ENERGY <= energy <= high * _ENERGY:
                found.append(f"its energy of {energy:g} keV (training: {_range(low, high)} keV)")
        for share, value, (low, high) in zip(
            _QUANTILES, _quantiles(image, seen), self.grey_values, strict=True
        ):
            if not low - _GREY <= value <= high + _GREY:
                found.append(
                    f"its histogram ({share:.0%} of its voxels lie below {value:.2f} after "
                    f"normalisation; training: {_range(low, high)})"
                )
                break  # one quantile tells as much as five
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give the ranges as plain data for JSON.

        Returns
        -------
        dict
            Keys ``voxel_size_um``, ``energy_kev``, ``grey_values``.
        """
        return {
            "voxel_size_um": list(self.voxel_size),
            "energy_kev": None if self.energy is None else list(self.energy),
            "grey_values": [list(pair) for pair in self.grey_values],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Domain:
        """Read the ranges; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        Domain
            The ranges.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the data are none.
        """
        energy, grey_values = data["energy_kev"], data["grey_values"]
        if len(grey_values) != len(_QUANTILES):
            raise ValueError(f"{len(_QUANTILES)} ranges of grey values, found {len(grey_values)}")
        return cls(
            _pair(data["voxel_size_um"]),
            None if energy is None else _pair(energy),
            tuple(_pair(pair) for pair in grey_values),
        )


def read_voxel_size(value: Any) -> float | None:
    """Take the voxel size of a model from a file.

    Parameters
    ----------
    value : float or None
        What the file says, in µm; None where the model keeps that of each scan.

    Returns
    -------
    float or None
        The same. What is no positive length raises ValueError, or TypeError.
    """
    if value is None:
        return None
    size = float(value)
    if not (math.isfinite(size) and size > 0):
        raise ValueError(f"voxel_size_um is a positive length, found {value!r}")
    return size


def overview(volume: Volume, scan_grid: Grid) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Give slices spread over a prepared scan, to compare its grey values with others'.

    Parameters
    ----------
    volume : Volume
        The prepared scan.
    scan_grid : Grid
        Where the scan's own voxels lie.

    Returns
    -------
    tuple of ndarray of shape (n, y, x) and ndarray of bool or None
        Of up to 32 slices, a regular sample of at most 700,000 voxels, normalised, and which of
        them the scan saw (None: all). One slice at a time is in memory.
    """
    depth, *plane = volume.shape
    n = min(depth, _OVERVIEW)
    at = ((np.arange(n) + 0.5) * depth / n).astype(int)
    rows, columns = (slice(0, size) for size in plane)
    step = _step((n, *plane))
    image, seen = [], []
    for z in at[::step].tolist():
        region = (slice(z, z + 1), rows, columns)
        image.append(volume.read(region)[:, ::step, ::step].copy())
        inside = seen_voxels(volume, scan_grid, region)
        shown = np.ones((1, 1, 1), bool) if inside is None else inside[:, ::step, ::step]
        seen.append(np.broadcast_to(shown, image[-1].shape).copy())
    joined = np.concatenate(image)
    if all(part.all() for part in seen):
        return joined, None
    return joined, np.concatenate(seen)


def warn_if_foreign(segmenter: Any, sample: Sample, volume: Volume) -> None:
    """Warn when a scan lies outside of what a model has seen.

    Parameters
    ----------
    segmenter : SliceSegmenter
        The model; one without ``domain_`` (a plugin's) never warns.
    sample : Sample
        The sample; of a `SamplePart` the whole is looked at, as it was of the training scans.
    volume : Volume
        Its normalised volume, of which some slices are read.

    Warns
    -----
    UserWarning
        If voxel size, energy or histogram are outside the ranges of the training scans.
    """
    domain: Domain | None = getattr(segmenter, "domain_", None)
    if domain is None or segmenter.voxel_size_ is None:
        return
    own = getattr(sample, "overview", None)
    if own is not None:
        image, seen = own(segmenter.voxel_size_, segmenter.clip_)
    else:
        image, seen = overview(volume, sample.scan_grid)
    found = domain.differences(sample, image, segmenter.voxel_size_, seen)
    if found:
        warnings.warn(
            f"{sample.name} differs from the scans that the model was trained on in "
            f"{' and in '.join(found)}: look at the labels before you use them",
            stacklevel=callers_level(),
        )


def _energy_of(sample: Sample) -> float | None:
    energy = sample.metadata.get("energy_kev")
    return float(energy) if isinstance(energy, numbers.Real) else None


def _quantiles(image: VoxelSource, seen: NDArray[np.bool_] | None) -> list[float]:
    step = _step(image.shape)
    # slice by slice: it may lie in a file
    planes = (image[z : z + 1, slice(None), slice(None)] for z in range(0, image.shape[0], step))
    pixels = np.concatenate([np.asarray(plane)[:, ::step, ::step] for plane in planes])
    if seen is not None:
        counted = np.broadcast_to(seen, image.shape)[::step, ::step, ::step]
        pixels = pixels[counted] if counted.any() else pixels
    values: list[float] = np.quantile(pixels, _QUANTILES).tolist()
    return values


def _step(shape: tuple[int, ...]) -> int:
    """Give what every how many-th voxel along each axis is taken; of what was taken, all is."""
    return max(1, round(math.cbrt(math.prod(shape) / _PIXELS)))


def _over(*ranges: tuple[float, float]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _range(low: float, high: float) -> str:
    texts = f"{low:.4g}", f"{high:.4g}"
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _pair(values: Any) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)
