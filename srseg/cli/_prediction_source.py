"""Which scan predicted labels are of, as it is kept beside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srseg.dataset import DatasetSample
    from srseg.io import Reading


def source_of_file(path: Path, reading: "Reading") -> dict[str, Any]:
    """Say which file, or folder of slices, was labelled."""
    from srseg.storage import file_stamp

    return {"file": path.name, "reading": reading.to_dict(), "stamp": file_stamp(path).to_dict()}


def source_of_sample(sample: "DatasetSample") -> dict[str, Any]:
    """Say which scan of the dataset was labelled."""
    file = sample.scan_file
    return {
        "file": file.path.name,
        "reading": file.reading.to_dict(),
        "stamp": file.stamp.to_dict(),
        **region_of(sample),
    }


def region_of(sample: "DatasetSample") -> dict[str, Any]:
    """Say which part of its scan a sample is, where it is not all of it."""
    file = sample.scan_file
    found: dict[str, Any] = {}
    if file.roi is not None:
        found["roi"] = [[part.start, part.stop] for part in file.roi]
    if file.field is not None:
        found["field_of_view"] = file.field.to_dict()
    return found
