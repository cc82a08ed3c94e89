"""The archive on disk: scans, metadata and label sets in a folder with BIDS-like names."""

from srseg.dataset._alignment import (
    AlignmentPlan,
    alignment_picture,
    apply_alignment,
    plan_alignment,
    undo_alignment,
)
from srseg.dataset._changes import MetadataChange, MetadataChanges
from srseg.dataset._dataset import Dataset
from srseg.dataset._diff import LabelsDiff, diff_labels
from srseg.dataset._export import export_dataset, write_export
from srseg.dataset._export_plan import ExportFile, ExportPlan, plan_export
from srseg.dataset._find import find_dataset
from srseg.dataset._history import LabelRevision
from srseg.dataset._label_plan import LabelsPlan
from srseg.dataset._mender import Repair
from srseg.dataset._metadata import parse_metadata, read_metadata_file
from srseg.dataset._metadata_export import export_metadata
from srseg.dataset._metadata_import import plan_metadata_import
from srseg.dataset._metadata_write import apply_metadata, plan_metadata, set_metadata
from srseg.dataset._placement import Placement, parse_slices
from srseg.dataset._prepared import Prepared
from srseg.dataset._problem import Problem
from srseg.dataset._reference import Reference, open_reference
from srseg.dataset._region import set_region
from srseg.dataset._relocate import Relocation, relocate
from srseg.dataset._repair import repair
from srseg.dataset._restore import restore_labels
from srseg.dataset._sample import DatasetSample
from srseg.dataset._scan_plan import SamplePlan
from srseg.dataset._schema import METADATA_KEYS, MetadataKey, SampleMetadata, unusual_metadata
from srseg.dataset._schema_document import SCHEMA_VERSION, metadata_schema
from srseg.dataset._sidecar import ScanFile
from srseg.dataset._tables import read_label_table
from srseg.dataset._value_map import ValueMap

__all__ = [
    "METADATA_KEYS",
    "SCHEMA_VERSION",
    "AlignmentPlan",
    "Dataset",
    "DatasetSample",
    "ExportFile",
    "ExportPlan",
    "LabelRevision",
    "LabelsDiff",
    "LabelsPlan",
    "MetadataChange",
    "MetadataChanges",
    "MetadataKey",
    "Placement",
    "Prepared",
    "Problem",
    "Reference",
    "Relocation",
    "Repair",
    "SampleMetadata",
    "SamplePlan",
    "ScanFile",
    "ValueMap",
    "alignment_picture",
    "apply_alignment",
    "apply_metadata",
    "diff_labels",
    "export_dataset",
    "export_metadata",
    "find_dataset",
    "metadata_schema",
    "open_reference",
    "parse_metadata",
    "parse_slices",
    "plan_alignment",
    "plan_export",
    "plan_metadata",
    "plan_metadata_import",
    "read_label_table",
    "read_metadata_file",
    "relocate",
    "repair",
    "restore_labels",
    "set_metadata",
    "set_region",
    "undo_alignment",
    "unusual_metadata",
    "write_export",
]
