"""``srseg evaluate``: the paper's Table 2 for any model and dataset."""

import csv
import io
import json

import numpy as np
import pytest
import tifffile

from srseg import Dataset, load_model

CLASSES = {"bone": 1, "degradation_layer": 2, "residual_material": 3}
METHODS = ["single", "soft3", "hard3", "soft9", "hard9"]


@pytest.fixture
def other(tiny):
    """Give a second model, with the weights of the first turned down."""
    model = load_model(tiny.model)
    last = list(model.network_.parameters())[-1].data  # the bias of the last convolution
    last[0] += 0.5
    path = tiny.folder / "other.srseg"
    model.save(path)
    return path


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def iou(truth, labels):
    """Give IoU by class and their mean, by counting voxels."""
    found = {}
    for name, value in CLASSES.items():
        both, either = (truth == value) & (labels == value), (truth == value) | (labels == value)
        found[name] = both.sum() / either.sum()
    return found | {"mean": np.mean(list(found.values()))}


def test_the_table_is_what_counting_voxels_gives(run, tiny):
    table = answer(run("evaluate", tiny.model, "-d", tiny.path, "--json"))
    assert table["against"] == "HQ"
    rows = {row["key"]: row for row in table["rows"]}
    assert list(rows) == ["wf", *METHODS]  # WF is the baseline where all samples have it
    dataset = Dataset(tiny.path)
    found = {name: [] for name in rows}
    for name in ("C", "V"):  # the two with HQ
        sample = dataset[name]
        truth = sample.labels("HQ").read()
        found["wf"].append(iou(truth, sample.labels("WF").read()))
        for method in METHODS:
            planes, voting = (1, "soft") if method == "single" else (method[4:], method[:4])
            kept = f"srseg-wf/{voting}{planes}"
            command = ("--planes", planes, "--voting", voting, "-d", tiny.path)
            assert run("predict", tiny.model, name, *command).exit_code == 0
            found[method].append(iou(truth, sample.labels(kept).read()))
    for key, row in rows.items():
        for score, value in row["iou"].items():
            assert value == pytest.approx(np.mean([one[score] for one in found[key]]), abs=1e-12)
        assert row["per_sample"]["V"]["bone"] == pytest.approx(found[key][1]["bone"])


def test_every_form_shows_the_same_numbers(run, tiny):
    command = ("evaluate", tiny.model, "V", "--planes", "1,3", "-d", tiny.path)
    rows = answer(run(*command, "--format", "json"))["rows"]
    names = [*CLASSES, "mean"]
    wanted = [[f"{100 * row['iou'][name]:.2f}" for name in names] for row in rows]
    methods = ["WF labels", "1 plane (rc)", "mean, 3 planes", "majority, 3 planes"]

    lines = run(*command).stdout.splitlines()
    assert lines[0].split() == ["method", "bone", "DL", "RM", "mean"]
    assert [line.split()[-4:] for line in lines[1:-1]] == wanted
    assert [line[:18].strip() for line in lines[1:-1]] == methods
    assert lines[-1].startswith("IoU x 100 against HQ;")

    read = list(csv.DictReader(io.StringIO(run(*command, "--format", "csv").stdout)))
    assert [[row[name] for name in names] for row in read] == wanted
    assert [row["method"] for row in read] == methods
    assert {row["bone_se"] for row in read} == {""}

    lines = run(*command, "--format", "markdown").stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:-2]]
    assert cells == [[m, *numbers] for m, numbers in zip(methods, wanted, strict=True)]


def test_several_models_give_a_standard_error(run, tiny, other):
    command = ("V", "--planes", "3", "--voting", "soft", "-d", tiny.path)
    both = answer(run("evaluate", tiny.model, other, *command, "--json"))["rows"][-1]
    each = [
        answer(run("evaluate", model, *command, "--json"))["rows"][-1]["iou"]["mean"]
        for model in (tiny.model, other)
    ]
    assert each[0] != each[1]
    assert both["models"] == 2
    assert both["iou"]["mean"] == pytest.approx(np.mean(each))
    assert both["standard_error"]["mean"] == pytest.approx(np.std(each, ddof=1) / np.sqrt(2))
    text = run("evaluate", tiny.model, other, *command).stdout
    error = f"± {100 * both['standard_error']['mean']:.2f}"
    assert text.splitlines()[-2].rstrip().endswith(error)
    assert "± standard error over 2 models" in text


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (("--planes", "1"), ["wf", "single"]),
        (("--planes", "3, 1", "--voting", "hard"), ["wf", "hard3", "single"]),
        (("--planes", "3", "--against", "WF"), ["soft3", "hard3"]),
        (("--planes", "1", "--against", "WF", "--baseline", "HQ"), ["hq", "single"]),
    ],
)
def test_options_choose_the_rows(run, tiny, options, keys):
    rows = answer(run("evaluate", tiny.model, "V", *options, "-d", tiny.path, "--json"))["rows"]
    assert [row["key"] for row in rows] == keys


