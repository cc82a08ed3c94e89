"""What a line of a list says of a sample."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srseg.dataset import DatasetSample


def summary(sample: "DatasetSample") -> dict[str, Any]:
    """Give what is worth knowing of a sample at a glance, as plain data."""
    file = sample.scan_file
    grid = file.placed_grid
    return {
        "sample": sample.name,
        "subject": sample.subject,
        "shape": list(grid.shape),
        "voxel_size_um": list(grid.voxel_size),
        "copied": file.copied,
        "label_sets": sample.label_sets,
        "predictions": sample.predictions,
        "metadata": dict(sample.metadata),
    }
