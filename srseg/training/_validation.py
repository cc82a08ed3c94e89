"""Slices of held-out samples, on which training is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch.nn import functional

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.metrics import confusion
from srseg.progress import task
from srseg.training._sources import read_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes import Plane
    from srseg.training._patches import LabelledVolume
    from srseg.volumes import VoxelSource

_AT_ONCE = 64  # slices: as many as tiles of files have
_CENTRE = 992  # the paper validates on the centre crop of 992 x 992


class Validation(Protocol):
    """What judges a network while it is trained."""

    def score(
        self, network: torch.nn.Module, n_classes: int, device: torch.device
    ) -> tuple[float, NDArray[np.int64]]:
        """Judge a network.

        Parameters
        ----------
        network : torch.nn.Module
            The network, on its device.
        n_classes : int
            Number of classes K.
        device : torch.device
            The device.

        Returns
        -------
        loss : float
            Mean loss over held-out pixels.
        confusion : ndarray of shape (K, K)
            Pixels by true and predicted class.
        """


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
        rows, columns = _centre(volume.image.shape, axis)
        labelled = _labelled(volume.classes, axis, rows, columns)
        # the middle of `each` equal parts: no slice at the very end
        chosen = ((np.arange(each) + 0.5) * len(labelled) / each).astype(int)
        for index in labelled[np.unique(chosen)].tolist() if len(labelled) else ():
            image, classes = (
                read_slice(a, axis, index, rows, columns) for a in (volume.image, volume.classes)
            )
            padding = [(0, -n % stride) for n in image.shape]
            pixels = np.pad(image.astype(np.float32, copy=False), padding)
            truth = np.pad(classes, padding, constant_values=UNLABELLED)
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

        Raises
        ------
        srseg.progress.Stopped
            If it was asked to stop between two slices.
        """
        return judge(network, self._slices, n_classes, device)


def judge(
    network: torch.nn.Module,
    pairs: Sequence[tuple[Tensor, Tensor]],
    n_classes: int,
    device: torch.device,
) -> tuple[float, NDArray[np.int64]]:
    """Judge a network on images, one after the other.

    Parameters
    ----------
    network : torch.nn.Module
        Slices or boxes of shape (1, 1, …) to logits of shape (1, K, …); put into eval mode.
    pairs : sequence of (Tensor of shape (1, 1, …), Tensor of shape (1, …))
        Grey values, float32, and positions in the label table, uint8; 255 where unlabelled.
    n_classes : int
        Number of classes K.
    device : torch.device
        Where the network is.

    Returns
    -------
    loss : float
        Mean cross-entropy over what is labelled.
    confusion : ndarray of shape (K, K)
        Pixels or voxels by true and predicted class.

    Raises
    ------
    srseg.progress.Stopped
        If it was asked to stop between two images.
    """
    network.eval()
    total, pixels = 0.0, 0
    counts = np.zeros((n_classes, n_classes), np.int64)
    with torch.inference_mode(), task("validating", len(pairs)) as progress:
        for image, classes in pairs:
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
            progress.advance()
    return total / pixels, counts


def _labelled(classes: VoxelSource, axis: int, rows: slice, columns: slice) -> NDArray[np.intp]:
    """Find the slices along an axis that have a labelled pixel in their middle."""
    box = [rows, columns]
    box.insert(axis, slice(0, classes.shape[axis]))
    others = tuple(i for i in range(3) if i != axis)
    found = []
    for start in range(box[0].start, min(box[0].stop, classes.shape[0]), _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, box[0].stop, classes.shape[0]))
        there = np.asarray(classes[part, box[1], box[2]]) != UNLABELLED
        found.append(there.any(axis=others))
    return np.flatnonzero(np.concatenate(found) if axis == 0 else np.any(found, axis=0))


def _centre(shape: Sequence[int], axis: int) -> tuple[slice, slice]:
    """Give the centre crop of the slices along an axis."""
    starts = [max(0, (n - _CENTRE) // 2) for i, n in enumerate(shape) if i != axis]
    rows, columns = (slice(start, start + _CENTRE) for start in starts)
    return rows, columns
