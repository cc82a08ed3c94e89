"""Methods on the same folds: measured in processes of their own, kept, and put into one table."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_plugin

from srseg import Volume, VolumeSegmenter
from srseg.errors import ParameterError
from srseg.estimators import SamplePart, create_segmenter, load_model
from srseg.evaluation import compare_segmenters, evaluate_models, make_folds, plan_comparison
from srseg.evaluation._compare_inputs import notes_on_fits
from srseg.evaluation._compare_missing import notes_on_numbers
from srseg.evaluation._compare_numbers import both_measured
from srseg.evaluation._job_facts import estimator_facts
from srseg.phantoms import make_phantom
from srseg.quantification import implant_from_metadata, measure, relative_difference

SHAPE = (40, 42, 41)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Give the toy plugin, where this process and those that it starts find it."""
    folder = toy_plugin.install(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def samples():
    return [make_phantom(i, SHAPE, voxel_size=10.0).sample(f"T{i}") for i in range(4)]


@pytest.fixture(scope="module")
def tests():
    return [make_phantom(10 + i, SHAPE, voxel_size=10.0).sample(f"V{i}") for i in range(2)]


def levels(**parameters):
    return create_segmenter("levels", voxel_size=None, **parameters)


@pytest.fixture(scope="module")
def compared(plugin, samples, tests, tmp_path_factory):
    """Compare two that work with one that does not."""
    folder = tmp_path_factory.mktemp("compared")
    methods = {"levels": levels(), "bad": levels(sharpness=-1.0)}
    told = []
    table = compare_segmenters(
        methods, samples, folder, tests=tests, baselines=["WF"], folds=2, tell=told.append
    )
    return folder, methods, table, told


def test_scores_are_those_of_the_fold_models_judged_one_by_one(compared, samples, tests):
    _, _, table, _ = compared
    labels, found, _ = table.methods
    models = [
        levels().fit([samples[i] for i in train]) for train, _ in make_folds(samples, 2).splits
    ]
    expected = evaluate_models(models, tests, against="HQ", baselines=["WF"]).rows
    np.testing.assert_array_equal(labels.scores.per_model, expected[0].per_model)
    np.testing.assert_array_equal(found.scores.per_model, expected[1].per_model)
    assert found.how == "volume"
    assert len(found.scores.per_model) == 2
    held = [
        evaluate_models([model], [samples[i] for i in test], against="WF").rows[0].per_model[0]
        for model, (_, test) in zip(models, make_folds(samples, 2).splits, strict=True)
    ]
    np.testing.assert_array_equal(found.held_out.per_model, np.stack(held))


def test_implant_numbers_are_compared_with_those_of_the_truth(compared, samples, tests):
    _, _, table, _ = compared
    found = table.methods[1]
    assert table.measures == ("degradation_rate", "bone_implant_contact", "bone_fraction_200um")
    models = [
        levels().fit([samples[i] for i in train]) for train, _ in make_folds(samples, 2).splits
    ]
    for name in table.measures:
        off = []
        for model in models:
            for sample in tests:
                values = [
                    measure(
                        labels, implant=implant_from_metadata(sample.metadata),
                        days=sample.metadata["implantation_days"], distances=[200.0],
                    )[name].value
                    for labels in (model.predict(sample), sample.labels("HQ"))
                ]  # fmt: skip
                off.append(abs(relative_difference(*values)))
        assert found.deviation(name)[0] == pytest.approx(np.mean(off))
        assert found.deviation(name)[1] > 0


def test_time_and_memory_are_those_of_processes_of_their_own(compared):
    _, _, table, _ = compared
    found = table.methods[1]
    assert (len(found.fit_seconds), len(found.predict_seconds)) == (2, 2 * 2 + 4)
    assert all(seconds > 0 for seconds in (*found.fit_seconds, *found.predict_seconds))
    # torch alone takes more than a hundred million
    assert 5e7 < found.fit_bytes < 5e9
    assert 5e7 < found.predict_bytes < 5e9


def test_a_method_that_fails_is_named_and_does_not_end_the_rest(compared):
    folder, _, table, told = compared
    bad = table.methods[2]
    assert bad.scores is None
    assert [what for what, _ in bad.failures] == ["fit bad fold 1", "fit bad fold 2"]
    assert all("sharpness is greater than 0, found -1.0" in why for _, why in bad.failures)
    assert [done.job.words for done in told if done.error] == ["fit bad fold 1", "fit bad fold 2"]
    assert told[-1].seconds_left == 0 or told[-1].error
    text = table.to_text()
    assert "bad" in text
    assert "Failed: fit bad fold 1, fit bad fold 2: sharpness is greater than 0" in text
    # what it printed is kept, with where it failed
    logs = list((folder / "fits").glob("*.output"))
    assert len(logs) == 2
    assert "ParameterError" in logs[0].read_text()


def test_nothing_is_done_twice_and_what_failed_is_tried_again(compared, samples, tests):
    folder, methods, table, _ = compared
    records = {p: p.stat().st_mtime_ns for p in folder.rglob("*.json")}
    told = []
    again = compare_segmenters(
        methods, samples, folder, tests=tests, baselines=["WF"], folds=2, tell=told.append
    )
    assert again.to_json() == table.to_json()
    assert [done.job.words for done in told] == ["fit bad fold 1", "fit bad fold 2"]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.json")} == records


def test_a_new_label_or_parameter_is_a_new_job(compared, samples, tests):
    folder, methods, _, _ = compared
    more = methods | {"levels": levels(sharpness=11.0)}
    plan = plan_comparison(more, samples, folder, tests=tests, folds=2)
    assert not [job for job in plan.done if job.method == "levels"]
    assert plan.seconds_left is None  # nothing like it was done
    # judged in another way: the fits stay
    plan = plan_comparison(methods, samples, folder, tests=tests, folds=2, distance=100.0)
    assert {job.kind for job in plan.done} == {"fit"}


def test_a_model_file_is_judged_as_it_is(compared, samples, tests, tmp_path):
    folder, _, table, _ = compared
    record = json.loads(next((folder / "fits").glob("*.json")).read_text())
    path = folder / "fits" / record["model"]
    assert load_model(path).training_samples_ == record["training_samples"]
    found = compare_segmenters({"mine": path}, samples, tmp_path, tests=tests, held_out=None)
    (mine,) = found.methods
    assert mine.fit_seconds == ()
    assert any(
        np.array_equal(mine.scores.per_model[0], one) for one in table.methods[1].scores.per_model
    )
    assert found.notes == ()
    seen = [s for s in samples if s.name in record["training_samples"]]
    plan = plan_comparison({"mine": path}, samples, tmp_path, tests=seen)
    assert plan.notes[0].startswith("mine was trained on T")
    number = int(seen[0].name[1:])
    later = make_phantom(number, SHAPE, voxel_size=10.0).sample("later", subject=seen[0].subject)
    plan = plan_comparison({"mine": path}, samples, tmp_path, tests=[later])
    assert plan.notes[0].startswith("mine was trained on later, or on other scans of the same")


@pytest.mark.parametrize(
    ("knew", "words"),
    [
        ({"training_samples": ["V1"]}, "V1"),
        ({"validation_samples": ["V0"]}, "V0"),
        ({"training_subjects": ["V1"]}, "V1"),
        ({"training_samples": ["V1:z0-20"], "training_subjects": ["V0"]}, "V0, V1"),
        ({"training_samples": ["other"], "training_subjects": ["T9"]}, None),
    ],
)
def test_what_a_model_knew_before_it_was_fitted_is_told(
    compared, samples, tests, tmp_path, knew, words
):
    folder, methods, table, _ = compared
    assert table.notes == ()
    shutil.copytree(folder, tmp_path / "copy")
    for path in (tmp_path / "copy" / "fits").glob("*.json"):
        record = json.loads(path.read_text())
        for key, names in knew.items():
            record[key] += names  # as a stage that is taken as it is has it
        path.write_text(json.dumps(record))
    plan = plan_comparison(
        {"levels": methods["levels"]}, samples, tmp_path / "copy", tests=tests, folds=2
    )
    told = "".join(notes_on_fits(plan.study, plan.jobs))
    begin = f"models of levels began from one that knew {words}, or other scans"
    assert told.startswith(begin) if words else not told


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"another")])
def test_a_fit_whose_model_is_gone_or_changed_is_made_again(
    compared, samples, tests, tmp_path, harm
):
    folder, methods, table, _ = compared
    shutil.copytree(folder, tmp_path / "copy")
    records = {p.stem: json.loads(p.read_text()) for p in folder.glob("fits/*.json")}
    first = next(name for name, one in records.items() if one["sha256"])
    path = tmp_path / "copy" / "fits" / f"{first}.srseg"
    before = path.read_bytes()
    harm(path)
    told = []
    more = {"levels": methods["levels"]}
    again = compare_segmenters(
        more, samples, tmp_path / "copy", tests=tests, folds=2, held_out=None, tell=told.append
    )
    number = 1 + [job.key for job in plan_jobs(more, samples, folder, tests, "fit")].index(first)
    words = [f"fit levels fold {number}"]
    same = path.read_bytes() == before  # but for the time that it is from
    expected = words if same else words + [f"predict with levels fold {number}: V{i}" for i in "01"]
    assert [done.job.words for done in told] == expected
    np.testing.assert_array_equal(
        again.methods[0].scores.per_model, table.methods[1].scores.per_model
    )


