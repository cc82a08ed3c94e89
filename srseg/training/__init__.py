"""Training a network on patches from the slices of labelled volumes (paper, Implementation)."""

from srseg.training._augmentation import Augmentation
from srseg.training._loop import History, train_network
from srseg.training._patches import LabelledVolume, PatchSampler
from srseg.training._recipes import Recipe, get_recipe, list_recipes
from srseg.training._validation import ValidationSlices

__all__ = [
    "Augmentation",
    "History",
    "LabelledVolume",
    "PatchSampler",
    "Recipe",
    "ValidationSlices",
    "get_recipe",
    "list_recipes",
    "train_network",
]
