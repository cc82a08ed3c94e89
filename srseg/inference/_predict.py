"""A volume through the planes: cut, predict, bring back, fuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from srseg.errors import PluginError
from srseg.inference._fusion import Fusion, Voting
from srseg.planes import Scatter
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.planes import Plane

_SLACK = 1e-3  # rounding, also in half precision
_SLAB = 16  # slices at a time: enough to keep the network busy, little beside the volume


class SliceFunction(Protocol):
    """What gives probabilities for slices."""

    def __call__(self, slices: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Turn slices of shape (n, H, W) into probabilities of shape (n, K, H, W)."""


def fuse_planes(
    predict: SliceFunction,
    image: NDArray[np.float32],
    planes: Sequence[Plane],
    *,
    n_classes: int,
    stride: int = 1,
    voting: Voting = "soft",
) -> Fusion:
    """Predict every slice of every plane and fuse the answers (paper, Eqs. 4 and 5).

    Slices are padded at the bottom and right with the normalised 0 to a multiple of `stride`, and
    cropped after.

    Parameters
    ----------
    predict : callable
        Slices of shape (n, H, W) to probabilities of shape (n, K, H, W).
    image : ndarray of shape (Z, Y, X), float32
        The normalised volume.
    planes : sequence of Plane
        The planes to fuse.
    n_classes : int
        Number of classes K.
    stride : int, default=1
        What height and width of the slices given to `predict` are a multiple of.
    voting : {"soft", "hard"}, default="soft"
        Mean of the probabilities, or mode of the planes' labels.

    Returns
    -------
    Fusion
        The votes; ask it for classes or probabilities, slab by slab.

    Raises
    ------
    PluginError
        If `predict` gives something other than probabilities of the expected shape.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.planes import standard_planes
    >>> image = np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5)
    >>> fusion = fuse_planes(
    ...     lambda slices: np.stack([1 - slices, slices], axis=1),
    ...     image, standard_planes(3), n_classes=2,
    ... )
    >>> bool((fusion.classes(0, 3) == (image > 0.5)).all())
    True
    """
    settings: list[tuple[Sequence[Plane], Voting]] = [(planes, voting)]
    return fuse_settings(predict, image, settings, n_classes=n_classes, stride=stride)[0]


def fuse_settings(
    predict: SliceFunction,
    image: NDArray[np.float32],
    settings: Sequence[tuple[Sequence[Plane], Voting]],
    *,
    n_classes: int,
    stride: int = 1,
) -> list[Fusion]:
    """Fuse several choices of planes and voting, predicting each plane once.

    Comparing one, three and nine planes with two ways of voting costs nine planes, not 25; each
    setting keeps its own votes in memory.

    Parameters
    ----------
    predict : callable
        Slices of shape (n, H, W) to probabilities of shape (n, K, H, W).
    image : ndarray of shape (Z, Y, X), float32
        The normalised volume.
    settings : sequence of (planes, voting)
        The choices to compare.
    n_classes : int
        Number of classes K.
    stride : int, default=1
        What height and width of the slices given to `predict` are a multiple of.

    Returns
    -------
    list of Fusion
        The votes of each setting, the same bits as `fuse_planes` gives.

    Raises
    ------
    PluginError
        If `predict` gives something other than probabilities of the expected shape.
    """
    shape = (image.shape[0], image.shape[1], image.shape[2])
    fusions = [
        Fusion(shape, n_classes=n_classes, n_planes=len(planes), voting=voting)
        for planes, voting in settings
    ]
    wanted = list(dict.fromkeys(plane for planes, _ in settings for plane in planes))
    total = sum(plane.stack_shape(shape)[0] for plane in wanted)
    with task("predicting", total) as progress:
        for plane in wanted:
            takers = [
                fusion
                for fusion, (planes, _) in zip(fusions, settings, strict=True)
                if plane in planes
            ]
            scatter = Scatter(plane, shape)
            for start, block in plane.iter_slabs(image, _SLAB):
                height, width = block.shape[1:]
                padded = np.pad(block, [(0, 0), (0, -height % stride), (0, -width % stride)])
                probabilities = predict(padded.astype(np.float32, copy=False))
                _require_probabilities(probabilities, (len(block), n_classes, *padded.shape[1:]))
                for target, values in scatter.add(start, probabilities[..., :height, :width]):
                    for fusion in takers:
                        fusion.add(target, values)
                progress.advance(len(block), f"plane {plane.name}")
    return fusions


def _require_probabilities(values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuse what would be garbage in integers: what slices are labelled by may be a plugin's."""
    found = np.shape(values)
    if found != shape:
        raise PluginError(
            f"slices were predicted as an array of shape {found}, expected (n, K, H, W) = {shape}; "
            "give one probability for each class of the label table at each pixel"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise PluginError(
            f"slices were predicted with values of {low:g} to {high:g}; give probabilities of 0 "
            "to 1 (not logits), none of them NaN"
        )