def plan_jobs(methods, samples, folder, tests, kind):
    plan = plan_comparison(methods, samples, folder, tests=tests, folds=2, held_out=None)
    return [job for job in plan.jobs if job.kind == kind]


def test_the_truth_is_measured_on_the_voxels_that_labels_have(tests, tmp_path):
    truth = tests[0].labels("HQ")
    found = []
    for hidden in (slice(None, 4), slice(-4, None)):  # as many, elsewhere
        values = truth.read().copy()
        values[hidden] = 255
        labels = Volume(values, truth.grid, table=truth.table)
        found.append(both_measured(tests[0], "HQ", labels, 200.0, tmp_path))
    for one in found:
        assert one["prediction"] == one["truth"]
    assert found[0] != found[1]


def test_why_a_number_is_missing_is_said(tests):
    names = ("degradation_rate", "bone_implant_contact", "bone_fraction_200um")

    def said(sample, *truths, prediction=1.0):
        """Give what is said of methods that found the same everywhere."""
        pairs = [
            {"sample": sample.name, "truth": truth, "prediction": dict.fromkeys(truth, prediction)}
            for truth in truths
        ]
        whole = {"sample": sample.name, "truth": truths[0], "prediction": dict(truths[0])}
        methods = [SimpleNamespace(name=f"m{i}", measures=[a, whole]) for i, a in enumerate(pairs)]
        return notes_on_numbers(SimpleNamespace(tests=[sample], distance=200.0), methods)

    whole = dict.fromkeys(names, 1.0)
    assert said(tests[0], whole, whole) == []
    assert said(tests[0], {}) == [
        f"No {title} of V0: the classes are not those of an implant."
        for title in ("DR", "BIC", "BV/TV")
    ]
    bare = copy.copy(tests[0])
    bare.metadata = {"implantation_days": 75}
    why = "the metadata lack initial_volume_mm3, initial_surface_mm2 (srseg dataset metadata)"
    assert said(bare, whole | {names[0]: None}) == [f"No DR of V0: {why}."]
    part = SamplePart(tests[0], (slice(0, 20), slice(0, 42), slice(0, 41)))
    assert "only of a whole implant" in said(part, whole | {names[0]: None})[0]
    assert said(tests[0], whole | {names[1]: 0.0}) == ["No BIC of V0: it is 0 in the truth."]
    (told, *_) = said(tests[0], whole, prediction=None)
    assert told == "No DR of V0: m0 found no implant there, or nothing around it."


