"""Labelling a volume: slices of every plane through a network, fused into one answer a voxel."""

from srseg.inference._ballot import Ballot, Voting
from srseg.inference._block import BLOCK_VOXELS, BlockFunction, BlockPredictor
from srseg.inference._choices import choose_device, choose_precision, choose_runtime
from srseg.inference._engine import Poll, Predictor, predict_planes
from srseg.inference._function import FunctionPredictor, SliceFunction
from srseg.inference._fused import Fused
from srseg.inference._image import KeptImage, MemoryImage, ScratchImage
from srseg.inference._network import SlicePredictor
from srseg.inference._plan import PredictionPlan, duration
from srseg.inference._planner import plan_prediction
from srseg.inference._scratch_votes import ScratchVotes
from srseg.inference._session import PlanePrediction, kept_identity
from srseg.inference._stages import Stages
from srseg.inference._trial import measure
from srseg.inference._votes import MemoryVotes, Votes

__all__ = [
    "BLOCK_VOXELS",
    "Ballot",
    "BlockFunction",
    "BlockPredictor",
    "FunctionPredictor",
    "Fused",
    "KeptImage",
    "MemoryImage",
    "MemoryVotes",
    "PlanePrediction",
    "Poll",
    "PredictionPlan",
    "Predictor",
    "ScratchImage",
    "ScratchVotes",
    "SliceFunction",
    "SlicePredictor",
    "Stages",
    "Votes",
    "Voting",
    "choose_device",
    "choose_precision",
    "choose_runtime",
    "duration",
    "kept_identity",
    "measure",
    "plan_prediction",
    "predict_planes",
]
