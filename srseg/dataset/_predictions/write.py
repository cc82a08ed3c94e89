"""Write what a model predicts for a sample: all that was asked for stands, or what was there."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from srseg.dataset._create import describe_derivative
from srseg.dataset._labels.revisions import data_of
from srseg.dataset._layout import PREDICTION_PREFIX, require_label, require_model_name
from srseg.dataset._predictions.parts import SAVED, map_file
from srseg.dataset._predictions.settle import put_aside, settle
from srseg.dataset._scans.aligned import alignment_entry
from srseg.dataset._sidecar import pixel_size, written_now
from srseg.errors import DatasetError, SRSegError
from srseg.io import MAPS, maps_of, written_prediction
from srseg.storage import atomic_path, file_stamp, write_json
from srseg.storage import make_folder as make_any_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey
    from srseg.io import PredictionSink
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, RigidTransform


@contextmanager
def create_prediction(
    layout: Layout,
    key: SampleKey,
    model: str,
    grid: Grid,
    table: LabelTable,
    *,
    description: str,
    provenance: Mapping[str, Any],
    alignment: RigidTransform | None,
    saves: Iterable[str],
    maps_grid: Grid | None,
    overwrite: bool,
) -> Iterator[PredictionSink]:
    """Take what a model predicts; it is kept when the block ends without an error.

    The new files are written aside. What they replace is then put aside in turn, where readers find
    it, until the new sidecar of the labels stands: that moment decides which prediction there is.
    """
    sidecar = prediction_sidecar(layout, key, model, description)
    maps = maps_of(saves)
    with layout.lock(layout.prediction_lock(key, model, description)):
        if sidecar.exists() and not overwrite:
            raise DatasetError(
                f"{data_of(sidecar)} exists already and is kept; name the model otherwise, or say "
                "that the prediction may be replaced"
            )
        make_folder(layout, model, sidecar)
        settle(sidecar)
        files = {"labels": data_of(sidecar), **{one.name: map_file(sidecar, one) for one in maps}}
        common = {
            "SpatialReference": "orig",
            "Sources": [f"bids::sub-{key.subject}/micr/{key.stem}_XPCT.json"],
            **alignment_entry(alignment),
            "Provenance": dict(provenance),
            "Written": written_now(),
        }
        facts: dict[str, dict[str, Any]] = {
            "labels": {
                "Manual": False, **pixel_size(grid), "Grid": grid.to_dict(),
                "LabelTable": table.to_dicts(), **common,
            }
        }  # fmt: skip
        if maps:
            facts["labels"][SAVED] = {one.name: {"File": files[one.name].name} for one in maps}
        where = maps_grid or grid
        for one in maps:
            facts[one.name] = {
                **one.facts(table), **pixel_size(where), "Grid": where.to_dict(), **common
            }  # fmt: skip
        try:
            with ExitStack() as places:
                # the first that is entered is the last that is put into its place: where the new
                # labels stand, all their maps do
                asides = {
                    name: places.enter_context(atomic_path(path, overwrite=True))
                    for name, path in files.items()
                }
                with written_prediction(
                    asides, grid, table, maps_grid=where, provenance=facts,
                    titles={name: _title(key, model, name) for name in files},
                ) as sink:  # fmt: skip
                    yield sink
                put_aside(sidecar)
            write_json(sidecar, described_by(facts["labels"], files), overwrite=True, seal=True)
        except BaseException:
            with suppress(SRSegError, OSError):  # check tells of it
                settle(sidecar)
            raise
        settle(sidecar)


def prediction_sidecar(layout: Layout, key: SampleKey, model: str, description: str) -> Path:
    """Give the sidecar of a prediction, whose names are checked.

    Raises
    ------
    ParameterError
        If the name of the model, or the description, cannot be part of a name.
    """
    require_model_name(model)
    require_label(description, what="the description of the prediction")
    return layout.prediction_sidecar(key, model, description)


def make_folder(layout: Layout, model: str, sidecar: Path) -> None:
    """Make the folder of a prediction, and of its derivative, where they are missing."""
    title = f"Segmentations by srseg with the model {model}"
    describe_derivative(layout, PREDICTION_PREFIX + model, title)
    make_any_folder(sidecar.parent)


def described_by(facts: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """Make the sidecar of predicted labels from what their file says, and stamps of all files."""
    sidecar = {**facts, "Stamp": file_stamp(files["labels"]).to_dict()}
    if SAVED in facts:
        sidecar[SAVED] = {
            name: {**said, "Stamp": file_stamp(files[name]).to_dict()}
            for name, said in facts[SAVED].items()
        }
    return sidecar


def _title(key: SampleKey, model: str, name: str) -> str:
    what = "" if name not in MAPS else f"{name}, "
    return f"{key.stem}, {what}predicted by {model}"
