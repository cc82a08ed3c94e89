"""Labels that are wrong the way those of the semi-automatic workflow (WF) are wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from srseg.errors import ParameterError
from srseg.labels import DEFAULT_LABELS
from srseg.phantoms._noise import smooth_field, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["degrade_labels", "systematic_share"]

_BONE, _LAYER, _METAL = 1, 2, 3
_WF_STREAM = 3


def degrade_labels(
    truth: NDArray[np.uint8], scan: NDArray[Any], *, quality: float, seed: int
) -> NDArray[np.uint8]:
    """Turn true labels into such as a hurried annotator makes with a semi-automatic workflow.

    Some errors are the same in every sample, so that a network trained on such labels learns them:

    - cracks and gaps in the degradation layer (DL) do not exist (paper, Discussion);
    - all boundaries are smoothed; bone comes out a little too thick, the residual material (RM) a
      little too large;
    - DL as bright as RM is called RM near their boundary, dark or thin RM is called DL;
    - fragments on the outside of the DL go to the background, or to bone where they touch it.

    The others depend on the sample, and nothing in the scan tells where they are, so that a
    network averages them out: boundaries wander smoothly, DL and RM are exchanged in patches and
    in single slices, trabeculae are missed, marrow is called bone.

    All lengths follow the radius of the implant in `truth`.

    Parameters
    ----------
    truth : ndarray of uint8, of shape (Z, Y, X)
        Exact labels with the values of `DEFAULT_LABELS`.
    scan : ndarray of shape (Z, Y, X)
        The grey values that the annotator sees.
    quality : float
        From 0 (poor) to 1, where nothing but the cracks is wrong. The lengths of all other errors
        are proportional to ``(1 - quality) ** 0.7``.
    seed : int
        Seed of what depends on the sample.

    Returns
    -------
    ndarray of uint8, of shape (Z, Y, X)
        The WF labels.

    Raises
    ------
    ParameterError
        If quality or seed is out of range, or the shapes differ.
    LabelError
        If `truth` holds other values than 0 to 3.

    Notes
    -----
    The sizes of the errors were chosen on phantoms of 96 voxels, half of them of each beamline:
    IoU against the truth, and the share of the errors that is the same in every sample
    (`systematic_share`).

    =========  ====  ====  ====  ====  ================
    quality    bone  DL    RM    mean  systematic share
    =========  ====  ====  ====  ====  ================
    0.25       0.74  0.46  0.70  0.63  0.49
    0.5        0.81  0.60  0.78  0.73  0.54
    0.75       0.92  0.76  0.90  0.86  0.66
    =========  ====  ====  ====  ====  ================

    With the chance part switched off, the labels of quality 0.5 reach 0.86, 0.72, 0.89 and 0.82:
    what a network that averages perfectly would learn.

    Examples
    --------
    >>> from srseg.phantoms import make_phantom
    >>> phantom = make_phantom(0, (48, 48, 48))
    >>> truth, scan = phantom.truth.read(), phantom.scan.read()
    >>> labels = degrade_labels(truth, scan, quality=0.75, seed=0)
    >>> bool((labels == truth).mean() > 0.9)
    True
    """
    _check(truth, scan, quality, seed)
    return _annotate(truth, scan, _amount(quality), stream(seed, _WF_STREAM))


def systematic_share(
    truth: NDArray[np.uint8], scan: NDArray[Any], *, quality: float, seed: int
) -> float:
    """Tell which share of the errors of `degrade_labels` does not depend on the sample's seed.

    Parameters
    ----------
    truth : ndarray of uint8, of shape (Z, Y, X)
        Exact labels.
    scan : ndarray of shape (Z, Y, X)
        The grey values that the annotator sees.
    quality : float
        As for `degrade_labels`.
    seed : int
        As for `degrade_labels`.

    Returns
    -------
    float
        Of the wrong voxels, the share that stays wrong in the same way when everything that
        depends on the sample is switched off.

    Raises
    ------
    ParameterError
        If quality or seed is out of range, or the shapes differ.
    """
    labels = degrade_labels(truth, scan, quality=quality, seed=seed)
    same = _annotate(truth, scan, _amount(quality), None)
    wrong = labels != truth
    n_wrong, n_same = int(np.count_nonzero(wrong)), int(np.count_nonzero(wrong & (labels == same)))
    return n_same / max(n_wrong, 1)


def _amount(quality: float) -> float:
    """Size of the errors: 1 at quality 0.5, for which the other numbers were chosen."""
    return float((2 * (1 - quality)) ** 0.7)


def _annotate(
    truth: NDArray[np.uint8],
    scan: NDArray[Any],
    amount: float,
    rng: np.random.Generator | None,
) -> NDArray[np.uint8]:
    """Label by thresholds on smoothed indicators, moved by grey values and, with rng, by chance."""
    implant = truth >= _LAYER
    radius = _radius(implant)
    box = _box(implant, margin=math.ceil(0.4 * radius))

    def blurred(mask: NDArray[np.bool_], length: float) -> NDArray[np.float32]:
        smooth: NDArray[np.float32] = ndimage.gaussian_filter(
            mask.astype(np.float32), length * radius * amount
        )
        return smooth

    bone = blurred(truth == _BONE, 0.08)
    labels = np.zeros(truth.shape, np.uint8)
    if rng is None:
        labels[bone > 0.5 - 0.1 * amount] = _BONE
    else:
        labels[bone > 0.5 - 0.1 * amount + _bone_chance(rng, truth.shape, radius, amount)] = _BONE
    if implant.any():
        part, filled = labels[box], _without_cracks(implant[box], 0.11 * radius)
        body = blurred(filled, 0.10)
        # an annotator leaves no gap between implant and bone, and where the two meet, bone wins
        near = bone[box]
        part[(near > 0.05) & (near + body > 0.9)] = _BONE
        body -= np.float32(0.3) * np.minimum(near, 0.5)
        metal = blurred(truth[box] == _METAL, 0.09)
        metal += np.float32(0.25 * amount) * _likeness(truth[box], scan[box], 0.06 * radius)
        if rng is not None:
            shape = part.shape
            body += np.float32(0.18 * amount) * smooth_field(rng, shape, 0.7 * radius)
            metal += np.float32(0.28 * amount) * smooth_field(rng, shape, 0.6 * radius)
            slices = smooth_field(rng, (shape[0], 1, 1), (max(0.12 * radius, 1.5), 1.0, 1.0))
            metal += np.where(np.abs(slices) > 1.5, np.sign(slices) * np.float32(0.25 * amount), 0)
        inside = body > 0.5
        part[inside] = _LAYER
        part[inside & (metal > 0.5 - 0.08 * amount)] = _METAL
    return labels if rng is None else _displaced(labels, rng, radius, amount)


def _radius(implant: NDArray[np.bool_]) -> float:
    """Radius of a disc as large as the implant in its middle slice by area."""
    areas = np.count_nonzero(implant, axis=(1, 2))
    used = areas[areas > 0]
    if not used.size:
        # bone alone: as large as an implant would be
        return 0.21 * float(min(implant.shape[1:]))
    return math.sqrt(float(np.median(used)) / math.pi)


def _box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    ranges = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(used[0]), int(used[-1])) if used.size else (0, -1)
        ranges.append(slice(max(first - margin, 0), min(last + margin + 1, mask.shape[axis])))
    return ranges[0], ranges[1], ranges[2]


def _without_cracks(implant: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Close what is narrower than twice the reach, and fill what is enclosed."""
    reach = max(reach, 1.0)
    near = ndimage.distance_transform_edt(~implant) <= reach
    closed = ndimage.distance_transform_edt(near) > reach
    closed |= implant
    outside, _ = ndimage.label(~closed)
    sizes = np.bincount(outside.ravel())
    sizes[0] = 0
    filled: NDArray[np.bool_] = outside != sizes.argmax()
    return filled


