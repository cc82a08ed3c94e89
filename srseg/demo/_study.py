"""A small synthetic study, from scans to scores, the way a user would do it."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from srseg.dataset import Dataset, measured_facts
from srseg.errors import DatasetError, ParameterError
from srseg.estimators import MultiAxisEnsemble, VolumeSegmenter, prediction_provenance
from srseg.evaluation import ScoreTable, evaluate_models
from srseg.io import describe, open_volume, write_volume
from srseg.phantoms import make_phantom
from srseg.progress import task
from srseg.quantification import (
    Comparison,
    Measures,
    compare_measures,
    implant_from_metadata,
    measure,
)
from srseg.reports import comparison_figure, save_figure, write_report
from srseg.storage import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BEAMLINES = ("P05", "I13-2")
_PREDICTED = "srseg-demo/soft9"
_DISTANCES = (100.0, 200.0, 300.0)  # µm
_NUMBERS = ("degradation_rate", "bone_implant_contact", "bone_fraction_200um")
_MADE = {"WF": "a simulated semi-automatic workflow", "HQ": "the exact truth of the phantom"}
_METADATA = ("alloy", "beamline", "energy_kev", "implantation_days", "initial_volume_mm3",
             "initial_surface_mm2")  # fmt: skip


@dataclass(frozen=True)
class Study:
    """How large the study is and how long it trains.

    Parameters
    ----------
    size : int, default=96
        Edge of the phantoms, in voxels.
    n_train : int, default=8
        Samples with WF labels that are trained on.
    n_test : int, default=3
        Held-out samples, scored against their truth.
    wf_quality : float, default=0.55
        Quality of the WF labels, 0 to 1.
    target : {"WF", "HQ"}, default="WF"
        Labels to train on; HQ, the exact truth, gives the ceiling.
    width, depth, input_size, batch_size, max_iter : int
        As for :class:`srseg.VolumeSegmenter`.
    seed : int, default=0
        Seed of phantoms and training.
    """

    size: int = 96
    n_train: int = 8
    n_test: int = 3
    wf_quality: float = 0.55
    target: str = "WF"
    width: int = 16
    depth: int = 3
    input_size: int = 96
    batch_size: int = 8  # 1800 batches of 4 took as long and did as well
    max_iter: int = 1200
    seed: int = 0


@dataclass
class DemoResult:
    """What the study found.

    Parameters
    ----------
    out : Path
        The folder with ``dataset``, ``model.srseg``, ``figures`` and ``report.html``.
    table : ScoreTable
        IoU of WF, one, three and nine planes against the truth.
    numbers : Comparison
        Degradation rate, BIC and BV/TV of the test samples from WF labels, nine planes and truth.
    figure : Path
        The picture.
    report : Path
        The page with everything about the test samples.
    seconds : dict of str to float
        Time of each step, and ``total``.
    """

    out: Path
    table: ScoreTable
    numbers: Comparison
    figure: Path
    report: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the result as plain data for JSON.

        Returns
        -------
        dict
            Keys ``iou`` (by method, then class and ``mean``), ``numbers`` (by quantity, then
            sample and label set), ``seconds`` (the total), ``steps`` (seconds by step),
            ``dataset``, ``model``, ``figure`` and ``report``.
        """
        rows = self.table.to_json()["rows"]
        numbers: dict[str, dict[str, Any]] = {}
        for row in self.numbers.rows:
            known = {name: v if math.isfinite(v) else None for name, v in row.values.items()}
            numbers.setdefault(row.measure, {})[row.sample] = known
        return {
            "iou": {row["key"]: row["iou"] for row in rows},
            "numbers": numbers,
            "seconds": self.seconds["total"],
            "steps": {name: s for name, s in self.seconds.items() if name != "total"},
            "dataset": str(self.out / "dataset"),
            "model": str(self.out / "model.srseg"),
            "figure": str(self.figure),
            "report": str(self.report),
        }


def run_demo(
    out: Path | str, *, bone_mask: Path | str | None = None, study: Study | None = None
) -> DemoResult:
    """Run the study: phantoms, dataset, train on WF, predict, score, measure, draw, report.

    Parameters
    ----------
    out : path
        The folder to make; it may exist, but must be empty.
    bone_mask : path, optional
        A volume of real bone (not 0) to put the implants into, instead of generated bone.
    study : Study, optional
        How large and how long.

    Returns
    -------
    DemoResult
        Scores, times and where everything is.

    Raises
    ------
    DatasetError
        If `out` is a file, or a folder with something in it.
    ParameterError
        If the bone mask is no mask of bone and marrow.
    """
    out, study = Path(out), study or Study()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} is not an empty folder; choose another --out, or remove it")
    mask = None if bone_mask is None else _read_mask(bone_mask)
    clock = _Clock()
    created = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with clock.step("phantoms and dataset"):
            dataset = _make_dataset(out / "dataset", study, mask)
        training = dataset.select(has="WF", name=_names("T", study.n_train))
        test = dataset.select(has="HQ", name=_names("V", study.n_test)).with_target("HQ")
        with clock.step("preprocess"):
            dataset.preprocess(voxel_size=None)
        with clock.step("train"):
            segmenter = _segmenter(study).fit(training.with_target(study.target))
            segmenter.save(out / "model.srseg")
        with clock.step("predict and score"):
            table = evaluate_models([segmenter], test, against="HQ", baselines=["WF"])
        with clock.step("keep and draw"):
            for name in test.names:
                _keep_prediction(dataset, name, segmenter, out / "model.srseg")
            figure = _draw(dataset, test.names[0], out / "figures")
        with clock.step("quantify"):
            numbers = _quantify(test)
    except BaseException:
        _remove([out] if created else list(out.iterdir()))
        raise
    # what was made by now is worth keeping without the page, too
    with clock.step("report"):
        report = write_report(test, out / "report.html")
    return DemoResult(out, table, numbers, figure, report.path, clock.seconds)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"total": 0.0}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        self.seconds["total"] += self.seconds[name]


