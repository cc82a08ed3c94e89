"""The scikit-learn face: estimators that take scans with labels and label every voxel."""

from srseg.estimators._base import BaseSegmenter
from srseg.estimators._catalog import (
    create_segmenter,
    list_segmenters,
    register_segmenter,
    segmenter_class,
)
from srseg.estimators._ensemble import MultiAxisEnsemble
from srseg.estimators._fusing import fuse_planes
from srseg.estimators._identity import fingerprint, model_hash
from srseg.estimators._inputs import Inputs, is_sample, read_inputs
from srseg.estimators._model_file import load_model, model_facts
from srseg.estimators._origin import package_version, segmenter_facts
from srseg.estimators._packing import pack, unpack
from srseg.estimators._part import SamplePart
from srseg.estimators._prediction import Prediction
from srseg.estimators._protocol import SliceSegmenter
from srseg.estimators._provenance import prediction_provenance
from srseg.estimators._sample_facts import labels_facts, scan_facts, whole_of
from srseg.estimators._segmenter import VolumeSegmenter
from srseg.estimators._training_memory import require_memory
from srseg.estimators._training_setup import goes_on_from
from srseg.estimators._training_space import require_space, warn_of_coarse
from srseg.estimators._voting import predict_together

__all__ = [
    "BaseSegmenter",
    "Inputs",
    "MultiAxisEnsemble",
    "Prediction",
    "SamplePart",
    "SliceSegmenter",
    "VolumeSegmenter",
    "create_segmenter",
    "fingerprint",
    "fuse_planes",
    "goes_on_from",
    "is_sample",
    "labels_facts",
    "list_segmenters",
    "load_model",
    "model_facts",
    "model_hash",
    "pack",
    "package_version",
    "predict_together",
    "prediction_provenance",
    "read_inputs",
    "register_segmenter",
    "require_memory",
    "require_space",
    "scan_facts",
    "segmenter_class",
    "segmenter_facts",
    "unpack",
    "warn_of_coarse",
    "whole_of",
]
