"""Foreign bytes and volumes, read and written in parts.

HDF5/NeXus, TIFF, MHA, NRRD and NIfTI; bare voxels and Amira's files are read only.
"""

from srseg.io._ahead import read_ahead
from srseg.io._amira.format import AmiraFormat
from srseg.io._boxes import copy_boxes
from srseg.io._format import FORMATS, Format, known_suffixes
from srseg.io._hdf5.channels import open_probabilities
from srseg.io._hdf5.format import HDF5Format
from srseg.io._hdf5.nexus_write import write_nexus
from srseg.io._hdf5.note import read_provenance
from srseg.io._hdf5.sink import HDF5Sink
from srseg.io._hdf5.verify import WHOLE_VOXELS, verify_hdf5
from srseg.io._hdf5.write import create_hdf5
from srseg.io._info import ScanInfo
from srseg.io._itk.format import ITKFormat
from srseg.io._itk.slicer import open_segments, segment_names
from srseg.io._itk.transform import read_transform
from srseg.io._maps import MAPS, SAVES, PredictionMap, as_steps, maps_of
from srseg.io._open import describe, open_volume
from srseg.io._prediction import (
    create_prediction,
    prediction_files,
    write_prediction,
    written_prediction,
)
from srseg.io._prediction_sink import PredictionSink, SlabSink
from srseg.io._raw.format import RawFormat
from srseg.io._reading import Reading
from srseg.io._source import FileSource
from srseg.io._tiff.folder import TIFFFolderFormat
from srseg.io._tiff.format import TIFFFormat
from srseg.io._tiff.write import LARGEST_TIFF
from srseg.io._write import write_volume
from srseg.io._zarr.format import ZarrFormat
from srseg.io._zarr.write import write_ome_zarr

for _format in (
    HDF5Format(),
    TIFFFormat(),
    TIFFFolderFormat(),
    ITKFormat("MHA", (".mha", ".mhd"), (".mhd",), "MetaImageIO"),
    ITKFormat("NRRD", (".nrrd", ".seg.nrrd", ".nhdr"), (".nhdr",), "NrrdImageIO"),
    ITKFormat("NIfTI", (".nii", ".nii.gz"), (), "NiftiImageIO"),
    RawFormat(),
    AmiraFormat(),
    ZarrFormat(),
):
    FORMATS.register(_format.name, _format)

__all__ = [
    "FORMATS",
    "LARGEST_TIFF",
    "MAPS",
    "SAVES",
    "WHOLE_VOXELS",
    "FileSource",
    "Format",
    "HDF5Sink",
    "PredictionMap",
    "PredictionSink",
    "Reading",
    "ScanInfo",
    "SlabSink",
    "as_steps",
    "copy_boxes",
    "create_hdf5",
    "create_prediction",
    "describe",
    "known_suffixes",
    "maps_of",
    "open_probabilities",
    "open_segments",
    "open_volume",
    "prediction_files",
    "read_ahead",
    "read_provenance",
    "read_transform",
    "segment_names",
    "verify_hdf5",
    "write_nexus",
    "write_ome_zarr",
    "write_prediction",
    "write_volume",
    "written_prediction",
]
