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
    open_dataset,
    quantity,
)
from srseg.cli._output import lengths, note, say, say_json, voxels
from srseg.cli._provenance import provenance, source_of_file, source_of_sample

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.estimators import MultiAxisEnsemble, VolumeSegmenter
    from srseg.volumes import Volume

EXAMPLE = (
    "Example: srseg predict wf.srseg A B --planes 9 --voting soft, or without a dataset: "
    "srseg predict wf.srseg scan.tif --voxel-size 5um --out labels.h5"
)

_SUFFIXES = {"h5": ".h5", "tif": ".tif", "mha": ".mha", "nrrd": ".nrrd", "seg.nrrd": ".seg.nrrd",
             "nii.gz": ".nii.gz"}  # fmt: skip


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file.")],
    scans: Annotated[
        list[str] | None,
        typer.Argument(metavar="SAMPLE|FILE", show_default=False,
                       help="Samples of the dataset (default: all), or one scan file."),
    ] = None,
    planes: Annotated[
        str, typer.Option(help="1, 3 or 9 planes, or names such as rc,cp@45p.")
    ] = "3",
    voting: Annotated[
        str, typer.Option(help="soft (mean of probabilities) or hard (majority).")
    ] = "soft",
    out: Annotated[
        Path | None,
        typer.Option(help="The label file of a scan file (default: NAME_labels.h5 in the current "
                     "folder); for samples, the folder that --format files go to.",
                     show_default=False),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(_SUFFIXES),
                     help="Write the labels in this format too (a scan file: instead)."),
    ] = None,
    voxel_size: VoxelSizeOption = None,
    dataset_path: DatasetPathOption = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, … (default: the model's).",
                                               show_default=False)] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16 (default: the "
                                                  "model's).", show_default=False)] = None,
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
    job = _Job(model, _ensemble(segmenter, planes, voting), file_format, out, overwrite)
    file = _scan_file(scans, dataset)
    if file is None:
        _refuse_options_of_files(voxel_size, dataset_path, out, file_format)
        chosen = choose_samples(dataset, scans, select)
        chosen.table.require_same(segmenter.label_table_, where=str(model))
        for sample in chosen:
            job.check_sample(sample)
        done = [job.predict_sample(chosen, sample) for sample in chosen]
    else:
        size = quantity(voxel_size, "um", "--voxel-size")
        done = [job.predict_file(file, size, dataset_path)]
    if as_json:
        say_json({"model": str(model), "planes": [p.name for p in job.ensemble.planes_],
                  "voting": voting, "predictions": done})  # fmt: skip
        return
    for row in done:
        file_text = f", {row['file']}" if "file" in row else ""
        say(f"{row['scan']}: {row['status']}, {row['labels']}{file_text}")
        for name, share in row.get("shares", {}).items():
            say(f"  {name}: {100 * share:.2f} % of the voxels")


class _Job:
    """One model, one set of planes and one place for the files."""

    def __init__(
        self,
        model: Path,
        ensemble: "MultiAxisEnsemble",
        file_format: str | None,
        out: Path | None,
        overwrite: bool,
    ) -> None:
        from srseg.inference import choose_device, choose_precision
        from srseg.storage import file_sha256

        self.ensemble = ensemble
        segmenter = ensemble.estimator_.estimator
        choose_precision(segmenter.precision, choose_device(segmenter.device))
        self._model = model
        self._sha256 = file_sha256(model)
        # the name of the derivative folder: letters and digits only
        stem = model.name.removesuffix(".srseg")
        self._name = "".join(c for c in stem if c.isalnum()) or "model"
        self._format = file_format
        self._out = out
        self._overwrite = overwrite

    @property
    def _prediction(self) -> str:
        return f"srseg-{self._name}/{self.ensemble.description}"

    def _file(self, sample: "DatasetSample") -> Path | None:
        if self._format is None:
            return None
        stem = f"{sample.name}_{self._name}_{self.ensemble.description}"
        return (self._out or Path()) / f"{stem}{_SUFFIXES[self._format]}"

    def check_sample(self, sample: "DatasetSample") -> None:
        """Refuse, before anything is predicted, what could not be kept afterwards."""
        from srseg.errors import DatasetError

        file = self._file(sample)
        if file is not None:
            _refuse_place(file, self._overwrite)
        if self._overwrite or self._prediction not in sample.predictions:
            return
        made = sample.labels_info(self._prediction).get("Provenance", {})
        if made.get("model_sha256") != self._sha256:
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} by another model "
                f"(also named {made.get('model', self._name)}); rename {self._model}, or replace "
                "that prediction with --overwrite"
            )

    def predict_sample(self, dataset: "Dataset", sample: "DatasetSample") -> dict[str, Any]:
        """Label a sample, unless this model has done so already."""
        made = provenance(self._model, self._sha256, self.ensemble, source_of_sample(sample))
        row: dict[str, Any] = {"scan": sample.name, "status": "done", "labels": self._prediction}
        if self._prediction in sample.predictions and not self._overwrite:
            labels = sample.labels(self._prediction)
            row["status"] = "was there"
        else:
            _note_start(f"sample {sample.name}", sample.scan, self.ensemble)
            labels = self.ensemble.predict(sample)
            with dataset.prediction_sink(
                sample.name, self._name, labels.grid, description=self.ensemble.description,
                provenance=made, table=labels.table, overwrite=self._overwrite,
            ) as sink:  # fmt: skip
                for start, block in labels.slabs():
                    sink[start : start + len(block)] = block
        file = self._file(sample)
        if file is not None:
            _write(file, labels, made, self._overwrite)
            row["file"] = str(file)
        return {**row, "shares": _shares(labels)}

    def predict_file(
        self, path: Path, voxel_size: float | None, dataset_path: str | None
    ) -> dict[str, Any]:
        """Label a scan file that is in no dataset."""
        from srseg.io import open_volume

        scan = open_volume(path, dataset=dataset_path, voxel_size=voxel_size)
        suffix = _SUFFIXES[self._format or "h5"]
        target = self._out or Path(f"{path.name.split('.')[0] or path.name}_labels{suffix}")
        if self._format is not None and not target.name.endswith(suffix):
            raise typer.BadParameter(
                f"{target} does not end in {suffix} as --format {self._format} asks for; leave one "
                "of the two out",
                param_hint="--out",
            )
        _refuse_place(target, self._overwrite)
        _note_start(str(path), scan, self.ensemble)
        labels = self.ensemble.predict(scan)
        made = provenance(self._model, self._sha256, self.ensemble, source_of_file(path))
        _write(target, labels, made, self._overwrite)
        return {
            "scan": str(path),
            "status": "done",
            "labels": str(target),
            "shares": _shares(labels),
        }


