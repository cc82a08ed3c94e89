"""``srseg calibrate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._intervals import how_to_predict_planes, single_planes
from srseg.cli._options import DatasetOption, JsonOption, SelectOption, choose_samples
from srseg.cli._output import counted, note, say, say_json, say_table
from srseg.cli._prediction_settings import PredictionSettings
from srseg.cli._quantify_answer import refuse_files
from srseg.cli._quantify_samples import QuantifyJob
from srseg.cli._quantify_settings import (
    QuantifySettings,
    parse,
    parse_distances,
    parse_neighbourhood,
)

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.quantification import IntervalCalibration, Measures

EXAMPLE = (
    "Example: srseg calibrate fold1.srseg fold2.srseg fold3.srseg fold4.srseg --against HQ "
    "--planes 9 --out intervals.json"
)


@dataclass(frozen=True)
class _Model:
    """A model file, and the samples that it has seen."""

    path: Path
    sha256: str
    seen: frozenset[str]
    description: str


@dataclass(frozen=True)
class _Case:
    """A sample that a model was not trained on, with what that model predicted."""

    sample: "DatasetSample"
    model: _Model
    fused: str
    planes: list[str]


def calibrate(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL [SAMPLE]", show_default=False,
                       help="Model files (best those of the folds of one cross-validation), then "
                       "names of samples (default: all that have the reference labels)."),
    ],
    against: Annotated[
        str, typer.Option(metavar="SET", help="The label set that counts as true.")
    ] = "HQ",
    planes: Annotated[
        str, typer.Option(help="Planes of the predictions: 1, 3, 9, or names such as rc,cp@45p.")
    ] = "3",
    voting: Annotated[str, typer.Option(help="Their voting: soft or hard.")] = "soft",
    out: Annotated[
        Path, typer.Option(metavar="FILE.json", help="The calibration to write.")
    ] = Path("intervals.json"),
    level: Annotated[
        float, typer.Option(help="Share of intervals that are to hold the true number.")
    ] = 0.9,
    distance: Annotated[
        list[str] | None,
        typer.Option(metavar="LENGTH", show_default=False,
                     help="BV/TV within this distance of the implant; repeat it (default: those "
                     "of srseg quantify)."),
    ] = None,
    neighbourhood: Annotated[
        int, typer.Option(metavar="6|18|26", help="Which neighbours of a voxel touch it.")
    ] = 6,
    crack_width: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", show_default=False,
                     help="Up to which width a gap in the degradation layer is a crack."),
    ] = None,
    bone: Annotated[str, typer.Option(metavar="CLASS|none", help="Class of the bone.")] = "bone",
    layer: Annotated[
        str, typer.Option(metavar="CLASS|none", help="Class of the degradation layer.")
    ] = "degradation layer",
    residual: Annotated[
        str, typer.Option(metavar="CLASS", help="Class of the metal that is left.")
    ] = "residual material",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --out.")
    ] = False,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Learn from reference labels how far implant numbers of predictions may be off.

    Each sample counts once, with a model that was not trained on it and has predicted it: with the
    planes of --planes together, and each of two or more planes alone (srseg predict --planes rc,
    and the like). What is learned goes into a file, and srseg quantify --calibration FILE gives the
    numbers of new predictions their intervals. For 90 % at least 9 samples are needed.
    """
    refuse_files([out], overwrite=overwrite)
    files = [Path(text) for text in models if text.endswith(".srseg") or Path(text).is_file()]
    if not files:
        raise typer.BadParameter(
            f"no model file among {', '.join(models)}; give files that srseg train wrote",
            param_hint="MODEL",
        )
    names = [text for text in models if Path(text) not in files]
    settings = QuantifySettings(
        bone=bone,
        layer=layer,
        residual=residual,
        distances=parse_distances(distance),
        neighbourhood=parse_neighbourhood(neighbourhood),
        crack_width=None if crack_width is None else parse(crack_width, "um", "--crack-width"),
    )
    chosen = choose_samples(dataset, names, select)
    settings.check(chosen.table)
    found = [_model(file, planes, voting) for file in files]
    cases = _cases(found, chosen, against, level)
    calibration = _fitted(settings, chosen, cases, against, level)
    calibration.save(out, overwrite=overwrite)
    _answer(calibration, out, as_json=as_json)


def _model(file: Path, planes: str, voting: str) -> _Model:
    from srseg.estimators import load_model
    from srseg.storage import file_sha256

    # of a scan that was cut, A:z0-120 is a slab of A
    segmenter = load_model(file)
    known = [*segmenter.training_samples_, *segmenter.validation_samples_]
    seen = frozenset(name.partition(":")[0] for name in known)
    ensemble = PredictionSettings(file, planes=planes, voting=voting).ensemble()
    return _Model(file, file_sha256(file), seen, ensemble.description)


