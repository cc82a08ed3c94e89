"""``srseg evaluate``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SelectOption,
    choose_samples,
)
from srseg.cli._output import note, say, say_json

if TYPE_CHECKING:
    from srseg.dataset import Dataset
    from srseg.evaluation import ScoreTable

EXAMPLE = "Example: srseg evaluate fold1.srseg fold2.srseg --against HQ --planes 1,3,9"

_FORMATS = ("text", "csv", "json", "markdown")


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL [SAMPLE]", show_default=False,
                       help="Model files (several of one kind: those of the folds of one "
                       "cross-validation, for the standard error), then names of samples (default: "
                       "all with the truth)."),
    ],
    against: Annotated[str, typer.Option(help="The label set that counts as truth.")] = "HQ",
    planes: Annotated[
        str, typer.Option(help="Numbers of planes, of models that label slices.")
    ] = "1,3,9",
    voting: Annotated[str, typer.Option(help="Ways of voting.")] = "soft,hard",
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="A label set to score as well; repeat it for more "
                     "(default: WF, where all samples have it).", show_default=False),
    ] = None,
    held_out: Annotated[
        str, typer.Option(metavar="SET|none", help="The label set that models of folds are scored "
                          "with, apart, on the samples that each of them was not trained on.")
    ] = "WF",
    table_format: Annotated[
        str, typer.Option("--format", metavar="|".join(_FORMATS), help="Form of the table.")
    ] = "text",
    select: SelectOption = None,
    dataset: DatasetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score models as in the paper's Table 2: planes, voting, IoU by class.

    Models of several kinds, such as networks and the segmenters of plugins, have rows of their own;
    one that labels blocks of the volume has no planes, and one row.
    """
    table_format = "json" if as_json else table_format
    if table_format not in _FORMATS:
        raise typer.BadParameter(
            f"{table_format!r} is not one of {', '.join(_FORMATS)}", param_hint="--format"
        )
    counts = _numbers(planes)
    ways = _ways(voting)
    files = [Path(text) for text in models if text.endswith(".srseg") or Path(text).is_file()]
    names = [text for text in models if Path(text) not in files]
    if not files:
        raise typer.BadParameter(
            f"no model file among {', '.join(models)}; give the file that srseg train wrote",
            param_hint="MODEL",
        )
    if len({file.resolve() for file in files}) < len(files):
        raise typer.BadParameter(
            f"a model stands twice among {', '.join(map(str, files))}; the standard error is over "
            "different models",
            param_hint="MODEL",
        )
    whole = choose_samples(dataset, names, select)
    chosen = _with_truth(whole, against, named=bool(names))
    from srseg.estimators import load_model
    from srseg.evaluation import evaluate_models

    fitted = [load_model(file) for file in files]
    for file, model in zip(files, fitted, strict=True):
        _note_trained_on(file, model, chosen)
    table = evaluate_models(
        fitted,
        chosen,
        against=against,
        planes=counts,
        voting=ways,
        baselines=_baselines(chosen, against) if baseline is None else baseline,
    )
    apart = _held_out(fitted, whole, held_out, counts, ways)
    if table_format == "json":
        say_json(table.to_json() | {"held_out": None if apart is None else apart.to_json()})
        return
    say(_rendered(table, table_format))
    if apart is not None and table_format == "csv":
        named = [replace(row, method=f"held-out {held_out}: {row.method}") for row in apart.rows]
        rows = _rendered(replace(apart, rows=tuple(named)), table_format)
        say(rows.partition("\n")[2])
    elif apart is not None:
        say(
            f"\nApart, each model on the samples that it was not trained on (this rewards copying "
            f"the errors of {held_out}):\n"
        )
        say(_rendered(apart, table_format))


def _rendered(table: "ScoreTable", table_format: str) -> str:
    render = {"text": table.to_text, "csv": table.to_csv, "markdown": table.to_markdown}
    return render[table_format]().rstrip("\n")


