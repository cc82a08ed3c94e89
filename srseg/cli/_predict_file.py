"""Labelling a scan file that is in no dataset."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import note
from srseg.cli._prediction_files import file_beside, refuse_place
from srseg.cli._prediction_job import PredictionJob, planned, shares
from srseg.cli._prediction_scratch import ResultPlace
from srseg.cli._prediction_source import source_of_file

if TYPE_CHECKING:
    from srseg.io import Reading
    from srseg.volumes import Sample


def predict_file(
    job: PredictionJob,
    path: Path,
    voxel_size: float | None,
    reading: "Reading",
    *,
    look_for_field: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Label a scan file, or say how it would be labelled."""
    from srseg.estimators import SamplePart
    from srseg.io import open_volume, prediction_files, write_prediction
    from srseg.preprocessing import find_field
    from srseg.storage import scratch_beside
    from srseg.volumes import ArraySample

    settings = job.settings
    scan = open_volume(path, reading, voxel_size=voxel_size)
    target = file_beside(path, settings.out, settings.file_format)
    place = ResultPlace(target, scratch_beside(target), settings.scratch)
    files = prediction_files(target, settings.saves)
    if target.is_file() and not settings.overwrite:
        # killed after its result stood
        place.discard(before=datetime.fromtimestamp(target.stat().st_mtime, UTC))
    for file in files.values():
        refuse_place(file, overwrite=settings.overwrite)
    source = source_of_file(path, reading)
    if look_for_field:
        scan.field = find_field(scan)
    if scan.field is not None:
        note(f"{path}: a circle of radius {scan.field.radius:g} µm was seen (found)")
        source["field_of_view"] = scan.field.to_dict()
    # as a sample, so that warnings name the file
    sample: Sample = ArraySample(path.name, scan)
    if settings.roi is not None:
        sample = SamplePart(sample, settings.roi)
    job.note_start(str(path), sample)
    row: dict[str, Any] = {"scan": str(path), "status": "done", "labels": str(target)}
    row |= {name: str(file) for name, file in files.items() if name != "labels"}
    if dry_run:
        with job.prepared(sample, place) as prediction:
            return {**row, **planned(prediction)}
    with place.held(wait=False), job.prepared(sample, place) as prediction:
        job.run(str(path), prediction)
        labels = prediction.labels
        write_prediction(
            target, labels, provenance=job.provenance(source, prediction),
            maps_grid=prediction.grid, overwrite=settings.overwrite, **job.maps(prediction),
        )  # fmt: skip
        row |= {"shares": shares(labels), "plan": prediction.plan.to_dict()}
        row["stages"] = prediction.stages.to_dict()  # where the time went
        prediction.discard()
    return row