def test_a_model_file_among_parameters_is_known_by_its_bytes(plugin, tmp_path):
    path = tmp_path / "first.srseg"
    path.write_bytes(b"one")
    facts = estimator_facts(levels(notes=str(path)))
    path.write_bytes(b"another")
    assert estimator_facts(levels(notes=str(path))) != facts


def test_without_tests_each_model_is_judged_on_its_held_out_fold(plugin, samples, tmp_path):
    table = compare_segmenters({"levels": levels()}, samples, tmp_path, folds=2)
    models = [
        levels().fit([samples[i] for i in train]) for train, _ in make_folds(samples, 2).splits
    ]
    expected = [
        evaluate_models([model], [samples[i] for i in test], against="HQ").rows[0].per_model[0]
        for model, (_, test) in zip(models, make_folds(samples, 2).splits, strict=True)
    ]
    np.testing.assert_array_equal(table.methods[0].scores.per_model, np.stack(expected))
    # both truths of a sample are of one prediction
    assert len(table.methods[0].predict_seconds) == 4
    assert "each model is judged on the samples with HQ of the fold" in table.notes[0]


def test_one_sample_is_cut_into_slabs(plugin, samples, tmp_path):
    table = compare_segmenters({"levels": levels()}, samples[:1], tmp_path, folds=2)
    assert [name.partition(":")[0] for name in table.tests] == ["T0", "T0"]
    assert table.methods[0].scores.per_model.shape == (2, 3)
    # the initial volume is that of the whole implant
    assert np.isnan(table.methods[0].deviation("degradation_rate")[0])


