"""Named schedules of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from srseg.errors import UnknownNameError


@dataclass(frozen=True)
class Recipe:
    """How long to train and how fast to learn.

    Parameters
    ----------
    max_iter : int
        Largest number of iterations (batches).
    batch_size : int
        Patches in a batch.
    learning_rate : float
        Adam's largest learning rate.
    schedule : {"plateau", "one-cycle"}
        Whether the rate is halved after `patience` iterations without a better validation loss, or
        rises over the first tenth and then falls to zero along a cosine.
    validate_every : int
        Iterations between two validations; at most a tenth of `max_iter` is used.
    patience : int, optional
        For ``plateau``: iterations without a better validation loss until the rate is halved.
    stop_after : int, optional
        Iterations without a better validation loss until training stops; never where it is None.
    averaging : float, default=0.0
        Decay of the running average of the weights that is validated and kept; 0 for none.
    accumulate : int, default=1
        Into how many parts a batch is divided (in each process) that go through the network one
        after the other, so that a part has to fit into memory and not the batch. Batch norm
        normalises each part by itself.
    loss : str, default="cross-entropy"
        What is made small: a name for `get_loss`.
    """

    max_iter: int
    batch_size: int
    learning_rate: float
    schedule: Literal["plateau", "one-cycle"]
    validate_every: int
    patience: int | None = None
    stop_after: int | None = None
    averaging: float = 0.0
    accumulate: int = 1
    loss: str = "cross-entropy"


_RECIPES = {
    # the paper: Adam, 3e-4, batch 32, at most 1.5e6 iterations, halved after 1e4 without a better
    # validation loss, early stopping (its patience is not given: three halvings)
    "paper": Recipe(1_500_000, 32, 3e-4, "plateau", 1000, patience=10_000, stop_after=40_000),
    # many small batches rather than few large ones, and Dice: docs/results.md has the comparison
    "fast": Recipe(8000, 4, 2e-3, "one-cycle", 400, averaging=0.995, loss="cross-entropy+dice"),
}


def get_recipe(name: str) -> Recipe:
    """Give a recipe by name.

    Parameters
    ----------
    name : str
        One of `list_recipes`.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> get_recipe("paper").max_iter
    1500000
    """
    if name not in _RECIPES:
        raise UnknownNameError(f"no recipe {name!r}; there are: {', '.join(_RECIPES)}")
    return _RECIPES[name]


def list_recipes() -> list[str]:
    """List the names of the recipes.

    Returns
    -------
    list of str
        Names for `get_recipe`.
    """
    return list(_RECIPES)
