"""The running average of a network's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    import torch

    from srseg.training._recipes import Recipe


def running_average(network: torch.nn.Module, recipe: Recipe) -> AveragedModel | None:
    """Begin the running average that a recipe asks for.

    Parameters
    ----------
    network : torch.nn.Module
        Whose weights are averaged.
    recipe : Recipe
        Says how long the average remembers.

    Returns
    -------
    AveragedModel or None
        To be updated after each step; None where the recipe has no average.
    """
    if not recipe.averaging:
        return None
    # no longer a memory than a tenth of the training, or a short one would keep its first weights
    decay = min(recipe.averaging, 1 - 10 / max(recipe.max_iter, 20))
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def weights_of(network: Any) -> dict[str, Any]:
    """Give the weights of a network, or those that an average of it has.

    Parameters
    ----------
    network : torch.nn.Module
        The network, or its running average.

    Returns
    -------
    dict of str to Tensor
        As the network names them.
    """
    plain = network.module if isinstance(network, AveragedModel) else network
    weights: dict[str, Any] = plain.state_dict()
    return weights
