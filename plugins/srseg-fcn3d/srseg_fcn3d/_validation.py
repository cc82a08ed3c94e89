"""Boxes of held-out volumes, on which a 3D network is judged while it is trained."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.training import judge
from srseg_fcn3d._boxes import place_inside, read_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.training import LabelledVolume


class ValidationBoxes:
    """Boxes spread evenly over those parts of held-out volumes that have labels.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        Held-out volumes.
    edge : int
        Voxels of a box along each axis.
    n_boxes : int, default=16
        Number of boxes over all volumes, at the least one each.

    Raises
    ------
    TrainingError
        If a volume has no labelled voxel.
    """

    def __init__(self, volumes: Sequence[LabelledVolume], edge: int, n_boxes: int = 16) -> None:
        each = max(1, n_boxes // len(volumes))
        self._boxes: list[tuple[Tensor, Tensor]] = []
        for volume in volumes:
            labelled = [
                first for first in _lattice(volume, edge) if _has_label(volume, first, edge)
            ]
            if not labelled:
                raise TrainingError(
                    f"{volume.name or 'a held-out volume'} has no labelled voxel, so nothing can "
                    "be validated on it; label some, or hold out another sample"
                )
            # the middle of `each` equal parts
            chosen = ((np.arange(each) + 0.5) * len(labelled) / each).astype(int)
            for index in np.unique(chosen).tolist():
                image, classes, _ = read_box(volume, labelled[index], edge)
                self._boxes.append(
                    (torch.from_numpy(image)[None, None], torch.from_numpy(classes)[None])
                )

    def __len__(self) -> int:
        return len(self._boxes)

    def score(
        self, network: torch.nn.Module, n_classes: int, device: torch.device
    ) -> tuple[float, NDArray[np.int64]]:
        """Judge a network.

        Parameters
        ----------
        network : torch.nn.Module
            Boxes of shape (N, 1, Z, Y, X) to logits of shape (N, K, Z, Y, X); put into eval mode.
        n_classes : int
            Number of classes K.
        device : torch.device
            Where the network is.

        Returns
        -------
        loss : float
            Mean cross-entropy over the labelled voxels.
        confusion : ndarray of shape (K, K)
            Voxels by true and predicted class.
        """
        return judge(network, self._boxes, n_classes, device)


def _lattice(volume: LabelledVolume, edge: int) -> list[tuple[int, int, int]]:
    """Give the first voxels of boxes side by side; the last one ends with the volume."""
    starts = [[*range(0, n - edge, edge), place_inside(n, n, edge)] for n in volume.classes.shape]
    return [(z, y, x) for z, y, x in itertools.product(*starts)]


def _has_label(volume: LabelledVolume, first: Sequence[int], edge: int) -> bool:
    z, y, x = (slice(max(f, 0), f + edge) for f in first)
    return bool((np.asarray(volume.classes[z, y, x]) != UNLABELLED).any())
