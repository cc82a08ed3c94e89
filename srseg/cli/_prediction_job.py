"""Labelling samples and files with one model, and keeping the labels with how they were made."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from srseg.cli._output import lengths, note, voxels
from srseg.cli._prediction_files import SUFFIXES, refuse_place
from srseg.cli._prediction_settings import PredictionSettings
from srseg.cli._provenance import provenance, region_of, source_of_file, source_of_sample

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.io import Reading
    from srseg.volumes import Grid, Region, Sample, Volume

_LONGEST_NAME = 64


class PredictionJob:
    """One model, one set of planes and one place for the files."""

    def __init__(self, settings: PredictionSettings) -> None:
        from srseg.errors import ParameterError
        from srseg.inference import choose_device, choose_precision
        from srseg.storage import file_sha256

        self.ensemble = settings.ensemble()
        segmenter = self.ensemble.estimator_.estimator
        choose_precision(segmenter.precision, choose_device(segmenter.device))
        self._settings = settings
        self._model = settings.model
        self._sha256 = file_sha256(self._model)
        # the name of the derivative folder: the letters and digits that BIDS allows
        stem = self._model.name.removesuffix(".srseg")
        self._name = "".join(c for c in stem if c.isascii() and c.isalnum()) or "model"
        if len(self._name) > _LONGEST_NAME:
            raise ParameterError(
                f"the name of the model {self._model.name} becomes part of file names and has "
                f"{len(self._name)} letters and digits, at most {_LONGEST_NAME} are allowed; "
                "rename the file"
            )
        self._roi = settings.roi
        self._description = self.ensemble.description
        if settings.grid == "scan":
            self._description += "+scan"
        if self._roi is not None:
            self._description += "+box" + "+".join(f"{p.start}+{p.stop}" for p in self._roi)
        if len(self._description) > _LONGEST_NAME:
            raise ParameterError(
                f"the planes and the box become part of file names, as {self._description}, and at "
                f"most {_LONGEST_NAME} letters are allowed; name fewer planes"
            )

    @property
    def _prediction(self) -> str:
        return f"srseg-{self._name}/{self._description}"

    def refuse_conflicts(self, chosen: "Dataset") -> None:
        """Refuse, before anything is predicted, what another command would solve.

        What is wrong with a single sample is told when its turn comes.
        """
        from srseg.errors import DatasetError, SRSegError

        chosen.table.require_same(self.ensemble.estimator_.label_table_, where=str(self._model))
        for sample in chosen:
            there = self._prediction in sample.predictions
            file = self._file(sample)
            # a file beside a prediction comes from the same command, which may be given again
            if file is not None and not (there and file.exists()):
                refuse_place(file, overwrite=self._settings.overwrite)
            if not there or self._settings.overwrite:
                continue
            made = {"model_sha256": self._sha256}
            with suppress(SRSegError, OSError):
                made = self._made(sample)
            if made.get("model_sha256") != self._sha256:
                raise DatasetError(
                    f"sample {sample.name} has a prediction {self._prediction} by another model "
                    f"(also named {made.get('model', self._name)}); rename {self._model}, or "
                    "replace that prediction with --overwrite"
                )

    def _made(self, sample: "DatasetSample") -> dict[str, Any]:
        made: dict[str, Any] = sample.labels_info(self._prediction).get("Provenance", {})
        return made

    def _file(self, sample: "DatasetSample") -> Path | None:
        if self._settings.file_format is None:
            return None
        stem = f"{sample.name}_{self._name}_{self._description}"
        return (self._settings.out or Path()) / f"{stem}{SUFFIXES[self._settings.file_format]}"

    def predict_sample(
        self, dataset: "Dataset", sample: "DatasetSample", *, wait: bool
    ) -> dict[str, Any]:
        """Label a sample, if this model has not labelled it already."""
        row: dict[str, Any] = {"scan": sample.name, "status": "done", "labels": self._prediction}
        if self._is_done(sample):
            row["status"] = "was there"
        else:
            self._predict(dataset, sample)
        labels = sample.labels(self._prediction)
        file = self._file(sample)
        if file is not None:
            row["file"] = str(file)
            if row["status"] == "done" or not self._is_written(file, sample):
                self._write(file, labels, sample.labels_info(self._prediction)["Provenance"])
        return {**row, "shares": _shares(labels)}

    def _is_done(self, sample: "DatasetSample") -> bool:
        """Tell whether there is a prediction that may be taken for the one that is asked for."""
        from srseg.errors import DatasetError

        if self._prediction not in sample.predictions or self._settings.overwrite:
            return False
        source = self._made(sample).get("source", {})
        region = {key: source[key] for key in ("roi", "field_of_view") if key in source}
        if region != region_of(sample):
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} from before its region "
                "was changed; replace it with --overwrite"
            )
        return True

    def _is_written(self, file: Path, sample: "DatasetSample") -> bool:
        from srseg.errors import StorageError

        if not file.exists():
            return False
        written = datetime.fromisoformat(sample.labels_info(self._prediction)["Written"]["At"])
        if file.stat().st_mtime < written.timestamp():
            raise StorageError(
                f"{file} is older than the prediction {self._prediction}; remove it, or choose "
                "another --out"
            )
        return True

    def _predict(self, dataset: "Dataset", sample: "DatasetSample") -> None:
        made = self._provenance(source_of_sample(sample))
        alignment = sample.scan_file.alignment
        part = self._part(sample)
        self._note_start(f"sample {sample.name}", part.scan_grid)
        labels = self.ensemble.predict(part, grid=self._settings.grid)
        with dataset.prediction_sink(
            sample.name, self._name, labels.grid, description=self._description,
            provenance=made, table=labels.table, alignment=alignment,
            overwrite=self._settings.overwrite,
        ) as sink:  # fmt: skip
            for start, block in labels.slabs():
                sink[start : start + len(block)] = block

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
        target = self._target(path)
        refuse_place(target, overwrite=self._settings.overwrite)
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
        self._note_start(str(path), sample.scan_grid)
        labels = self.ensemble.predict(sample, grid=self._settings.grid)
        self._write(target, labels, self._provenance(source))
        return {
            "scan": str(path),
            "status": "done",
            "labels": str(target),
            "shares": _shares(labels),
        }

    def _target(self, path: Path) -> Path:
        file_format = self._settings.file_format
        suffix = SUFFIXES[file_format or "h5"]
        target = self._settings.out or Path(
            f"{path.name.split('.')[0] or path.name}_labels{suffix}"
        )
        if file_format is not None and not target.name.endswith(suffix):
            raise typer.BadParameter(
                f"{target} does not end in {suffix} as --format {file_format} asks for; leave one "
                "of the two out",
                param_hint="--out",
            )
        return target

    def _write(self, path: Path, labels: "Volume", made: dict[str, Any]) -> None:
        from srseg.io import write_volume

        write_volume(path, labels, provenance=made, overwrite=self._settings.overwrite)

    def _note_start(self, what: str, scan: "Grid") -> None:
        from srseg.preprocessing import model_grid

        size = self.ensemble.estimator_.voxel_size_
        grid = scan if size is None else model_grid(scan, size)
        if grid is not scan:
            note(
                f"{what}: resampled from {lengths(scan.voxel_size)} to the model's {size:g} µm, "
                f"{voxels(grid.shape)} voxels"
            )


def _text(box: "Region") -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)


def _shares(labels: "Volume") -> dict[str, float]:
    import numpy as np

    from srseg.labels import UNLABELLED

    assert labels.table is not None  # noqa: S101 - predictions carry their table
    counts = sum(np.bincount(slab.ravel(), minlength=256) for _, slab in labels.slabs(8))
    assert not isinstance(counts, int)  # noqa: S101 - a volume has at least one slab
    # what is unlabelled lies outside of the field of view: nobody knows what it is
    seen = max(1, labels.grid.n_voxels - int(counts[UNLABELLED]))
    return {c.name: float(counts[c.value] / seen) for c in labels.table}
