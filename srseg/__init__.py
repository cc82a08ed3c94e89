"""srseg labels every voxel of large micro-tomography scans.

The front door: every name here is loaded when it is first used, so that ``import srseg`` is quick
and does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg._lazy import lazily
from srseg._version import __version__

if TYPE_CHECKING:
    from srseg.backbones import list_backbones
    from srseg.dataset import Dataset
    from srseg.errors import SRSegError
    from srseg.estimators import MultiAxisEnsemble, VolumeSegmenter, load_model
    from srseg.labels import DEFAULT_LABELS, LabelClass, LabelTable
    from srseg.planes import standard_planes
    from srseg.volumes import ArraySample, Grid, Sample, Volume

__all__ = [
    "DEFAULT_LABELS",
    "ArraySample",
    "Dataset",
    "Grid",
    "LabelClass",
    "LabelTable",
    "MultiAxisEnsemble",
    "SRSegError",
    "Sample",
    "Volume",
    "VolumeSegmenter",
    "__version__",
    "list_backbones",
    "load_model",
    "standard_planes",
]

_HOMES = {
    "DEFAULT_LABELS": "srseg.labels",
    "ArraySample": "srseg.volumes",
    "Dataset": "srseg.dataset",
    "Grid": "srseg.volumes",
    "LabelClass": "srseg.labels",
    "LabelTable": "srseg.labels",
    "MultiAxisEnsemble": "srseg.estimators",
    "SRSegError": "srseg.errors",
    "Sample": "srseg.volumes",
    "Volume": "srseg.volumes",
    "VolumeSegmenter": "srseg.estimators",
    "list_backbones": "srseg.backbones",
    "load_model": "srseg.estimators",
    "standard_planes": "srseg.planes",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
