"""Training a network on patches from the slices of labelled volumes (paper, Implementation)."""

from srseg.training._augmentation import Augmentation
from srseg.training._checkpoint import Checkpoint, iterations_done, kept_history
from srseg.training._history import History
from srseg.training._log import CsvLog, TensorBoardLog, TrainingLog, logging_to
from srseg.training._loop import train_network
from srseg.training._losses import Loss, get_loss, list_losses
from srseg.training._patches import Batch, LabelledVolume, PatchSampler, Sampler
from srseg.training._places import voxels_by_class
from srseg.training._processes import Processes, find_processes, is_main
from srseg.training._recipes import Recipe, get_recipe, list_recipes
from srseg.training._sealed import damage_in, digest, fits_header, sealed_header, write_tensors
from srseg.training._tiles import TiledArray
from srseg.training._validation import Validation, ValidationSlices, judge

__all__ = [
    "Augmentation",
    "Batch",
    "Checkpoint",
    "CsvLog",
    "History",
    "LabelledVolume",
    "Loss",
    "PatchSampler",
    "Processes",
    "Recipe",
    "Sampler",
    "TensorBoardLog",
    "TiledArray",
    "TrainingLog",
    "Validation",
    "ValidationSlices",
    "damage_in",
    "digest",
    "find_processes",
    "fits_header",
    "get_loss",
    "get_recipe",
    "is_main",
    "iterations_done",
    "judge",
    "kept_history",
    "list_losses",
    "list_recipes",
    "logging_to",
    "sealed_header",
    "train_network",
    "voxels_by_class",
    "write_tensors",
]
