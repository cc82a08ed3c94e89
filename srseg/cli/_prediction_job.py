"""What labelling samples and labelling scan files have in common."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from srseg.cli._output import lengths, note, voxels
from srseg.cli._prediction_settings import model_in, planes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.cli._prediction_scratch import ResultPlace
    from srseg.cli._prediction_settings import PredictionSettings
    from srseg.estimators import Prediction
    from srseg.volumes import Sample, Volume

_LONGEST_NAME = 64
_MATTER_OF_SECONDS = 1 << 25  # voxels times planes; planning it would take as long


class PredictionJob:
    """One model, one set of planes, and what they are called."""

    def __init__(self, settings: "PredictionSettings") -> None:
        from srseg.errors import MissingFileError, ParameterError
        from srseg.estimators import VolumeSegmenter
        from srseg.inference import choose_device, choose_precision
        from srseg.storage import file_sha256

        if settings.scratch is not None and not settings.scratch.is_dir():
            raise MissingFileError(
                f"the folder {settings.scratch} does not exist; make it, or name another --scratch"
            )
        self.settings = settings
        self.ensemble = settings.ensemble()
        self.model = model_in(self.ensemble)
        self.planes = planes_of(self.ensemble)
        if isinstance(self.model, VolumeSegmenter):
            choose_precision(self.model.precision, choose_device(self.model.device))
        self.sha256 = file_sha256(settings.model)
        # the name of the derivative folder: the letters and digits that BIDS allows
        stem = settings.model.name.removesuffix(".srseg")
        self.name = "".join(c for c in stem if c.isascii() and c.isalnum()) or "model"
        if len(self.name) > _LONGEST_NAME:
            raise ParameterError(
                f"the name of the model {settings.model.name} becomes part of file names and has "
                f"{len(self.name)} letters and digits, at most {_LONGEST_NAME} are allowed; "
                "rename the file"
            )
        self.description = self.ensemble.description
        if settings.grid == "scan":
            self.description += "+scan"
        if settings.roi is not None:
            self.description += "+box" + "+".join(f"{p.start}+{p.stop}" for p in settings.roi)
        if len(self.description) > _LONGEST_NAME:
            raise ParameterError(
                f"the planes and the box become part of file names, as {self.description}, and at "
                f"most {_LONGEST_NAME} letters are allowed; name fewer planes"
            )

    @contextmanager
    def prepared(self, sample: "Sample", place: "ResultPlace") -> "Iterator[Prediction]":
        """Prepare labelling a scan, from where an earlier process left it."""
        settings = self.settings
        with self.ensemble.prepare_prediction(
            sample,
            grid=settings.grid,
            max_memory=settings.max_memory,
            scratch=place.folder if settings.resumable else None,
            restart=settings.restart,
            identity={"model file": self.sha256},
        ) as prediction:
            yield prediction

    def run(self, what: str, prediction: "Prediction") -> None:
        """Label it, and say before what that will take, unless it is done as soon as said."""
        if prediction.resumes:
            note(f"{what}: going on with what was done before")
        if prediction.grid.n_voxels * max(1, len(self.planes)) >= _MATTER_OF_SECONDS:
            first, *others = prediction.plan.lines()
            note("\n  ".join([f"{what}: {first}", *others]))
        prediction.run()
        wanted = self.settings.runtime or "auto"
        if wanted not in ("auto", prediction.runtime):
            note(f"{what}: {prediction.runtime} ran the network, {wanted} could not")

    def maps(self, prediction: "Prediction") -> dict[str, Any]:
        """Give what is to be saved beside the labels."""
        maps: dict[str, Any] = {}
        if "probabilities" in self.settings.saves:
            maps["probabilities"] = prediction.read_probabilities
        if "disagreement" in self.settings.saves:
            maps |= {"entropy": prediction.entropy, "margin": prediction.margin}
        return maps

    def provenance(self, source: dict[str, Any], prediction: "Prediction") -> dict[str, Any]:
        """Say how the labels are made, and of what."""
        from srseg.estimators import prediction_provenance

        settings = self.settings
        made = prediction_provenance(self.ensemble, settings.model, self.sha256, source)
        made["runtime"] = prediction.runtime
        if settings.roi is not None:
            made["box"] = [[part.start, part.stop] for part in settings.roi]
        return made

    def note_start(self, what: str, sample: "Sample") -> None:
        """Say where a scan is resampled."""
        from srseg.preprocessing import model_grid

        scan, size = sample.scan_grid, self.model.voxel_size_
        grid = scan if size is None else model_grid(scan, size)
        if grid is not scan:
            note(
                f"{what}: resampled from {lengths(scan.voxel_size)} to the model's {size:g} µm, "
                f"{voxels(grid.shape)} voxels"
            )


def planned(prediction: "Prediction") -> dict[str, Any]:
    """Give the plan as part of a row."""
    plan = prediction.plan
    return {
        "status": "planned",
        "goes_on": prediction.resumes,
        "plan": plan.to_dict(),
        "lines": plan.lines(),
    }


def shares(labels: "Volume") -> dict[str, float]:
    """Give the share of each class in the voxels that the scan saw."""
    import numpy as np

    from srseg.labels import UNLABELLED

    assert labels.table is not None  # noqa: S101 - predictions carry their table
    counts = sum(np.bincount(slab.ravel(), minlength=256) for _, slab in labels.slabs(8))
    assert not isinstance(counts, int)  # noqa: S101 - a volume has at least one slab
    # what is unlabelled lies outside of the field of view: nobody knows what it is
    seen = max(1, labels.grid.n_voxels - int(counts[UNLABELLED]))
    return {c.name: float(counts[c.value] / seen) for c in labels.table}
