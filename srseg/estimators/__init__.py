"""The scikit-learn face: estimators that take scans with labels and label every voxel."""

from srseg.estimators._ensemble import MultiAxisEnsemble
from srseg.estimators._model_file import load_model
from srseg.estimators._part import SamplePart
from srseg.estimators._prediction import Prediction
from srseg.estimators._protocol import SliceSegmenter
from srseg.estimators._segmenter import VolumeSegmenter
from srseg.estimators._voting import predict_together

__all__ = [
    "MultiAxisEnsemble",
    "Prediction",
    "SamplePart",
    "SliceSegmenter",
    "VolumeSegmenter",
    "load_model",
    "predict_together",
]
