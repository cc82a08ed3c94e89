"""MONAI's V-Net, built and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIDE = 16  # four times half the size
LARGEST = 512  # voxels of a box along each axis: more fits into no memory


def build_vnet(n_classes: int, dropout: float, seed: int) -> nn.Module:
    """Build a V-Net (Milletari, Navab and Ahmadi 2016) with first weights drawn from a seed.

    Parameters
    ----------
    n_classes : int
        Number K of classes.
    dropout : float
        Share of channels that is dropped in the coarser half of the levels while it is trained.
    seed : int
        Where first weights come from; torch's global random state stays as it was.

    Returns
    -------
    torch.nn.Module
        Boxes of shape (N, 1, Z, Y, X), multiples of 16, to logits of shape (N, K, Z, Y, X).
    """
    # it takes seconds to import, which nobody should wait for who only looks at names
    from monai.networks.nets import VNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = VNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=n_classes,
            # in place it would change what autograd still needs
            act=("elu", {"inplace": True}),
            dropout_prob_down=dropout,
            dropout_prob_up=(dropout, dropout),
        )
    return network


def restore_vnet(n_classes: int, weights: Mapping[str, Any]) -> nn.Module:
    """Build a V-Net of weights from a file: no memory is taken for any that are not there.

    Parameters
    ----------
    n_classes : int
        Number K of classes.
    weights : mapping of str to ndarray
        The weights; they are copied.

    Returns
    -------
    torch.nn.Module
        In eval mode.

    Raises
    ------
    RuntimeError
        If one is missing, foreign or of another shape.
    ValueError
        If one has another type of numbers.
    """
    with torch.device("meta"):
        network = build_vnet(n_classes, 0.5, 0)  # dropout has no weights
    found = {name: torch.tensor(value) for name, value in weights.items()}
    network.load_state_dict(found, assign=True)
    for name, value in network.state_dict().items():
        wanted = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        if value.dtype != wanted:
            raise ValueError(f"{name} is of {value.dtype}, which is not {wanted}")
    return network.eval()