def _ensemble(segmenter: "VolumeSegmenter", planes: str, voting: str) -> "MultiAxisEnsemble":
    from sklearn.frozen import FrozenEstimator

    from srseg.errors import SRSegError
    from srseg.estimators import MultiAxisEnsemble
    from srseg.planes import resolve_planes

    if voting not in ("soft", "hard"):
        raise typer.BadParameter(f"{voting!r} is not soft or hard", param_hint="--voting")
    try:
        chosen = resolve_planes(int(planes) if planes.isdecimal() else planes)
    except SRSegError as error:
        raise typer.BadParameter(f"{planes!r}: {error}", param_hint="--planes") from None
    frozen = FrozenEstimator(segmenter)
    ensemble = MultiAxisEnsemble(frozen, planes=chosen, voting=voting)  # type: ignore[arg-type]
    return ensemble.fit(None)


def _scan_file(scans: list[str] | None, dataset: Path | None) -> Path | None:
    """Give the scan file that was named, or None where samples were named."""
    from srseg.errors import ParameterError

    found = [Path(text) for text in scans or [] if _is_file(text, dataset)]
    if not found:
        return None
    if len(scans or []) > 1:
        raise ParameterError(
            f"{', '.join(scans or [])}: one scan file at a time; add several to a dataset with: "
            "srseg dataset add FILE"
        )
    return found[0]


def _is_file(text: str, dataset: Path | None) -> bool:
    from srseg.errors import SRSegError

    # a sample's name has letters and digits only, so a dot or a slash means a path
    if "." in text or "/" in text or not Path(text).exists():
        return "." in text or "/" in text
    try:
        return text not in open_dataset(dataset).names
    except SRSegError:
        return True


def _refuse_options_of_files(
    voxel_size: str | None, dataset_path: str | None, out: Path | None, file_format: str | None
) -> None:
    for option, value in (("--voxel-size", voxel_size), ("--dataset-path", dataset_path)):
        if value is not None:
            raise typer.BadParameter(
                "is for a scan file; samples of a dataset know theirs", param_hint=option
            )
    if out is not None and file_format is None:
        raise typer.BadParameter(
            "the labels of samples go into the dataset; --out is the folder for files in another "
            "--format, so name one",
            param_hint="--out",
        )


def _refuse_place(path: Path, overwrite: bool) -> None:
    """Refuse a file that could not be written, before hours of predicting."""
    from srseg.errors import FileFormatError, StorageError

    if not path.name.lower().endswith(tuple(_SUFFIXES.values())):
        raise FileFormatError(
            f"{path}: labels are written as {', '.join(_SUFFIXES.values())}; name the file so"
        )
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")


def _write(path: Path, labels: "Volume", made: dict[str, Any], overwrite: bool) -> None:
    from srseg.io import write_volume

    write_volume(path, labels, provenance=made, overwrite=overwrite)


def _note_start(what: str, scan: "Volume", ensemble: "MultiAxisEnsemble") -> None:
    size = ensemble.estimator_.voxel_size_
    grid = scan.grid.resampled(size)
    if grid is not scan.grid:
        note(
            f"{what}: resampled from {lengths(scan.grid.voxel_size)} to the model's {size:g} µm, "
            f"{voxels(grid.shape)} voxels"
        )


def _shares(labels: "Volume") -> dict[str, float]:
    import numpy as np

    assert labels.table is not None  # noqa: S101 - predictions carry their table
    counts = np.bincount(labels.read().ravel(), minlength=256)
    return {c.name: float(counts[c.value] / labels.grid.n_voxels) for c in labels.table}
