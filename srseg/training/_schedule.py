"""The learning rate, iteration by iteration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from srseg.training._recipes import Recipe


class Schedule:
    """Sets the rate of an optimizer as a recipe says.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Whose rate is set.
    recipe : Recipe
        The schedule, the largest rate, and how long the whole takes.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Recipe) -> None:
        self._optimizer = optimizer
        self._recipe = recipe
        self.last_cut = 0
        self.value = recipe.learning_rate

    def before(self, iteration: int) -> None:
        """Set the rate of an iteration.

        Parameters
        ----------
        iteration : int
            Its number, from 1.
        """
        if self._recipe.schedule == "one-cycle":
            self.value = self._recipe.learning_rate * _one_cycle(iteration, self._recipe.max_iter)
        for group in self._optimizer.param_groups:
            group["lr"] = self.value

    def after(self, iteration: int, best_iter: int) -> None:
        """Halve the rate where validation has not found anything better for too long.

        Parameters
        ----------
        iteration : int
            The number of the iteration that was validated.
        best_iter : int
            That with the best validation loss.
        """
        patience = self._recipe.patience
        if (
            self._recipe.schedule == "plateau"
            and patience is not None
            and iteration - max(best_iter, self.last_cut) >= patience
        ):
            self.value /= 2
            self.last_cut = iteration


def _one_cycle(iteration: int, max_iter: int) -> float:
    """Rise linearly over the first tenth, then fall to zero along a cosine."""
    rise = max(1, max_iter // 10)
    if iteration <= rise:
        return iteration / rise
    return 0.5 * (1 + math.cos(math.pi * (iteration - rise) / max(1, max_iter - rise)))
