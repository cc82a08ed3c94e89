"""Implant numbers: from a label volume to volumes, rates, contact and distances, with units."""

from srseg.quantification._after import (
    FillHoles,
    RemoveIslands,
    SmoothLabels,
    ThresholdCracks,
    TreatedStep,
    Treatment,
    treat,
)
from srseg.quantification._calibrated import CalibratedMeasure, fewest_samples, require_samples
from srseg.quantification._classes import find_class
from srseg.quantification._comparison import (
    Comparison,
    ComparisonRow,
    compare_measures,
    format_difference,
    relative_difference,
)
from srseg.quantification._contact import Neighbourhood
from srseg.quantification._initial import InitialImplant
from srseg.quantification._intervals import IntervalCalibration, plane_spreads
from srseg.quantification._measure import Measure, Measures
from srseg.quantification._measures import measure
from srseg.quantification._records import measures_from_json, measures_to_json, measures_to_tsv
from srseg.quantification._reference import (
    MESH_UNITS,
    implant_from_labels,
    implant_from_mesh,
    implant_from_metadata,
)
from srseg.quantification._roles import ResolvedRoles, Roles
from srseg.quantification._study import Group, GroupTest, StudyStatistics, study_statistics
from srseg.quantification._thickness import ThicknessMap, thickness_map
from srseg.quantification._tidy import study_to_csv
from srseg.quantification._with_intervals import add_intervals

__all__ = [
    "MESH_UNITS",
    "CalibratedMeasure",
    "Comparison",
    "ComparisonRow",
    "FillHoles",
    "Group",
    "GroupTest",
    "InitialImplant",
    "IntervalCalibration",
    "Measure",
    "Measures",
    "Neighbourhood",
    "RemoveIslands",
    "ResolvedRoles",
    "Roles",
    "SmoothLabels",
    "StudyStatistics",
    "ThicknessMap",
    "ThresholdCracks",
    "TreatedStep",
    "Treatment",
    "add_intervals",
    "compare_measures",
    "fewest_samples",
    "find_class",
    "format_difference",
    "implant_from_labels",
    "implant_from_mesh",
    "implant_from_metadata",
    "measure",
    "measures_from_json",
    "measures_to_json",
    "measures_to_tsv",
    "plane_spreads",
    "relative_difference",
    "require_samples",
    "study_statistics",
    "study_to_csv",
    "thickness_map",
    "treat",
]
