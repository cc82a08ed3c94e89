"""What models predicted, kept beside the labels."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset._create import describe_derivative
from srseg.dataset._layout import (
    PREDICTION_PREFIX,
    Layout,
    SampleKey,
    require_label,
    require_model_name,
)
from srseg.dataset._scans.aligned import alignment_entry
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.errors import DatasetError
from srseg.io import create_hdf5
from srseg.storage import file_stamp, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from srseg.io import HDF5Sink
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, RigidTransform


@contextmanager
def prediction_sink(
    layout: Layout,
    key: SampleKey,
    model: str,
    grid: Grid,
    table: LabelTable,
    *,
    description: str,
    provenance: Mapping[str, Any],
    alignment: RigidTransform | None,
    overwrite: bool,
) -> Iterator[HDF5Sink]:
    """Take the labels that a model predicts; they are kept when the block ends without an error."""
    require_model_name(model)
    require_label(description, what="the description of the prediction")
    derivative = PREDICTION_PREFIX + model
    sidecar = layout.prediction_sidecar(key, model, description)
    path = sidecar.with_suffix(".h5")
    with layout.lock(f"{derivative}-{key.name}-{description}"):
        if sidecar.exists() and not overwrite:
            raise DatasetError(
                f"{path} exists already and is kept; name the model otherwise, or say that the "
                "prediction may be replaced"
            )
        describe_derivative(layout, derivative, f"Segmentations by srseg with the model {model}")
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {
            "Manual": False,
            "SpatialReference": "orig",
            "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json"],
            **pixel_size(grid),
            "Grid": grid.to_dict(),
            **alignment_entry(alignment),
            "LabelTable": table.to_dicts(),
            "Provenance": dict(provenance),
            "Written": written_now(),
        }
        with create_hdf5(
            path, grid, np.uint8, table=table, compression="gzip",
            title=f"{key.stem}, predicted by {model}", provenance=facts, overwrite=True,
        ) as sink:  # fmt: skip
            yield sink
            sink.finish()  # nothing is taken away for a file that is not whole
            # from here until the new sidecar stands there is no prediction, never a wrong one
            sidecar.unlink(missing_ok=True)
        facts["Stamp"] = file_stamp(path).to_dict()
        write_json(sidecar, facts)