def _held_out(
    models: list[Any],
    whole: "Dataset",
    label_set: str,
    planes: list[int],
    voting: list[str],
) -> "ScoreTable | None":
    """Score the models of folds on the folds that they did not see, where they are such."""
    from srseg.evaluation import evaluate_held_out, held_out_samples, models_by_kind

    if label_set == "none":
        return None
    # of another kind there may be one model alone
    kinds = models_by_kind(models).values()
    models = [model for kind in kinds if all(held_out_samples(kind, whole)) for model in kind]
    if not models:
        return None
    there = [sample.name for sample in whole if label_set in sample.label_sets]
    samples = whole.select(name=there) if there else whole[:0]
    folds = held_out_samples(models, samples)
    if not all(folds):
        note(
            f"no score on held-out samples: not all of them have the label set {label_set!r}; "
            "name another with --held-out"
        )
        return None
    if any(
        sample.name in model.validation_samples_
        for model, fold in zip(models, folds, strict=True)
        for sample in fold
    ):
        note("the held-out samples judged the training of their models, which flatters the scores")
    return evaluate_held_out(models, samples, against=label_set, planes=planes, voting=voting)


def _with_truth(chosen: "Dataset", against: str, *, named: bool) -> "Dataset":
    """Give the samples that have the truth; samples that were named must have it."""
    from srseg.errors import DatasetError

    without = [sample.name for sample in chosen if against not in sample.label_sets]
    if len(without) == len(chosen) or (named and without):
        there = sorted({name for sample in chosen for name in sample.label_sets})
        raise DatasetError(
            f"no label set {against!r} for {', '.join(without)}; choose another --against (these "
            f"samples have: {', '.join(there) or 'none'}), or add it with: srseg dataset label "
            f"FILE --sample {without[0]} --set {against}"
        )
    return chosen.select(has=against)


def _note_trained_on(file: Path, model: Any, chosen: "Dataset") -> None:
    for known, how in (
        (model.training_samples_, "was trained on"),
        (model.validation_samples_, "had its training judged by"),
    ):
        # of a scan that was cut, A:z0-120 is a slab of A
        scans = {name.partition(":")[0] for name in known}
        seen = [name for name in chosen.names if name in scans]
        if seen:
            note(
                f"{file}: {how} {', '.join(seen)}, so its score on "
                f"{'it' if len(seen) == 1 else 'them'} is no measure of how it does on new scans"
            )
    scans = {name.partition(":")[0] for name in model.training_samples_ + model.validation_samples_}
    kin = [
        f"{sample.name} (subject {sample.subject})"
        for sample in chosen
        if sample.name not in scans and sample.subject in model.training_subjects_
    ]
    if kin:
        note(
            f"{file}: was trained on other samples of the subjects of {', '.join(kin)}, so its "
            "score may be higher than on a new subject (unless those are of another study, with "
            "subjects of its own)"
        )


def _baselines(chosen: "Dataset", against: str) -> list[str]:
    """Give WF, which nobody asked for, where it can be compared with the truth."""
    from srseg.errors import GridError, LabelError
    from srseg.evaluation import evaluate_labels

    if against == "WF" or any("WF" not in sample.label_sets for sample in chosen):
        return []
    pairs = ((sample.labels(against), sample.labels("WF")) for sample in chosen)
    try:
        evaluate_labels(pairs, chosen.names)
    except (GridError, LabelError) as error:  # such as labels of another part of the scan
        note(f"there is no row for the WF labels: {error}")
        return []
    return ["WF"]


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not set(parts) <= {"1", "3", "9"}:
        raise typer.BadParameter(
            f"{text!r} is not a list of 1, 3 and 9, such as 1,3,9", param_hint="--planes"
        )
    return [int(part) for part in parts]


def _ways(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not set(parts) <= {"soft", "hard"}:
        raise typer.BadParameter(
            f"{text!r} is not a list of soft and hard, such as soft,hard", param_hint="--voting"
        )
    return parts
