"""Searches over segmenters of plugins: kept fits, scikit-learn's own, and through an ensemble."""

import json

import numpy as np
import pytest
import toy_plugin
from sklearn.model_selection import GridSearchCV

from srseg import ArraySample, MultiAxisEnsemble, Volume
from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.estimators import create_segmenter
from srseg.evaluation import (
    KeptFit,
    evaluate_models,
    fits_in,
    kept_results,
    models_by_kind,
    plan_search,
)

LABELS = np.zeros((4, 16, 20, 18), np.uint8)
for number, labels in enumerate(LABELS):
    labels[3 : 9 + number, 4:12, 4:13] = 1
SCANS = LABELS * 40.0 + np.random.default_rng(0).normal(0, 20, LABELS.shape)
GRID = {"estimator__sharpness": [1.0, 20.0]}


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(toy_plugin.install(tmp_path / "site"))


def test_scikit_learns_search_over_a_plugin():
    search = GridSearchCV(create_segmenter("levels"), {"sharpness": [1.0, 20.0]}, cv=2)
    found = search.fit(SCANS, LABELS)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert found.predict(SCANS[0]).shape == LABELS[0].shape


def test_scikit_learns_search_through_an_ensemble():
    ensemble = MultiAxisEnsemble(create_segmenter("slices"))
    found = GridSearchCV(ensemble, GRID, cv=2, refit=False).fit(SCANS, LABELS)
    for i, sharpness in enumerate(GRID["estimator__sharpness"]):
        one = MultiAxisEnsemble(create_segmenter("slices", sharpness=sharpness))
        score = one.fit(SCANS[2:], LABELS[2:]).score(SCANS[:2], LABELS[:2])
        assert found.cv_results_["split0_test_score"][i] == pytest.approx(score)


def test_fits_are_kept_and_of_one_version(tmp_path, monkeypatch):
    kept = KeptFit(create_segmenter("levels", random_state=0), tmp_path / "search")
    search = GridSearchCV(kept, GRID, cv=2, refit=False).fit(SCANS, LABELS)
    first = kept_results(search, SCANS, LABELS)
    fits = fits_in(tmp_path / "search").folder
    records = {path.stem: json.loads(path.read_text()) for path in fits.glob("*.json")}
    assert len(records) == 4
    assert {r["facts"]["estimator"]["package"] for r in records.values()} == {"toy-segmenters 1.2"}
    times = {path.name: path.stat().st_mtime_ns for path in fits.iterdir()}
    again = kept_results(GridSearchCV(kept, GRID, cv=2, refit=False).fit(SCANS, LABELS),
                         SCANS, LABELS)  # fmt: skip
    np.testing.assert_array_equal(again["mean_test_score"], first["mean_test_score"])
    assert {path.name: path.stat().st_mtime_ns for path in fits.iterdir()} == times
    # another version may learn something else
    info = tmp_path / "site" / "toy_segmenters-1.2.dist-info" / "METADATA"
    info.write_text(info.read_text().replace("1.2", "1.3"))
    kept.fit(SCANS[:2], LABELS[:2])
    assert kept.name_ not in records


def test_judges_hold_out_and_planes_fuse_where_there_are_such(tmp_path):
    slices = create_segmenter("slices", random_state=0)
    kept = KeptFit(slices, tmp_path / "search", planes=3).fit(SCANS[:2], LABELS[:2])
    expected = MultiAxisEnsemble(slices).fit(SCANS[:2], LABELS[:2]).score(SCANS[2:], LABELS[2:])
    assert kept.score(SCANS[2:], LABELS[2:]) == pytest.approx(expected)
    levels = create_segmenter("levels")
    with pytest.raises(ParameterError, match="there are no 3 planes to fuse"):
        KeptFit(levels, tmp_path, planes=3).fit(SCANS, LABELS)
    with pytest.raises(ParameterError, match="has no parameter validation"):
        KeptFit(levels, tmp_path, judges=[]).fit(SCANS, LABELS)
    with pytest.raises(UnsupportedEstimatorError, match=r"BaseSegmenter, found a GridSearchCV"):
        KeptFit(GridSearchCV(levels, {}), tmp_path).fit(SCANS, LABELS)
    (problem,) = plan_search(
        KeptFit(levels, tmp_path), [{"estimator__sharpness": 0}], n_classes=2
    )  # fmt: skip
    assert problem.problem == "sharpness is greater than 0, found 0"
    assert (problem.weights, problem.flops, problem.memory) == (None, None, None)


def test_kinds_in_one_table():
    levels, slices = (create_segmenter(name).fit(SCANS[:2], LABELS[:2])
                      for name in ("levels", "slices"))  # fmt: skip
    assert models_by_kind([levels, slices, levels]) == {
        "levels": [levels, levels], "slices": [slices]
    }  # fmt: skip
    samples = [
        ArraySample(f"S{i}", Volume.from_array(SCANS[i], 5.0),
                    {"y": Volume.from_array(LABELS[i], 5.0, table=levels.label_table_)})
        for i in (2, 3)
    ]  # fmt: skip
    rows = evaluate_models(
        [levels, slices], samples, against="y", planes=[1, 3], voting=["soft"]
    ).rows
    assert [row.key for row in rows] == ["levels/volume", "slices/single", "slices/soft3"]
    assert rows[0].mean == pytest.approx(levels.score(SCANS[2:], LABELS[2:]))
    # one that labels blocks has one row, whatever planes are asked for
    (row,) = evaluate_models([levels], samples, against="y", planes=[9]).rows
    assert (row.key, row.method) == ("volume", "volume")
