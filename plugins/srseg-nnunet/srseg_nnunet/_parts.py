"""The parts of nnU-Net that are used, in one place: importing them takes seconds, and prints."""

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
    ExperimentPlanner,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.normalization.default_normalization_schemes import CTNormalization
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

__all__ = [
    "CTNormalization",
    "ExperimentPlanner",
    "PlainConvUNet",
    "PlansManager",
    "nnUNetDataLoader",
    "nnUNetPredictor",
    "nnUNetTrainer",
]