def test_scores_on_what_a_model_has_seen_are_told_apart(run, tiny):
    command = ("--planes", "1", "--against", "WF", "-d", tiny.path, "--json")
    unseen = run("evaluate", tiny.model, "C", "V", *command)
    assert (unseen.exit_code, unseen.stderr) == (0, "")
    seen = run("evaluate", tiny.model, "A", "V", *command)
    answer(seen)  # the note does not spoil the document
    assert "wf.srseg: was trained on A, so its score on it is no measure" in seen.stderr
    model = load_model(tiny.model)
    model.training_samples_, model.validation_samples_ = ["A"], ["B", "C"]
    model.save(tiny.model, overwrite=True)
    judged = run("evaluate", tiny.model, *command)
    assert "was trained on A, so its score on it is" in judged.stderr
    assert "had its training judged by B, C, so its score on them is" in judged.stderr
    assert "other samples of the subjects" not in judged.stderr
    model.validation_samples_ = []
    model.training_subjects_ = [Dataset(tiny.path)[name].subject for name in ("A", "C")]
    model.save(tiny.model, overwrite=True)
    kin = run("evaluate", tiny.model, *command)
    assert "was trained on A, so its score on it is" in kin.stderr
    assert "was trained on other samples of the subjects of C (subject " in kin.stderr


@pytest.fixture
def folds(tiny):
    """Give two models of one cross-validation: one saw A, the other B."""
    files = []
    for i, (trained, bias) in enumerate((("A", 0.5), ("B", -0.5))):
        model = load_model(tiny.model)
        model.training_samples_, model.validation_samples_ = [trained], []
        list(model.network_.parameters())[-1].data[0] += bias
        files.append(tiny.folder / f"fold{i + 1}.srseg")
        model.save(files[-1])
    return files


def test_models_of_folds_are_scored_on_what_they_did_not_see_apart(run, tiny, folds):
    command = ("--planes", "1,3", "--voting", "soft", "-d", tiny.path)
    found = answer(run("evaluate", *folds, *command, "--json"))
    apart = found["held_out"]
    assert (found["against"], apart["against"]) == ("HQ", "WF")
    assert [row["key"] for row in apart["rows"]] == ["single", "soft3"]
    for row, planes in zip(apart["rows"], (1, 3), strict=True):
        each = [
            answer(
                run("evaluate", model, unseen, "--against", "WF", "--planes", planes, "--voting",
                    "soft", "-d", tiny.path, "--json")
            )["rows"][0]["iou"]["mean"]
            for model, unseen in zip(folds, ("B", "A"), strict=True)
        ]  # fmt: skip
        assert row["models"] == 2
        assert [one["mean"] for one in row["per_model"]] == pytest.approx(each)
        assert row["iou"]["mean"] == pytest.approx(np.mean(each))
        expected = np.std(each, ddof=1) / np.sqrt(2)
        assert row["standard_error"]["mean"] == pytest.approx(expected)
    text = run("evaluate", *folds, *command).stdout
    first, second = text.split("\n\nApart, each model on the samples that it was not trained on")
    assert first.endswith("± standard error over 2 models.")
    assert "IoU x 100 against WF" in second
    read = list(
        csv.DictReader(io.StringIO(run("evaluate", *folds, *command, "--format", "csv").stdout))
    )
    assert [row["method"] for row in read][-2:] == [
        "held-out WF: 1 plane (rc)", "held-out WF: mean, 3 planes"
    ]  # fmt: skip
    assert float(read[-1]["mean"]) == pytest.approx(100 * np.mean(each), abs=0.005)


