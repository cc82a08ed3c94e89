"""``srseg predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DatasetPathOption,
    JsonOption,
    SelectOption,
    VoxelSizeOption,
    choose_samples,
    quantity,
)
from srseg.cli._output import lengths, note, say, say_json, voxels

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.estimators import MultiAxisEnsemble, VolumeSegmenter
    from srseg.volumes import Volume

EXAMPLE = (
    "Examples: srseg predict wf.srseg A B --planes 9 --voting soft; "
    "srseg predict wf.srseg scan.tif --voxel-size 5um --out labels.h5"
)

_SUFFIXES = {"h5": ".h5", "tif": ".tif", "mha": ".mha", "nrrd": ".nrrd", "seg.nrrd": ".seg.nrrd",
             "nii.gz": ".nii.gz"}  # fmt: skip


def predict(
    model: Annotated[Path, typer.Argument(help="The model file.")],
    scans: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SAMPLE|FILE]...", show_default=False,
                       help="Samples of the dataset [default: all], or one scan file."),
    ] = None,
    planes: Annotated[
        str, typer.Option(help="1, 3 or 9 planes, or names such as rc,cp@45p.")
    ] = "3",
    voting: Annotated[
        str, typer.Option(help="soft (mean of probabilities) or hard (majority).")
    ] = "soft",
    out: Annotated[
        Path | None,
        typer.Option(help="The label file of a scan file [default: beside this folder's files, "
                     "NAME_labels.h5]; for samples, the folder that --format files go to.",
                     show_default=False),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(_SUFFIXES),
                     help="Write the labels in this format too (a scan file: instead)."),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, … [default: the model's].",
                                               show_default=False)] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16 [default: the "
                                                  "model's].", show_default=False)] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Predict again what is there already.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Label every voxel of samples or of a scan file."""
    if file_format is not None and file_format not in _SUFFIXES:
        raise typer.BadParameter(
            f"{file_format!r} is not one of {', '.join(_SUFFIXES)}", param_hint="--format"
        )
    from srseg.estimators import load_model

    segmenter = load_model(model)
    if device is not None:
        segmenter.set_params(device=device)
    if precision is not None:
        segmenter.set_params(precision=precision)
    ensemble = _ensemble(segmenter, planes, voting)
    file = _scan_file(scans)
    if file is None:
        chosen = choose_samples(dataset, scans, select)
        done = [
            _predict_sample(chosen, s, model, ensemble, file_format, out, overwrite) for s in chosen
        ]
    else:
        size = quantity(voxel_size, "um", "--voxel-size")
        done = [_predict_file(file, size, dataset_path, model, ensemble, out, file_format,
                              overwrite)]  # fmt: skip
    if as_json:
        say_json({"model": str(model), "planes": [p.name for p in ensemble.planes_],
                  "voting": voting, "predictions": done})  # fmt: skip
        return
    for row in done:
        say(f"{row['scan']}: {row['status']}, {row['labels']}")
        for name, share in row.get("shares", {}).items():
            say(f"  {name}: {100 * share:.2f} % of the voxels")


def _ensemble(segmenter: "VolumeSegmenter", planes: str, voting: str) -> "MultiAxisEnsemble":
    from sklearn.frozen import FrozenEstimator

    from srseg.estimators import MultiAxisEnsemble

    chosen: int | list[str] = int(planes) if planes.isdigit() else planes.split(",")
    frozen = FrozenEstimator(segmenter)
    ensemble = MultiAxisEnsemble(frozen, planes=chosen, voting=voting)  # type: ignore[arg-type]
    return ensemble.fit(None)


def _scan_file(scans: list[str] | None) -> Path | None:
    """Give the scan file that was named, or None where samples were named."""
    from srseg.errors import ParameterError

    found = [Path(text) for text in scans or [] if _looks_like_a_file(text)]
    if not found:
        return None
    if len(scans or []) > 1:
        raise ParameterError(
            f"{', '.join(scans or [])}: one scan file at a time; add several to a dataset with: "
            "srseg dataset add FILE"
        )
    return found[0]


def _looks_like_a_file(text: str) -> bool:
    # a sample's name has letters and digits only, so a dot or a slash means a path
    return "." in text or "/" in text or Path(text).exists()


