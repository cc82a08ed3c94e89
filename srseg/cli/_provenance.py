"""What is kept beside predicted labels: how they were made, and of what."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srseg.dataset import DatasetSample
    from srseg.estimators import MultiAxisEnsemble
    from srseg.io import Reading


def provenance(
    model: Path, sha256: str, ensemble: "MultiAxisEnsemble", source: dict[str, Any]
) -> dict[str, Any]:
    """Say which model labelled which scan, with which settings and versions."""
    import torch

    from srseg._version import __version__
    from srseg.inference import choose_device, choose_precision

    segmenter = ensemble.estimator_.estimator
    device = choose_device(segmenter.device)
    return {
        "software": "srseg",
        "version": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "model_sha256": sha256,
        "backbone": segmenter.backbone,
        "width": segmenter.width,
        "depth": segmenter.depth,
        "training_samples": segmenter.training_samples_,
        "validation_samples": segmenter.validation_samples_,
        "voxel_size_um": segmenter.voxel_size_,
        "clip_percentiles": list(segmenter.clip_),
        "planes": [plane.name for plane in ensemble.planes_],
        "voting": ensemble.voting,
        "device": device.type,
        "precision": choose_precision(segmenter.precision, device),
        "source": source,
    }


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
