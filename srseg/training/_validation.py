"""Slices of held-out samples, on which training is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.metrics import confusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes import Plane
    from srseg.training._patches import LabelledVolume

_CENTRE = 992  # the paper validates on the centre crop of 992 x 992


class ValidationSlices:
    """Centre crops of slices spread evenly over held-out volumes (paper, Implementation).

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        Held-out volumes.
    planes : sequence of Plane
        Planes along the axes.
    stride : int
        Crops are padded at the bottom and right to a multiple of it, with unlabelled pixels.
    n_slices : int, default=24
        Number of slices over all volumes and planes, at the least one each; only slices with a
        labelled pixel are chosen.

    Raises
    ------
    TrainingError
        If no slice of a volume has a labelled pixel.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        planes: Sequence[Plane],
        stride: int,
        n_slices: int = 24,
    ) -> None:
        each = max(1, round(n_slices / (len(volumes) * len(planes))))
        self._slices: list[tuple[Tensor, Tensor]] = []
        for volume in volumes:
            before = len(self._slices)
            for plane in planes:
                self._add(volume, plane.stacking, each, stride)
            if len(self._slices) == before:
                raise TrainingError(
                    f"{volume.name or 'a held-out volume'} has no labelled voxel in the middle "
                    f"{_CENTRE} pixels of its slices, so nothing can be validated on it; label "
                    "some, or hold out another sample"
                )

    def _add(self, volume: LabelledVolume, axis: int, each: int, stride: int) -> None:
        """Keep `each` slices along an axis, spread evenly over those with a labelled pixel."""
        image, classes = (
            np.moveaxis(a, axis, 0)[:, *_centre(a.shape, axis)]
            for a in (volume.image, volume.classes)
        )
        labelled = np.flatnonzero(classes.min(axis=(1, 2)) != UNLABELLED)
        # the middle of `each` equal parts: no slice at the very end
        chosen = ((np.arange(each) + 0.5) * len(labelled) / each).astype(int)
        padding = [(0, -n % stride) for n in image.shape[1:]]
        for index in labelled[np.unique(chosen)] if len(labelled) else ():
            pixels = np.pad(image[index].astype(np.float32, copy=False), padding)
            truth = np.pad(classes[index], padding, constant_values=UNLABELLED)
            self._slices.append(
                (torch.from_numpy(pixels)[None, None], torch.from_numpy(truth)[None])
            )

    def __len__(self) -> int:
        return len(self._slices)

    def score(
        self, network: torch.nn.Module, n_classes: int, device: torch.device
    ) -> tuple[float, NDArray[np.int64]]:
        """Judge a network.

        Parameters
        ----------
        network : torch.nn.Module
            Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W); put into eval mode.
        n_classes : int
            Number of classes K.
        device : torch.device
            Where the network is.

        Returns
        -------
        loss : float
            Mean cross-entropy over the labelled pixels.
        confusion : ndarray of shape (K, K)
            Pixels by true and predicted class.
        """
        network.eval()
        total, pixels = 0.0, 0
        counts = np.zeros((n_classes, n_classes), np.int64)
        with torch.inference_mode():
            for image, classes in self._slices:
                logits = network(image.to(device)).float().cpu()
                total += float(
                    functional.cross_entropy(
                        logits, classes.long(), ignore_index=UNLABELLED, reduction="sum"
                    )
                )
                pixels += int((classes != UNLABELLED).sum())
                counts += confusion(
                    classes.numpy(), logits.argmax(1).to(torch.uint8).numpy(), n_classes
                )
        return total / pixels, counts


def _centre(shape: Sequence[int], axis: int) -> tuple[slice, slice]:
    """Give the centre crop of the slices along an axis."""
    starts = [max(0, (n - _CENTRE) // 2) for i, n in enumerate(shape) if i != axis]
    rows, columns = (slice(start, start + _CENTRE) for start in starts)
    return rows, columns
