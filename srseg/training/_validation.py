"""Slices of held-out samples, on which training is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

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
        Number of slices over all volumes and planes, at the least one each.
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
            for plane in planes:
                axis = plane.stacking
                count = volume.image.shape[axis]
                # the middle of `each` equal parts: no slice at the very end
                for index in ((np.arange(each) + 0.5) * count / each).astype(int):
                    self._add(
                        np.take(volume.image, index, axis),
                        np.take(volume.classes, index, axis),
                        stride,
                    )

    def _add(self, image: NDArray[np.float32], classes: NDArray[np.uint8], stride: int) -> None:
        crop = tuple(
            slice(max(0, (n - _CENTRE) // 2), max(0, (n - _CENTRE) // 2) + _CENTRE)
            for n in image.shape
        )
        image, classes = image[crop], classes[crop]
        if (classes == UNLABELLED).all():
            return
        padding = [(0, -n % stride) for n in image.shape]
        self._slices.append(
            (
                torch.from_numpy(np.pad(image, padding).astype(np.float32))[None, None],
                torch.from_numpy(np.pad(classes, padding, constant_values=UNLABELLED))[None],
            )
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