def test_minutes_become_iterations(plugin, samples, tests, tmp_path):
    methods = {"slices": create_segmenter("slices", max_iter=None, voxel_size=None)}
    plan = plan_comparison(methods, samples, tmp_path, tests=tests, folds=2, minutes=0.001)
    assert [job.kind for job in plan.jobs[:2]] == ["pace", "fit"]
    assert plan.jobs[1].key == ""
    table = plan.run()
    assert not table.methods[0].failures
    found = json.loads(next((tmp_path / "paces").glob("*.json")).read_text())
    assert found["max_iter"] >= 1
    fits = [json.loads(path.read_text()) for path in (tmp_path / "fits").glob("*.json")]
    assert {fit["facts"]["estimator"]["parameters"]["max_iter"] for fit in fits} == {
        found["max_iter"]
    }
    assert table.methods[0].how == "soft3"
    assert plan.seconds_left == 0


def test_a_network_that_is_stopped_or_killed_goes_on(plugin, samples, tests, tmp_path):
    """The whole program is killed in the midst of a fit; its process ends with it."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path[:0] = [{str(plugin)!r}]
            from srseg.estimators import create_segmenter
            from srseg.evaluation import compare_segmenters
            from srseg.phantoms import make_phantom

            if __name__ == "__main__":
                made = lambda i: make_phantom(i, {SHAPE}, voxel_size=10.0)
                samples = [made(i).sample(f"T{{i}}") for i in range(4)]
                tests = [made(10).sample("V0")]
                quick = create_segmenter("levels", voxel_size=None)
                slow = create_segmenter("levels", voxel_size=None, wait=10_000)
                print("begun", flush=True)
                compare_segmenters(
                    dict(quick=quick, slow=slow), samples, {str(tmp_path / "out")!r}, tests=tests,
                    folds=2, held_out=None, tell=lambda done: print(done.job.words, flush=True),
                )
            """
        )
    )
    process = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline().strip() for _ in range(3)]
    assert lines == ["begun", "fit quick fold 1", "predict with quick fold 1: V0"]
    logs = tmp_path / "out" / "fits"
    slow = wait_for(lambda: [p for p in logs.glob("*.log") if not p.with_suffix(".json").exists()])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # the one that it started ends too, and lets go of its lock
    wait_for(lambda: not others_of(logs))
    assert [json.loads(line)["event"] for line in slow[0].read_text().splitlines() if line] == [
        "begun"
    ]
    methods = {"quick": levels()}
    plan = plan_comparison(
        methods, samples, tmp_path / "out", tests=tests[:1], folds=2, held_out=None
    )
    assert [job.words for job in plan.done] == lines[1:]


def wait_for(found):
    end = time.monotonic() + 120
    while not (answer := found()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def others_of(folder):
    """Give the files of a folder that processes have open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if link.readlink().is_relative_to(folder):
                found.append(link)
    return found


def test_what_cannot_be_compared_is_refused(plugin, samples, tests, tmp_path):
    one = {"levels": levels()}
    with pytest.raises(ParameterError, match="nothing to compare"):
        plan_comparison({}, samples, tmp_path)
    with pytest.raises(ParameterError, match="no estimator and no path"):
        plan_comparison({"levels": "levels".upper}, samples, tmp_path)
    with pytest.raises(ParameterError, match="no model file gone"):
        plan_comparison({"gone": "gone.srseg"}, samples, tmp_path)
    with pytest.raises(ParameterError, match=r"T0 \(subject T0\): methods are judged on subjects"):
        plan_comparison(one, samples, tmp_path, tests=samples[:1], folds=2)
    with pytest.raises(ParameterError, match="no sample has the label set 'gold'"):
        plan_comparison(one, samples, tmp_path, against="gold", folds=2)
    with pytest.raises(ParameterError, match="planes is 1, 3 or 9, found 2"):
        plan_comparison(one, samples, tmp_path, planes=2)
    with pytest.raises(ParameterError, match="minutes is greater than 0"):
        plan_comparison(one, samples, tmp_path, minutes=0.0)


def test_what_cannot_be_sent_to_another_process_is_named(plugin, samples, tests, tmp_path):
    methods = {"own": VolumeSegmenter(backbone=lambda **_: None, voxel_size=None)}
    table = compare_segmenters(methods, samples, tmp_path, tests=tests, folds=2)
    assert all("cannot be sent to a process of its own" in why for _, why in table.failed)
    assert len(table.failed) == 2
