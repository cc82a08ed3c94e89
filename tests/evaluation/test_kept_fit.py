"""Fits and scores that are kept: found again, waited for, tried again, told apart."""

import json
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from srseg import VolumeSegmenter
from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.evaluation import KeptFit, fits_in, kept_results, make_folds, scores_in, search_jobs
from srseg.labels import DEFAULT_LABELS
from srseg.volumes import ArraySample, Volume

N = 4
GRID = {"estimator__width": [2, 3], "estimator__depth": [1, 2]}
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def make_sample(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((16, 18, 17), np.uint8)
    low = rng.integers(1, 4, 3)
    labels[tuple(slice(a, a + 12) for a in low)] = 1
    labels[tuple(slice(a + 3, a + 9) for a in low)] = 2
    labels[tuple(slice(a + 5, a + 7) for a in low)] = 3
    scan = 1000 + 400.0 * labels + rng.normal(0, 40, labels.shape)
    volume = Volume.from_array(labels, 5.0, table=DEFAULT_LABELS)
    return ArraySample(f"S{seed}", Volume.from_array(scan.astype(np.float32), 5.0), {"WF": volume})


@pytest.fixture(scope="module")
def samples():
    return [make_sample(i) for i in range(N)]


def small(**parameters):
    return VolumeSegmenter(
        **{
            "width": 2, "depth": 1, "input_size": 16, "max_iter": 3, "batch_size": 2,
            "validation": None, "precision": "fp32", "device": "cpu", "random_state": 0,
            **parameters,
        }
    )  # fmt: skip


def events(folder):
    """Count begins and ends of all fits and scores of a folder."""
    found = {}
    for store in (fits_in(folder), scores_in(folder)):
        for log in store.folder.glob("*.log"):
            for event in store.events(log.stem):
                key = (store.folder.name, event["event"])
                found[key] = found.get(key, 0) + 1
    return found


def require_same(found, expected, *, times=True):
    assert list(found) == list(expected)
    for column, values in expected.items():
        if column in TIMES and not times:
            assert (found[column] > 0).all()
            continue
        np.testing.assert_array_equal(found[column], values, err_msg=column)


@pytest.mark.usefixtures("processes")
def test_a_search_is_that_of_the_segmenter_and_is_not_done_twice(samples, tmp_path):
    folds = make_folds(samples, 2)
    plain = GridSearchCV(
        small(), {k.removeprefix("estimator__"): v for k, v in GRID.items()},
        cv=folds.splits, refit=False,
    ).fit(samples)  # fmt: skip
    search = GridSearchCV(KeptFit(small(), tmp_path / "kept"), GRID, cv=folds.splits, refit=False)
    first = kept_results(search.fit(samples), samples)
    for column, values in plain.cv_results_.items():
        if column not in TIMES and "param" not in column:
            np.testing.assert_array_equal(first[column], values, err_msg=column)
    done = {
        ("fits", "begun"): 8,
        ("fits", "done"): 8,
        ("scores", "begun"): 8,
        ("scores", "done"): 8,
    }
    assert events(tmp_path / "kept") == done
    again = kept_results(clone(search).fit(samples), samples)
    require_same(again, first)
    assert events(tmp_path / "kept") == done
    # a larger grid takes over what is there
    wider = GridSearchCV(
        KeptFit(small(), tmp_path / "kept"), {**GRID, "estimator__width": [2, 3, 4]},
        cv=folds.splits, n_jobs=2,
    ).fit(samples)  # fmt: skip
    assert events(tmp_path / "kept")["fits", "done"] == 8 + 4 + 1  # and the refit
    assert wider.best_estimator_.estimator_.training_samples_ == [s.name for s in samples]
    assert wider.score(samples) == wider.best_estimator_.estimator_.score(samples)


def test_a_kept_fit_is_the_same_model(samples, tmp_path):
    kept = KeptFit(small(), tmp_path / "kept").fit(samples[:2])
    again = KeptFit(small(), tmp_path / "kept").fit(samples[:2])
    assert (again.name_, again.seconds_) == (kept.name_, kept.seconds_)
    plain = small().fit(samples[:2])
    for fitted in (kept.estimator_, again.estimator_):
        for one, other in zip(
            plain.network_.state_dict().values(), fitted.network_.state_dict().values(), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    assert again.estimator_.device == "cpu"
    assert again.score(samples[2:]) == plain.score(samples[2:])
    np.testing.assert_array_equal(
        again.predict(samples[2]).read(), plain.predict(samples[2]).read()
    )
    assert sorted(p.suffix for p in (tmp_path / "kept" / "fits").glob("[!.]*")) == [
        ".json", ".log", ".srseg"
    ]  # fmt: skip


def test_arrays_are_known_by_their_voxels(samples, tmp_path):
    scans = [s.scan.read() for s in samples]
    labels = [s.labels().read() for s in samples]
    search = GridSearchCV(
        KeptFit(small(), tmp_path / "kept"), {"estimator__width": [2]}, cv=KFold(2), refit=False
    ).fit(scans, labels)
    assert kept_results(search, scans, labels)["mean_fit_time"] > 0
    fits = fits_in(tmp_path / "kept")
    seconds = [fits.record(p.stem)["seconds"] for p in fits.folder.glob("*.json")]
    assert kept_results(search, scans, labels)["mean_fit_time"] == [np.mean(seconds)]


def fit_name(tmp_path, samples, **parameters):
    jobs = search_jobs(
        KeptFit(small(**parameters), tmp_path), [{}], samples, [(range(len(samples)), [0])]
    )
    return jobs[0].fit, jobs[0].score


def test_jobs_are_told_apart_by_what_changes_their_result(samples, tmp_path):
    names = {"": fit_name(tmp_path, samples[:2])}
    changed = make_sample(0)
    changed.labels().source[0, 0, 0] = 3
    brighter = make_sample(0)
    brighter.scan.source[8, 8, 8] += 1
    names["order"] = fit_name(tmp_path, samples[1::-1])
    names["label"] = fit_name(tmp_path, [changed, samples[1]])
    names["voxel"] = fit_name(tmp_path, [brighter, samples[1]])
    names["rate"] = fit_name(tmp_path, samples[:2], learning_rate=0.01)
    names["seed"] = fit_name(tmp_path, samples[:2], random_state=1)
    names["judge"] = fit_name(tmp_path, samples[:2], validation=[samples[3]])
    assert len({fit for fit, _ in names.values()}) == len(names)
    # where it is done changes nothing
    assert fit_name(tmp_path / "there", samples[:2], device="auto", runtime="torch") == names[""]
    one, three = (
        search_jobs(KeptFit(small(), tmp_path, planes=n), [{}], samples, [([0], [1])])[0]
        for n in (1, 3)
    )
    assert one.fit == three.fit
    assert one.score != three.score


def test_planes_are_fused_in_the_score_and_share_the_fit(samples, tmp_path):
    from sklearn.frozen import FrozenEstimator

    from srseg import MultiAxisEnsemble

    kept = [KeptFit(small(), tmp_path, planes=n).fit(samples[:2]) for n in (1, 3)]
    assert kept[0].name_ == kept[1].name_
    fused = MultiAxisEnsemble(FrozenEstimator(kept[0].estimator_), planes=3).fit(samples)
    assert kept[1].score(samples[2:]) == fused.score(samples[2:])


def test_the_held_out_fold_judges(samples, tmp_path):
    kept = KeptFit(small(max_iter=2), tmp_path, judges=samples)
    search = GridSearchCV(kept, {}, cv=make_folds(samples, 2).splits).fit(samples)
    records = [
        fits_in(tmp_path).record(path.stem) for path in fits_in(tmp_path).folder.glob("*.json")
    ]
    found = sorted((r["training_samples"], r["validation_samples"]) for r in records)
    halves = [["S0", "S2"], ["S1", "S3"]]
    assert found == [
        (["S0", "S1", "S2", "S3"], []), (halves[0], halves[1]), (halves[1], halves[0])
    ]  # fmt: skip
    assert kept_results(search, samples)["mean_fit_time"] > 0


def test_what_failed_is_tried_again(samples, tmp_path, monkeypatch):
    fit = VolumeSegmenter.fit

    def fail(self, X, y=None, **more):
        if self.width == 3:
            raise RuntimeError("no power")
        return fit(self, X, y, **more)

    search = GridSearchCV(
        KeptFit(small(), tmp_path), {"estimator__width": [2, 3]},
        cv=make_folds(samples, 2).splits, refit=False,
    )  # fmt: skip
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        patch.setattr(VolumeSegmenter, "fit", fail)
        search.fit(samples)
    assert any("no power" in str(warning.message) for warning in said)
    results = kept_results(search, samples)
    assert np.isfinite(results["mean_test_score"]).tolist() == [True, False]
    jobs = search_jobs(search.estimator, results["params"], samples, search.cv)
    reasons = [fits_in(tmp_path).failure(job.fit) for job in jobs]
    assert reasons == [None, None, "no power", "no power"]
    results = kept_results(search.fit(samples), samples)
    assert np.isfinite(results["mean_test_score"]).all()
    assert {fits_in(tmp_path).failure(job.fit) for job in jobs} == {None}
    assert events(tmp_path)["fits", "begun"] == 6


def fit_slowly(folder):
    fit = VolumeSegmenter.fit

    def slow(self, X, y=None, **more):
        print("begun", flush=True)
        time.sleep(1.5)
        return fit(self, X, y, **more)

    VolumeSegmenter.fit = slow
    KeptFit(small(), folder).fit([make_sample(0)])


def test_what_another_process_is_at_is_waited_for(tmp_path):
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['fit_slowly'](sys.argv[2])"
    with subprocess.Popen(
        [sys.executable, "-c", code, __file__, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        kept = KeptFit(small(), tmp_path).fit([make_sample(0)])
    assert process.returncode == 0
    assert kept.seconds_ > 1.5
    assert events(tmp_path) == {("fits", "begun"): 1, ("fits", "done"): 1}


def test_a_model_without_its_record_is_made_again(samples, tmp_path):
    kept = KeptFit(small(), tmp_path).fit(samples[:1])
    (tmp_path / "fits" / f"{kept.name_}.json").unlink()
    KeptFit(small(), tmp_path).fit(samples[:1])
    assert events(tmp_path)["fits", "done"] == 2
    record = json.loads((tmp_path / "fits" / f"{kept.name_}.json").read_text())
    assert record["training_samples"] == ["S0"]
    assert record["facts"]["estimator"]["parameters"]["width"] == 2


def test_a_log_that_was_cut_off_is_read(tmp_path):
    jobs = scores_in(tmp_path)
    jobs.do("a", {}, lambda: {"answer": 1})
    with (tmp_path / "scores" / "a.log").open("a") as log:
        log.write('\n{"event": "beg')
    assert [event["event"] for event in jobs.events("a")] == ["begun", "done"]
    assert jobs.do("a", {}, lambda: {"answer": 2})["answer"] == 1


@pytest.mark.parametrize(
    ("estimator", "error", "says"),
    [
        (KFold(2), UnsupportedEstimatorError, "found a KFold"),
        (small(backbone=lambda **_: None), ParameterError, "backbone is a callable"),
        (
            small(random_state=np.random.RandomState(0)),
            ParameterError,
            "random_state=RandomState.* cannot be told from others",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(samples, tmp_path, estimator, error, says):
    with pytest.raises(error, match=says):
        KeptFit(estimator, tmp_path).fit(samples)
    assert not list(tmp_path.iterdir())
