"""Labelling samples of a dataset with one model, and keeping the labels with how they were made."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._output import note
from srseg.cli._prediction_files import SUFFIXES, refuse_place
from srseg.cli._prediction_job import PredictionJob, planned, shares
from srseg.cli._prediction_scratch import ResultPlace
from srseg.cli._prediction_source import region_of, source_of_sample

if TYPE_CHECKING:
    from srseg.cli._prediction_settings import PredictionSettings
    from srseg.dataset import Dataset, DatasetSample
    from srseg.volumes import Region, Sample


class SampleJob(PredictionJob):
    """Labels samples, unless that was done already."""

    def __init__(self, settings: "PredictionSettings") -> None:
        super().__init__(settings)
        self._prediction = f"srseg-{self.name}/{self.description}"
        self._overwrite = settings.overwrite

    def refuse_conflicts(self, chosen: "Dataset") -> None:
        """Refuse, before anything is predicted, what another command would solve.

        What is wrong with a single sample is told when its turn comes.
        """
        from srseg.errors import DatasetError, SRSegError

        model = self.settings.model
        chosen.table.require_same(self.model.label_table_, where=str(model))
        for sample in chosen:
            there = self._prediction in sample.predictions
            file = self._file(sample)
            # a file beside a prediction comes from the same command, which may be given again
            if file is not None and not (there and file.exists()):
                refuse_place(file, overwrite=self._overwrite)
            if not there or self._overwrite:
                continue
            made = {"model_sha256": self.sha256}
            with suppress(SRSegError, OSError):
                made = self._said(sample).get("Provenance", {})
            if made.get("model_sha256") != self.sha256:
                raise DatasetError(
                    f"sample {sample.name} has a prediction {self._prediction} by another model "
                    f"(also named {made.get('model', self.name)}); rename {model}, or replace that "
                    "prediction with --overwrite"
                )

    def predict(
        self, dataset: "Dataset", sample: "DatasetSample", *, wait: bool, dry_run: bool = False
    ) -> dict[str, Any]:
        """Label a sample, if this model has not labelled it already, or say how it would be."""
        row: dict[str, Any] = {"scan": sample.name, "status": "was there"}
        place = self._place_of(dataset, sample)
        if dry_run:
            if not self._is_done(sample):
                with self.prepared(self._part(sample), place) as prediction:
                    row |= planned(prediction)
            return {**row, "labels": self._prediction}
        if not self._is_done(sample):
            with place.held(wait=wait):
                # who was waited for may have made it
                if not self._is_done(sample):
                    self._make(dataset, sample, place)
                    row["status"] = "done"
        if row["status"] == "was there":
            self._tidy(sample, place)
        row["labels"] = self._prediction
        labels = sample.labels(self._prediction)
        file = self._file(sample)
        if file is not None:
            row["file"] = str(file)
            if row["status"] == "done" or not self._is_written(file, sample):
                from srseg.io import write_volume

                made = self._said(sample)["Provenance"]
                write_volume(file, labels, provenance=made, overwrite=self._overwrite)
        return {**row, "shares": shares(labels)}

    def _make(self, dataset: "Dataset", sample: "DatasetSample", place: ResultPlace) -> None:
        source = source_of_sample(sample)
        alignment = sample.scan_file.alignment
        part = self._part(sample)
        what = f"sample {sample.name}"
        self.note_start(what, part)
        with self.prepared(part, place) as prediction:
            self.run(what, prediction)
            labels = prediction.labels
            with dataset.create_prediction(
                sample.name, self.name, labels.grid, description=self.description,
                provenance=self.provenance(source, prediction), table=prediction.table,
                alignment=alignment, saves=self.settings.saves, maps_grid=prediction.grid,
                overwrite=self._overwrite,
            ) as sink:  # fmt: skip
                sink.fill(labels, **self.maps(prediction))
            prediction.discard()

    def _is_done(self, sample: "DatasetSample") -> bool:
        """Tell whether there is a prediction that may be taken for the one that is asked for."""
        from srseg.errors import DatasetError
        from srseg.io import maps_of

        if self._prediction not in sample.predictions or self._overwrite:
            return False
        said = self._said(sample)
        source = said.get("Provenance", {}).get("source", {})
        region = {key: source[key] for key in ("roi", "field_of_view") if key in source}
        if region != region_of(sample):
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} from before its region "
                "was changed; replace it with --overwrite"
            )
        wanted = [one.name for one in maps_of(self.settings.saves)]
        lacking = [name for name in wanted if name not in said.get("Saved", {})]
        if lacking:
            raise DatasetError(
                f"sample {sample.name} has a prediction {self._prediction} without "
                f"{', '.join(lacking)}; make it again with --overwrite"
            )
        return True

    def _tidy(self, sample: "DatasetSample", place: ResultPlace) -> None:
        """Remove what a process left that was killed after its result stood."""
        # the later of two clocks, ours and that of the disk, as one may have been set back
        sidecar = sample.labels_sidecar(self._prediction)
        on_disk = datetime.fromtimestamp(sidecar.stat().st_mtime, UTC)
        if not place.discard(before=max(self._written(sample), on_disk)):
            note(
                f"sample {sample.name}: what was begun with --overwrite and is not finished lies "
                f"in {place.folder}; go on with the same command, or remove that folder"
            )

    def _said(self, sample: "DatasetSample") -> dict[str, Any]:
        return sample.labels_info(self._prediction)

    def _written(self, sample: "DatasetSample") -> datetime:
        return datetime.fromisoformat(self._said(sample)["Written"]["At"])

    def _place_of(self, dataset: "Dataset", sample: "DatasetSample") -> ResultPlace:
        name = f"making-{self._prediction.replace('/', '-')}-{sample.name}"
        lock = dataset.path / ".srseg" / name
        beside = dataset.prediction_scratch(sample.name, self.name, description=self.description)
        return ResultPlace(lock, beside, self.settings.scratch)

    def _file(self, sample: "DatasetSample") -> Path | None:
        if self.settings.file_format is None:
            return None
        stem = f"{sample.name}_{self.name}_{self.description}"
        return (self.settings.out or Path()) / f"{stem}{SUFFIXES[self.settings.file_format]}"

    def _is_written(self, file: Path, sample: "DatasetSample") -> bool:
        from srseg.errors import StorageError

        if not file.exists():
            return False
        if file.stat().st_mtime < self._written(sample).timestamp():
            raise StorageError(
                f"{file} is older than the prediction {self._prediction}; remove it, or choose "
                "another --out"
            )
        return True

    def _part(self, sample: "DatasetSample") -> "Sample":
        """Give what is to be labelled of a sample; the box is in voxels of the scan file."""
        from srseg.errors import GridError
        from srseg.estimators import SamplePart

        box = self.settings.roi
        if box is None:
            return sample
        region = sample.scan_file.roi
        starts = [0, 0, 0] if region is None else [part.start for part in region]
        z, y, x = (
            slice(part.start - start, part.stop - start)
            for part, start in zip(box, starts, strict=True)
        )
        try:
            return SamplePart(sample, (z, y, x))
        except GridError:
            # its message counts from the corner of the sample
            whole = " x ".join(map(str, sample.scan_file.grid.shape))
            ours = "the whole file" if region is None else f"the part {_text(region)} of it"
            raise GridError(
                f"the box {_text(box)}, in voxels of the scan file ({whole}; z, y, x; the last is "
                f"not part of it), does not lie in sample {sample.name}, which is {ours}; give a "
                "box inside"
            ) from None


def _text(box: "Region") -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)
