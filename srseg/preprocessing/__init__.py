"""How a scan becomes what a network sees: resampled to the model's grid, clipped and scaled.

The order is the paper's: resample (trilinear), percentiles of the finite voxels, clip, scale to
[0, 1]. Normalised 0 is the fill for everything outside. What is normalised is marked so and never
normalised again.
"""

from srseg.preprocessing._align import Registration, register
from srseg.preprocessing._clean_labels import LabelCleaning
from srseg.preprocessing._coarse import coarse_copy
from srseg.preprocessing._everywhere import labels_everywhere
from srseg.preprocessing._field import find_field
from srseg.preprocessing._model_grid import model_grid
from srseg.preprocessing._normalise import Normalisation, check_clip, fit_normalisation
from srseg.preprocessing._once import prepared_once
from srseg.preprocessing._prepare import prepare
from srseg.preprocessing._resample import labels_on_grid, resample
from srseg.preprocessing._seen import seen_blocks, seen_voxels
from srseg.preprocessing._survey import Survey, survey, tilt_after
from srseg.preprocessing._upright import upright

__all__ = [
    "LabelCleaning",
    "Normalisation",
    "Registration",
    "Survey",
    "check_clip",
    "coarse_copy",
    "find_field",
    "fit_normalisation",
    "labels_everywhere",
    "labels_on_grid",
    "model_grid",
    "prepare",
    "prepared_once",
    "register",
    "resample",
    "seen_blocks",
    "seen_voxels",
    "survey",
    "tilt_after",
    "upright",
]