def _likeness(truth: NDArray[np.uint8], scan: NDArray[Any], length: float) -> NDArray[np.float32]:
    """Tell whether the smoothed grey value looks like DL (-0.5) or like RM (0.5)."""
    grey = ndimage.gaussian_filter(scan.astype(np.float32), max(length, 0.8))
    layer, metal = grey[truth == _LAYER], grey[truth == _METAL]
    if not (layer.size and metal.size):
        return np.zeros(truth.shape, np.float32)
    low, high = np.median(layer), np.median(metal)
    grey -= (low + high) / 2
    grey /= max(abs(high - low), np.finfo(np.float32).tiny) * np.sign(high - low or 1)
    return grey.clip(-1, 1, out=grey)


def _bone_chance(
    rng: np.random.Generator, shape: tuple[int, ...], radius: float, amount: float
) -> NDArray[np.float32]:
    """Move the threshold of bone by chance: lost trabeculae, marrow called bone."""
    shift = np.float32(0.03 * amount) * smooth_field(rng, shape, 0.7 * radius)
    lost = smooth_field(rng, shape, 0.8 * radius)
    shift[lost > 3.1 - 0.9 * amount] += min(2 * amount, 1)
    return shift


def _displaced(
    labels: NDArray[np.uint8], rng: np.random.Generator, radius: float, amount: float
) -> NDArray[np.uint8]:
    """Let the boundaries wander: each voxel takes the label a little way off."""
    moved = np.empty_like(labels)
    reach = np.float32(0.018 * amount * radius)
    fields = [smooth_field(rng, labels.shape, 0.5 * radius) for _ in range(3)]
    columns = np.ogrid[tuple(slice(0, n) for n in labels.shape)]
    for z in range(labels.shape[0]):
        index = [
            np.clip(np.rint(reach * f[z] + (z if a == 0 else c[0])), 0, n - 1).astype(np.intp)
            for a, (f, c, n) in enumerate(zip(fields, columns, labels.shape, strict=True))
        ]
        moved[z] = labels[index[0], index[1], index[2]]
    return moved


def _check(truth: NDArray[Any], scan: NDArray[Any], quality: float, seed: int) -> None:
    if truth.ndim != 3 or truth.shape != scan.shape:
        raise ParameterError(
            f"truth: labels of shape {truth.shape} do not fit the scan of shape {scan.shape}; "
            "give two volumes (z, y, x) of one shape"
        )
    DEFAULT_LABELS.check(truth, where="truth")
    if not 0 <= quality <= 1:
        raise ParameterError(f"quality: {quality} is not allowed; give 0 (poor) to 1 (good)")
    if seed < 0:
        raise ParameterError(f"seed: {seed} is negative; allowed are 0, 1, 2, …")