def test_held_out_scores_are_left_out_where_there_are_none(run, tiny, folds, other):
    command = ("--planes", "1", "-d", tiny.path, "--json")
    for models, further in (
        ((tiny.model, other), ()),  # both saw A and B
        ((folds[0],), ()),
        (folds, ("--held-out", "none")),
        (folds, ("V",)),  # a sample that none of them was trained on
    ):
        result = run("evaluate", *models, *command, *further)
        assert answer(result)["held_out"] is None
        assert result.stderr == ""
    lacking = run("evaluate", *folds, *command, "--held-out", "HQ")
    assert answer(lacking)["held_out"] is None
    assert "no score on held-out samples: not all of them have the label set 'HQ'" in lacking.stderr


def test_a_fold_that_judged_training_is_told(run, tiny, folds):
    model = load_model(folds[0])
    model.validation_samples_ = ["B"]
    model.save(folds[0], overwrite=True)
    result = run("evaluate", *folds, "--planes", "1", "-d", tiny.path)
    assert "judged the training of their models, which flatters" in result.stderr


def test_a_slab_is_known_as_part_of_its_scan(run, tiny):
    model = load_model(tiny.model)
    model.training_samples_ = ["V:z0-20"]
    model.save(tiny.model, overwrite=True)
    result = run("evaluate", tiny.model, "V", "--planes", "1", "-d", tiny.path)
    assert "was trained on V, so its score on it is no measure" in result.stderr


def test_wf_labels_of_another_part_of_the_scan_are_no_row(run, tiny):
    dataset = Dataset(tiny.path)
    for label_set, part in (("WF", slice(0, 6)), ("part", slice(6, 12))):
        labels = dataset["V"].labels("HQ").read()[part]
        tifffile.imwrite(f"{label_set}.tif", labels, photometric="minisblack")
        box = ",".join(f"{s.start}:{s.stop}" for s in (part, *map(slice, (0, 0), labels.shape[1:])))
        words = ("--sample", "V", "--set", label_set, "--box", box, "-d", tiny.path)
        assert run("dataset", "label", f"{label_set}.tif", *words).exit_code == 0
    words = ("--planes", "1", "--against", "part", "-d", tiny.path)
    result = run("evaluate", tiny.model, "V", *words)
    assert result.exit_code == 0, result.stderr
    assert "there is no row for the WF labels: V: " in result.stderr
    assert "do not overlap in space" in result.stderr
    assert "WF labels" not in result.stdout


def test_nothing_is_written(run, tiny):
    before = {p: p.stat().st_mtime_ns for p in tiny.path.rglob("*") if p.is_file()}
    assert run("evaluate", tiny.model, "V", "--planes", "1", "-d", tiny.path).exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in tiny.path.rglob("*") if p.is_file()} == before


def test_another_label_table_is_refused_by_name(run, tiny):
    table = tiny.path / "dseg.tsv"
    table.write_text(table.read_text().replace("degradation layer", "crust"))
    result = run("evaluate", tiny.model, "V", "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "another label table" in result.stderr
    assert "crust" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("none.srseg",), 1, "none.srseg: no such model file"),
        (("V",), 2, "no model file among V; give the file that srseg train wrote"),
        (("MODEL", "Vv"), 1, "has no sample 'Vv'; did you mean 'V'?"),
        (("MODEL", "A"), 1, "no label set 'HQ' for A; choose another --against (these samples"),
        (("MODEL", "A"), 1, "have: WF), or add it with: srseg dataset label FILE --sample A"),
        (("MODEL", "--against", "hq"), 1, "choose another --against (these samples have: HQ, WF)"),
        (("MODEL", "--baseline", "XX"), 1, "has no label set 'XX'; it has: HQ, WF"),
        (("MODEL", "--baseline", "HQ"), 1, "the label set 'HQ' is the truth here"),
        (("MODEL", "MODEL"), 2, "a model stands twice"),
        (("MODEL", "--planes", "4"), 2, "'4' is not a list of 1, 3 and 9"),
        (("MODEL", "--planes", "rc"), 2, "'rc' is not a list of 1, 3 and 9"),
        (("MODEL", "--voting", "loud"), 2, "'loud' is not a list of soft and hard"),
        (("MODEL", "--format", "doc"), 2, "'doc' is not one of text, csv, json, markdown"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated(run, tiny, arguments, code, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    words = [tiny.model if word == "MODEL" else word for word in arguments]
    result = run("evaluate", *words, "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
