"""The archive on disk: scans, metadata and label sets in a folder with BIDS-like names."""

from srseg.dataset._dataset import Dataset
from srseg.dataset._export.export import export_dataset, write_export
from srseg.dataset._export.plan import ExportFile, ExportPlan, plan_export
from srseg.dataset._find import find_dataset
from srseg.dataset._integrity.accept import accept
from srseg.dataset._integrity.mender import Repair
from srseg.dataset._integrity.problem import Problem
from srseg.dataset._integrity.relocate import Relocation, relocate
from srseg.dataset._integrity.repair import repair
from srseg.dataset._labels.corrected import corrected_in, plan_corrected
from srseg.dataset._labels.derived import derive_labels, derived_from
from srseg.dataset._labels.diff import LabelsDiff, diff_labels
from srseg.dataset._labels.history import LabelRevision
from srseg.dataset._labels.placement import Placement, parse_slices
from srseg.dataset._labels.plan import LabelsPlan
from srseg.dataset._labels.restore import restore_labels
from srseg.dataset._labels.value_map import ValueMap
from srseg.dataset._measures.facts import measured_facts
from srseg.dataset._metadata.changes import MetadataChange, MetadataChanges
from srseg.dataset._metadata.document import SCHEMA_VERSION, metadata_schema
from srseg.dataset._metadata.parse import parse_metadata, read_metadata_file
from srseg.dataset._metadata.schema import (
    METADATA_KEYS,
    MetadataKey,
    SampleMetadata,
    unusual_metadata,
)
from srseg.dataset._metadata.sheet_in import plan_metadata_import
from srseg.dataset._metadata.sheet_out import export_metadata
from srseg.dataset._metadata.write import apply_metadata, plan_metadata, set_metadata
from srseg.dataset._sample import DatasetSample
from srseg.dataset._scans.alignment import (
    AlignmentPlan,
    alignment_picture,
    apply_alignment,
    plan_alignment,
    undo_alignment,
)
from srseg.dataset._scans.plan import SamplePlan
from srseg.dataset._scans.prepared import Prepared
from srseg.dataset._scans.reference import Reference, open_reference
from srseg.dataset._scans.region import set_region
from srseg.dataset._sidecar import ScanFile
from srseg.dataset._tables import read_label_table

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
    "accept",
    "alignment_picture",
    "apply_alignment",
    "apply_metadata",
    "corrected_in",
    "derive_labels",
    "derived_from",
    "diff_labels",
    "export_dataset",
    "export_metadata",
    "find_dataset",
    "measured_facts",
    "metadata_schema",
    "open_reference",
    "parse_metadata",
    "parse_slices",
    "plan_alignment",
    "plan_corrected",
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