def _cases(models: list[_Model], chosen: "Dataset", against: str, level: float) -> list[_Case]:
    """Find a model for each sample, so that each model has about as many."""
    from srseg.errors import ParameterError, UnknownNameError
    from srseg.quantification import fewest_samples

    needed = fewest_samples(level)
    there = {name for sample in chosen for name in sample.label_sets}
    if against not in there:
        raise UnknownNameError(
            f"no sample of {chosen.path} has the label set {against!r}; there are: "
            f"{', '.join(sorted(there)) or 'none'}"
        )
    used = dict.fromkeys((model.path for model in models), 0)
    cases, reasons = [], []
    for sample in chosen:
        if against not in sample.label_sets:
            continue
        fit = [model for model in models if sample.name not in model.seen]
        if not fit:
            reasons.append(f"{sample.name}: every model was trained on it, or judged by it")
            continue
        predicted = [case for model in fit for case in _predicted(sample, model)]
        if not predicted:
            model = str(fit[0].path)
            reasons.append(
                f"{sample.name}: not predicted, or not by single planes; run: srseg predict "
                f"{model} {sample.name} --planes …; {how_to_predict_planes(sample.name, model)}"
            )
            continue
        case = min(predicted, key=lambda one: used[one.model.path])
        used[case.model.path] += 1
        cases.append(case)
    for reason in reasons:
        note(f"left out: {reason}")
    if not cases:
        raise ParameterError(
            f"no sample of {chosen.path} has the label set {against!r} and predictions of a model "
            f"that was not trained on it; a calibration for {level:.0%} needs {needed}"
        )
    return cases


def _predicted(sample: "DatasetSample", model: _Model) -> list[_Case]:
    for name in sample.predictions:
        made = sample.labels_info(name).get("Provenance", {})
        if made.get("model_sha256") == model.sha256 and name.endswith(f"/{model.description}"):
            planes = single_planes(sample, name)
            return [_Case(sample, model, name, planes)] if len(planes) > 1 else []
    return []


def _fitted(
    settings: QuantifySettings,
    chosen: "Dataset",
    cases: list[_Case],
    against: str,
    level: float,
) -> "IntervalCalibration":
    from srseg._version import __version__
    from srseg.progress import task
    from srseg.quantification import IntervalCalibration, require_samples

    require_samples(len(cases), level)
    job = QuantifyJob(settings, save=True, again=False)

    def measured(case: _Case, name: str) -> "Measures":
        return job.measure(chosen, case.sample, name).measures

    fused, planes, references = [], [], []
    with task("measuring", len(cases)) as step:
        for case in cases:
            fused.append(measured(case, case.fused))
            planes.append([measured(case, name) for name in case.planes])
            references.append(measured(case, against))
            step.advance(1, case.sample.name)
    used = {case.model.path.name: case.model.sha256 for case in cases}
    manual = [case.sample.labels_info(against).get("Manual") for case in cases]
    facts: dict[str, Any] = {
        "reference": against,
        "reference_manual": manual[0] if len(set(manual)) == 1 else None,
        "prediction": cases[0].model.description,
        "samples": {case.sample.name: case.model.path.name for case in cases},
        "models": used,
        "trained_on": {case.model.path.name: sorted(case.model.seen) for case in cases},
        "software": f"srseg {__version__}",
    }
    return IntervalCalibration.fit(
        fused, planes, references,
        models=[case.model.path.name for case in cases], level=level, facts=facts,
    )  # fmt: skip


def _answer(calibration: "IntervalCalibration", out: Path, *, as_json: bool) -> None:
    rows = [
        {
            "measure": name,
            "samples": one.n,
            "bias": one.bias,
            "half_width": 2 * one.factor * one.floor,
            "relative": one.relative,
        }
        for name, one in calibration.measures.items()
    ]
    if as_json:
        say_json({"out": str(out), "level": calibration.level, **calibration.facts,
                  "measures": rows, "left_out": dict(calibration.left_out)})  # fmt: skip
        return
    facts = calibration.facts
    say(
        f"{out}: {calibration.level:.0%} intervals of predictions {facts['prediction']}, "
        f"calibrated with {facts['reference']} of {counted(len(facts['samples']), 'sample')}, "
        f"{counted(len(facts['models']), 'model')}\n"
    )
    say_table(
        ["measure", "samples", "bias", "± usual half width"],
        (
            [row["measure"], str(row["samples"]), *(_error(row, key) for key in
             ("bias", "half_width"))]
            for row in rows
        ),
    )  # fmt: skip
    for name, n in calibration.left_out.items():
        note(f"left out: {name}, of which {counted(n, 'sample')} have a number")


def _error(row: dict[str, Any], key: str) -> str:
    return f"{100 * row[key]:.3g} % of it" if row["relative"] else f"{row[key]:.4g}"