def _read_mask(path: Path | str) -> NDArray[Any]:
    # the phantoms take the mask voxel by voxel, so its voxel size does not matter
    stated = describe(path).voxel_size is not None
    mask = open_volume(path, voxel_size=None if stated else 1.0).read()
    values = np.unique(mask)
    if len(values) > 2:
        raise ParameterError(
            f"{path}: a mask has two values, bone and 0, found {len(values)} from {values[0]} to "
            f"{values[-1]}; threshold the scan first"
        )
    return mask


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{i + 1}" for i in range(count)]


def _make_dataset(path: Path, study: Study, mask: NDArray[Any] | None) -> Dataset:
    dataset = Dataset.create(path, name="Synthetic magnesium screws in bone")
    names = [*_names("T", study.n_train), *_names("V", study.n_test)]
    with tempfile.TemporaryDirectory() as folder, task("making phantoms", len(names)) as step:
        for i, name in enumerate(names):
            phantom = make_phantom(
                1000 * study.seed + i,
                (study.size,) * 3,
                alloy="Mg-5Gd" if i % 3 == 0 else "Mg-10Gd",
                beamline=_BEAMLINES[i % 2],
                bone_mask=mask,
                wf_quality=study.wf_quality,
            )
            files = {"scan": phantom.scan, "WF": phantom.wf, "HQ": phantom.truth}
            for what, volume in files.items():
                write_volume(Path(folder) / f"{name}-{what}.h5", volume)
            metadata = {key: phantom.metadata[key] for key in _METADATA}
            dataset.add_sample(Path(folder) / f"{name}-scan.h5", name=name, metadata=metadata)
            for label_set, how in _MADE.items():
                dataset.add_labels(
                    Path(folder) / f"{name}-{label_set}.h5", sample=name, label_set=label_set,
                    manual=False, note=how,
                )  # fmt: skip
            step.advance(1, name)
    return dataset


def _segmenter(study: Study) -> VolumeSegmenter:
    return VolumeSegmenter(
        width=study.width,
        depth=study.depth,
        input_size=study.input_size,
        batch_size=study.batch_size,
        voxel_size=None,
        max_iter=study.max_iter,
        validation=None,
        random_state=study.seed,
    )


def _keep_prediction(dataset: Dataset, name: str, segmenter: VolumeSegmenter, model: Path) -> None:
    """Predict a held-out sample once more with nine planes; keep labels and disagreement."""
    ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=9).fit(None)
    source = {"stamp": dataset[name].scan_file.stamp.to_dict()}
    provenance = prediction_provenance(ensemble, model, file_sha256(model), source)
    with ensemble.prepare_prediction(dataset[name]) as prediction:
        prediction.run()
        labels = prediction.labels
        with dataset.create_prediction(
            name, "demo", labels.grid, description=ensemble.description, provenance=provenance,
            table=prediction.table, saves=["disagreement"], maps_grid=prediction.grid,
        ) as made:  # fmt: skip
            made.fill(labels, entropy=prediction.entropy, margin=prediction.margin)


def _quantify(dataset: Dataset) -> Comparison:
    """Measure WF labels, prediction and truth of samples, and keep the numbers."""
    records = []
    for sample in dataset:
        for label_set in ("WF", _PREDICTED, "HQ"):
            found = measure(
                sample.labels(label_set),
                implant=implant_from_metadata(sample.metadata),
                days=float(sample.metadata["implantation_days"]),
                distances=_DISTANCES,
            )
            facts = {**found.facts, **measured_facts(sample, label_set)}
            records.append(Measures(found.entries, facts))
            dataset.keep_measures(sample.name, label_set, records[-1])
    return compare_measures(records, reference="HQ", names=_NUMBERS)


def _draw(dataset: Dataset, name: str, folder: Path) -> Path:
    sample = dataset[name]
    labels = {
        "WF": sample.labels("WF"),
        "truth": sample.labels("HQ"),
        "srseg, 9 planes": sample.labels(_PREDICTED),
    }
    figure = comparison_figure(
        sample.scan,
        labels,
        truth="truth",
        prediction="srseg, 9 planes",
        other="WF",
        title=f"Held-out phantom {name}: the network saw WF labels only",
    )
    folder.mkdir()
    path = folder / "comparison.png"
    save_figure(figure, path)
    return path
