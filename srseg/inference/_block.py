"""Predicting a volume block by block, each with what surrounds it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from srseg.inference._function import OfFunction, require_probabilities
from srseg.planes import WANTED, BoxCut, SurroundedBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

BLOCK_VOXELS = 4_000_000


class BlockFunction(Protocol):
    """What gives probabilities for boxes of a volume."""

    def __call__(self, block: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Turn a box of shape (z, y, x) into probabilities of shape (K, z, y, x)."""


class BlockPredictor(OfFunction):
    """A function that predicts boxes, each given with a margin, checked: it may be a plugin's.

    Parameters
    ----------
    function : callable
        Boxes of shape (z, y, x), float32 in C order, to probabilities of shape (K, z, y, x). One
        that has a parameter ``wanted`` is given the slices of the part that counts there.
    n_classes : int
        Number of classes K.
    reach : int, optional
        The margin: how far a voxel can influence another; None gives the function all of the
        volume.
    voxels : int
        How many voxels a box has at most, with its margin (more, where the margin is wide: then
        what is labelled of it is twice as thick as the margin).
    stride : int, default=1
        What the position of a box's first voxel is a multiple of.

    Attributes
    ----------
    edge : int
        How many voxels of a box are labelled at most along each axis; 0 for all of the volume.
    device : torch.device
        The CPU; where the function computes is its own affair.
    runtime, precision : str
        ``"function"`` and ``"its own"``.
    notes : list of str
        Nothing to say.

    Raises
    ------
    PluginError
        When it is called and gives something other than probabilities of the expected shape.

    Examples
    --------
    >>> half = BlockPredictor(lambda x: np.stack([1 - x, x]), n_classes=2, reach=0, voxels=32768)
    >>> half.edge, half.cut((40, 32, 32)).pixels(1)
    (32, 40960)
    """

    def __init__(
        self,
        function: BlockFunction,
        n_classes: int,
        reach: int | None,
        voxels: int = BLOCK_VOXELS,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self._function: Any = function
        self._says_wanted = "wanted" in inspect.signature(function).parameters
        self._n_classes = n_classes
        self._reach = reach
        self._stride = stride
        self.edge = 0
        if reach is not None:
            edge = max(round(voxels ** (1 / 3)) - 2 * reach, 2 * reach, WANTED)
            # tiles of votes have edges of 32 or 64: such that few belong to several boxes
            unit = 2 * WANTED if edge >= 4 * WANTED else WANTED
            self.edge = edge // unit * unit

    def cut(self, shape: Sequence[int], wanted: NDArray[np.bool_] | None = None) -> BoxCut:
        """Cut a volume into the boxes that the function is given.

        Parameters
        ----------
        shape : sequence of int
            Shape (Z, Y, X) of the volume.
        wanted : ndarray of bool, optional
            Where labels are wanted, in blocks of ``srseg.planes.WANTED`` voxels.

        Returns
        -------
        BoxCut
            The boxes.
        """
        return BoxCut(shape, edge=self.edge, reach=self._reach, stride=self._stride, wanted=wanted)

    def batch_size(self, height: int, width: int) -> int:  # noqa: ARG002
        """Tell how many slices a box has at most.

        Parameters
        ----------
        height, width : int
            Size of the slices in pixels.

        Returns
        -------
        int
            The same for every size.
        """
        return self.edge

    def __call__(self, box: Tensor | SurroundedBox, /) -> Tensor:
        """Predict a box.

        Parameters
        ----------
        box : Tensor of shape (z, y, x), float32, or SurroundedBox
            Normalised grey values.

        Returns
        -------
        Tensor of shape (z, K, y, x), float32
            Probabilities: slices along z come first, as where slices are predicted.
        """
        box, wanted = box if isinstance(box, SurroundedBox) else (box, None)
        values = np.ascontiguousarray(box.numpy())
        known = {"wanted": wanted} if self._says_wanted else {}
        found = np.asarray(self._function(values, **known))
        require_probabilities(found, (self._n_classes, *values.shape), "voxels", "(K, Z, Y, X)")
        shares = np.require(found, np.float32, ["C", "W"])
        return torch.from_numpy(shares).transpose(0, 1)