def _predict_file(
    path: Path,
    voxel_size: float | None,
    dataset_path: str | None,
    model: Path,
    ensemble: "MultiAxisEnsemble",
    out: Path | None,
    file_format: str | None,
    overwrite: bool,
) -> dict[str, Any]:
    from srseg.errors import StorageError
    from srseg.io import open_volume
    from srseg.storage import file_stamp

    scan = open_volume(path, dataset=dataset_path, voxel_size=voxel_size)
    stem = path.name.split(".")[0] or path.name
    target = out or Path(f"{stem}_labels{_SUFFIXES[file_format or 'h5']}")
    if target.exists() and not overwrite:
        raise StorageError(f"{target} exists already; choose another --out or say --overwrite")
    _note_start(str(path), scan, ensemble)
    labels = ensemble.predict(scan)
    source: dict[str, Any] = {"file": path.name}
    if path.is_file():
        source["stamp"] = file_stamp(path).to_dict()
    _write(target, labels, _provenance(model, ensemble, source), overwrite)
    return {"scan": str(path), "status": "done", "labels": str(target), "shares": _shares(labels)}


def _predict_sample(
    dataset: "Dataset",
    sample: "DatasetSample",
    model: Path,
    ensemble: "MultiAxisEnsemble",
    file_format: str | None,
    out: Path | None,
    overwrite: bool,
) -> dict[str, Any]:
    name = _model_name(model)
    prediction = f"srseg-{name}/{ensemble.description}"
    if prediction in sample.predictions and not overwrite:
        labels, status, shares = sample.labels(prediction), "was there", {}
    else:
        _note_start(f"sample {sample.name}", sample.scan, ensemble)
        labels, status = ensemble.predict(sample), "done"
        shares = {"shares": _shares(labels)}
        provenance = _provenance(model, ensemble, _source(sample))
        with dataset.prediction_sink(
            sample.name, name, labels.grid, description=ensemble.description,
            provenance=provenance, table=labels.table, overwrite=overwrite,
        ) as sink:  # fmt: skip
            for start, block in labels.slabs():
                sink[start : start + len(block)] = block
    if file_format is not None:
        stem = f"{sample.name}_{name}_{ensemble.description}"
        path = (out or Path()) / f"{stem}{_SUFFIXES[file_format]}"
        provenance = _provenance(model, ensemble, _source(sample))
        _write(path, labels, provenance, overwrite)
    return {"scan": sample.name, "status": status, "labels": prediction, **shares}


def _source(sample: "DatasetSample") -> dict[str, Any]:
    file = sample.scan_file
    return {"file": file.path.name, "dataset": file.dataset, "stamp": file.stamp.to_dict()}


def _write(path: Path, labels: "Volume", provenance: dict[str, Any], overwrite: bool) -> None:
    from srseg.io import write_volume

    write_volume(path, labels, provenance=provenance, overwrite=overwrite)


def _note_start(what: str, scan: "Volume", ensemble: "MultiAxisEnsemble") -> None:
    size = ensemble.estimator_.voxel_size_
    grid = scan.grid.resampled(size)
    if grid is not scan.grid:
        note(
            f"{what}: resampled from {lengths(scan.grid.voxel_size)} to the model's {size:g} µm, "
            f"{voxels(grid.shape)} voxels"
        )


def _model_name(model: Path) -> str:
    """Make a name for the derivative folder from the model's file: letters and digits."""
    return "".join(c for c in model.name.removesuffix(".srseg") if c.isalnum()) or "model"


def _shares(labels: "Volume") -> dict[str, float]:
    import numpy as np

    assert labels.table is not None  # noqa: S101 - predictions carry their table
    counts = np.bincount(labels.read().ravel(), minlength=256)
    return {c.name: float(counts[c.value] / labels.grid.n_voxels) for c in labels.table}


def _provenance(
    model: Path, ensemble: "MultiAxisEnsemble", source: dict[str, Any]
) -> dict[str, Any]:
    import torch

    from srseg._version import __version__
    from srseg.storage import file_sha256

    segmenter = ensemble.estimator_.estimator
    return {
        "software": "srseg",
        "version": __version__,
        "torch": str(torch.__version__),
        "model": model.name,
        "model_sha256": file_sha256(model),
        "backbone": segmenter.backbone,
        "width": segmenter.width,
        "depth": segmenter.depth,
        "voxel_size_um": segmenter.voxel_size_,
        "clip_percentiles": list(segmenter.clip),
        "planes": [plane.name for plane in ensemble.planes_],
        "voting": ensemble.voting,
        "precision": segmenter.precision,
        "source": source,
    }
