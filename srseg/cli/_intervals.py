"""Predictions of single planes, and the intervals that they give the numbers of a prediction."""

from typing import TYPE_CHECKING, Any

from srseg.cli._output import note

if TYPE_CHECKING:
    from srseg.cli._quantify_samples import QuantifyJob
    from srseg.dataset import Dataset, DatasetSample
    from srseg.quantification import IntervalCalibration, Measures

_PREFIX = "srseg-"


def single_planes(sample: "DatasetSample", prediction: str) -> list[str]:
    """Find the predictions of single planes by the same model, on the same grid."""
    wanted = sample.labels_info(prediction)
    made = wanted.get("Provenance", {})
    found: dict[str, str] = {}
    for name in sample.predictions:
        said = sample.labels_info(name)
        by = said.get("Provenance", {})
        same = by.get("model_sha256") == made.get("model_sha256")
        planes = by.get("planes", [])
        if same and len(planes) == 1 and said.get("Grid") == wanted.get("Grid"):
            found.setdefault(str(planes[0]), name)
    return list(found.values())


def how_to_predict_planes(sample: str, model: str) -> str:
    """Say which commands make the predictions of single planes."""
    return "; ".join(
        f"srseg predict {model} {sample} --planes {plane}" for plane in ("rc", "cp", "pr")
    )


def with_intervals(
    job: "QuantifyJob",
    dataset: "Dataset",
    sample: "DatasetSample",
    measures: "Measures",
    calibration: "IntervalCalibration",
) -> "Measures":
    """Give the measures of a prediction their intervals; those of other labels stay as they are.

    Where it cannot be done, a line says why.
    """
    from srseg.quantification import add_intervals

    name = str(measures.facts.get("label_set", ""))
    if not name.startswith(_PREFIX):
        return measures
    description = name.partition("/")[2]
    calibrated = calibration.facts.get("prediction")
    if description != calibrated:
        note(
            f"{sample.name} {name}: no intervals: they were calibrated for predictions "
            f"{calibrated}, with other planes or voting"
        )
        return measures
    made: dict[str, Any] = sample.labels_info(name).get("Provenance", {})
    model_file = _model_of(calibration, made)
    if sample.name in calibration.facts.get("trained_on", {}).get(model_file, ()):
        note(
            f"{sample.name} {name}: no intervals: {model_file} was trained on this sample or "
            "judged by it, and they were calibrated with samples that the model had not seen"
        )
        return measures
    if calibration.facts.get("samples", {}).get(sample.name, "") == model_file:
        note(
            f"{sample.name} {name}: the intervals were calibrated with this sample too; whether "
            "they hold its number says nothing of new samples"
        )
    planes = single_planes(sample, name)
    if len(planes) < 2:
        model = str(made.get("model", "MODEL"))
        note(
            f"{sample.name} {name}: no intervals: there are no predictions of single planes; make "
            f"them with: {how_to_predict_planes(sample.name, model)}"
        )
        return measures
    of_planes = [job.measure(dataset, sample, plane).measures for plane in planes]
    return add_intervals(measures, of_planes, calibration)


def _model_of(calibration: "IntervalCalibration", made: dict[str, Any]) -> str | None:
    """Give the model file of a prediction, where it is one of those of the calibration."""
    models: dict[str, str] = calibration.facts.get("models", {})
    return next((file for file, sha in models.items() if sha == made.get("model_sha256")), None)
