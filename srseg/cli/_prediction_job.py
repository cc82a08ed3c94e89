"""Labelling samples and files with one model, and keeping the labels with how they were made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from srseg.cli._output import lengths, note, voxels
from srseg.cli._provenance import provenance, region_of, source_of_file, source_of_sample

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.estimators import MultiAxisEnsemble
    from srseg.io import Reading
    from srseg.volumes import Grid, Region, Sample, Volume

SUFFIXES = {"h5": ".h5", "tif": ".tif", "mha": ".mha", "nrrd": ".nrrd", "seg.nrrd": ".seg.nrrd",
             "nii.gz": ".nii.gz"}  # fmt: skip

_LONGEST_NAME = 64


class PredictionJob:
    """One model, one set of planes and one place for the files."""

    def __init__(
        self,
        model: Path,
        ensemble: "MultiAxisEnsemble",
        grid: Literal["model", "scan"],
        file_format: str | None,
        out: Path | None,
        overwrite: bool,
        roi: "Region | None",
    ) -> None:
        from srseg.errors import ParameterError
        from srseg.inference import choose_device, choose_precision
        from srseg.storage import file_sha256

        self.ensemble = ensemble
        segmenter = ensemble.estimator_.estimator
        choose_precision(segmenter.precision, choose_device(segmenter.device))
        self._model = model
        self._sha256 = file_sha256(model)
        # the name of the derivative folder: the letters and digits that BIDS allows
        stem = model.name.removesuffix(".srseg")
        self._name = "".join(c for c in stem if c.isascii() and c.isalnum()) or "model"
        if len(self._name) > _LONGEST_NAME:
            raise ParameterError(
                f"the name of the model {model.name} becomes part of file names and has "
                f"{len(self._name)} letters and digits, at most {_LONGEST_NAME} are allowed; "
                "rename the file"
            )
        self._grid = grid
        self._roi = roi
        self._description = ensemble.description + ("+scan" if grid == "scan" else "")
        if roi is not None:
            self._description += "+box" + "+".join(f"{p.start}+{p.stop}" for p in roi)
        if len(self._description) > _LONGEST_NAME:
            raise ParameterError(
                f"the planes and the box become part of file names, as {self._description}, and at "
                f"most {_LONGEST_NAME} letters are allowed; name fewer planes"
            )
        self._format = file_format
        self._out = out
        self._overwrite = overwrite

    @property
    def _prediction(self) -> str:
        return f"srseg-{self._name}/{self._description}"

    def _file(self, sample: "DatasetSample") -> Path | None:
        if self._format is None:
            return None
        stem = f"{sample.name}_{self._name}_{self._description}"
        return (self._out or Path()) / f"{stem}{SUFFIXES[self._format]}"

    def check_sample(self, sample: "DatasetSample") -> None:
        """Refuse, before anything is predicted, what could not be kept afterwards."""
        from srseg.errors import DatasetError

        file = self._file(sample)
        if file is not None:
            _refuse_place(file, self._overwrite)
        self._part(sample)  # refuses a box that is not inside
        if self._overwrite or self._prediction not in sample.predictions:
            return
        made = sample.labels_info(self._prediction).get("Provenance", {})
        source = made.get("source", {})
        region = {key: source[key] for key in ("roi", "field_of_view") if key in source}
        if region != region_of(sample):
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} from before its region "
                "was changed; replace it with --overwrite"
            )
        if made.get("model_sha256") != self._sha256:
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} by another model "
                f"(also named {made.get('model', self._name)}); rename {self._model}, or replace "
                "that prediction with --overwrite"
            )

    def predict_samples(self, chosen: "Dataset") -> list[dict[str, Any]]:
        """Label samples, those that this model has labelled already left out."""
        from srseg.progress import task

        done = []
        with task("samples", len(chosen)) as progress:
            for sample in chosen:
                done.append(self._predict_sample(chosen, sample))
                progress.advance(1, f"{sample.name} {done[-1]['status']}")
        return done

    def _predict_sample(self, dataset: "Dataset", sample: "DatasetSample") -> dict[str, Any]:
        made = self._provenance(source_of_sample(sample))
        alignment = sample.scan_file.alignment
        row: dict[str, Any] = {"scan": sample.name, "status": "done", "labels": self._prediction}
        if self._prediction in sample.predictions and not self._overwrite:
            labels = sample.labels(self._prediction)
            row["status"] = "was there"
        else:
            part = self._part(sample)
            _note_start(f"sample {sample.name}", part.scan_grid, self.ensemble)
            labels = self.ensemble.predict(part, grid=self._grid)
            with dataset.prediction_sink(
                sample.name, self._name, labels.grid, description=self._description,
                provenance=made, table=labels.table, alignment=alignment, overwrite=self._overwrite,
            ) as sink:  # fmt: skip
                for start, block in labels.slabs():
                    sink[start : start + len(block)] = block
        file = self._file(sample)
        if file is not None:
            _write(file, labels, made, self._overwrite)
            row["file"] = str(file)
        return {**row, "shares": _shares(labels)}

    def _provenance(self, source: dict[str, Any]) -> dict[str, Any]:
        made = provenance(self._model, self._sha256, self.ensemble, source)
        if self._roi is not None:
            made["box"] = [[part.start, part.stop] for part in self._roi]
        return made

    def _part(self, sample: "DatasetSample") -> "Sample":
        """Give what is to be labelled of a sample; the box is in voxels of the scan file."""
        from srseg.errors import GridError
        from srseg.estimators import SamplePart

        if self._roi is None:
            return sample
        region = sample.scan_file.roi
        starts = [0, 0, 0] if region is None else [part.start for part in region]
        z, y, x = (
            slice(part.start - start, part.stop - start)
            for part, start in zip(self._roi, starts, strict=True)
        )
        try:
            return SamplePart(sample, (z, y, x))
        except GridError:
            # its message counts from the corner of the sample
            asked = _text(self._roi)
            whole = " x ".join(map(str, sample.scan_file.grid.shape))
            ours = "the whole file" if region is None else f"the part {_text(region)} of it"
            raise GridError(
                f"the box {asked}, in voxels of the scan file ({whole}; z, y, x; the last is not "
                f"part of it), does not lie in sample {sample.name}, which is {ours}; give a box "
                "inside"
            ) from None

    def predict_file(
        self,
        path: Path,
        voxel_size: float | None,
        reading: "Reading",
        *,
        look_for_field: bool,
    ) -> dict[str, Any]:
        """Label a scan file that is in no dataset."""
        from srseg.estimators import SamplePart
        from srseg.io import open_volume
        from srseg.preprocessing import find_field
        from srseg.volumes import ArraySample

        scan = open_volume(path, reading, voxel_size=voxel_size)
        suffix = SUFFIXES[self._format or "h5"]
        target = self._out or Path(f"{path.name.split('.')[0] or path.name}_labels{suffix}")
        if self._format is not None and not target.name.endswith(suffix):
            raise typer.BadParameter(
                f"{target} does not end in {suffix} as --format {self._format} asks for; leave one "
                "of the two out",
                param_hint="--out",
            )
        _refuse_place(target, self._overwrite)
        source: dict[str, Any] = source_of_file(path, reading)
        if look_for_field:
            scan.field = find_field(scan)
        if scan.field is not None:
            note(f"{path}: a circle of radius {scan.field.radius:g} µm was seen (found)")
            source["field_of_view"] = scan.field.to_dict()
        # as a sample, so that warnings name the file
        sample: Sample = ArraySample(path.name, scan)
        if self._roi is not None:
            sample = SamplePart(sample, self._roi)
        _note_start(str(path), sample.scan_grid, self.ensemble)
        labels = self.ensemble.predict(sample, grid=self._grid)
        made = self._provenance(source)
        _write(target, labels, made, self._overwrite)
        return {
            "scan": str(path),
            "status": "done",
            "labels": str(target),
            "shares": _shares(labels),
        }


def _text(box: "Region") -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)


def _refuse_place(path: Path, overwrite: bool) -> None:
    """Refuse a file that could not be written, before hours of predicting."""
    from srseg.errors import FileFormatError, StorageError

    if not path.name.lower().endswith(tuple(SUFFIXES.values())):
        raise FileFormatError(
            f"{path}: labels are written as {', '.join(SUFFIXES.values())}; name the file so"
        )
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")


def _write(path: Path, labels: "Volume", made: dict[str, Any], overwrite: bool) -> None:
    from srseg.io import write_volume

    write_volume(path, labels, provenance=made, overwrite=overwrite)


def _note_start(what: str, scan: "Grid", ensemble: "MultiAxisEnsemble") -> None:
    from srseg.preprocessing import model_grid

    size = ensemble.estimator_.voxel_size_
    grid = scan if size is None else model_grid(scan, size)
    if grid is not scan:
        note(
            f"{what}: resampled from {lengths(scan.voxel_size)} to the model's {size:g} µm, "
            f"{voxels(grid.shape)} voxels"
        )


def _shares(labels: "Volume") -> dict[str, float]:
    import numpy as np

    from srseg.labels import UNLABELLED

    assert labels.table is not None  # noqa: S101 - predictions carry their table
    counts = sum(np.bincount(slab.ravel(), minlength=256) for _, slab in labels.slabs(8))
    assert not isinstance(counts, int)  # noqa: S101 - a volume has at least one slab
    # what is unlabelled lies outside of the field of view: nobody knows what it is
    seen = max(1, labels.grid.n_voxels - int(counts[UNLABELLED]))
    return {c.name: float(counts[c.value] / seen) for c in labels.table}
