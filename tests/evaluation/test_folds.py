"""Folds never divide a subject."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import ParameterError
from srseg.evaluation import folds_by_subject
from srseg.volumes import ArraySample, Volume

SCAN = Volume.from_array(np.zeros((1, 1, 1)))


def samples_of(subjects):
    return [ArraySample(f"{i}", SCAN, subject=s) for i, s in enumerate(subjects)]


@given(st.lists(st.sampled_from("abcdefg"), min_size=4, max_size=20), st.integers(2, 4))
def test_every_sample_is_tested_once_and_no_subject_is_divided(subjects, n_splits):
    samples = samples_of(subjects)
    if len(set(subjects)) < n_splits:
        with pytest.raises(ParameterError, match="use fewer folds"):
            folds_by_subject(samples, n_splits)
        return
    folds = folds_by_subject(samples, n_splits)
    assert len(folds) == n_splits
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(samples)))
    for train, test in folds:
        assert len(train) + len(test) == len(samples)
        assert not {subjects[i] for i in train} & {subjects[i] for i in test}


def test_one_fold_is_refused():
    with pytest.raises(ParameterError, match="at least 2"):
        folds_by_subject(samples_of("abc"), 1)


def test_they_go_into_scikit_learn():
    from sklearn.dummy import DummyRegressor
    from sklearn.model_selection import cross_val_score

    X, y = np.arange(6.0)[:, None], np.arange(6.0)
    folds = folds_by_subject(samples_of("aabbcc"), 3)
    scores = cross_val_score(DummyRegressor(), X, y, cv=folds, scoring="neg_mean_squared_error")
    assert len(scores) == 3
