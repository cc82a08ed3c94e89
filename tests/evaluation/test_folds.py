"""Folds never divide a subject, spread the kinds, and cut one scan into slabs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import ParameterError
from srseg.evaluation import cut_into_slabs, make_folds
from srseg.labels import DEFAULT_LABELS
from srseg.volumes import ArraySample, Volume

SCAN = Volume.from_array(np.zeros((1, 1, 1)))


def samples_of(subjects, **metadata):
    """Give samples of subjects, with one value of each metadata key for each of them."""
    return [
        ArraySample(
            f"{i}", SCAN, subject=s, metadata={key: values[i] for key, values in metadata.items()}
        )
        for i, s in enumerate(subjects)
    ]


def subjects_and_alloys():
    return st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["Mg-5Gd", "Mg-10Gd", ""])),
        min_size=4,
        max_size=20,
    )


@given(subjects_and_alloys(), st.integers(2, 4))
def test_every_sample_is_tested_once_and_no_subject_is_divided(drawn, n_splits):
    subjects, alloys = zip(*drawn, strict=True)
    samples = samples_of(subjects, alloy=alloys)
    if len(set(subjects)) < n_splits:
        with pytest.raises(ParameterError, match="use fewer folds"):
            make_folds(samples, n_splits)
        return
    folds = make_folds(samples, n_splits)
    assert folds.samples is samples
    assert len(folds.splits) == n_splits
    tested = np.concatenate([test for _, test in folds.splits])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(samples)))
    for train, test in folds.splits:
        assert len(test)
        assert len(train) + len(test) == len(samples)
        assert not {subjects[i] for i in train} & {subjects[i] for i in test}


def test_kinds_are_spread_as_in_the_paper():
    """Of 14 samples 4 are Mg-5Gd and 5 from I13-2: each of 4 folds can have one of each."""
    alloys = ["Mg-5Gd"] * 4 + ["Mg-10Gd"] * 10
    lines = ["P05", "P05", "I13-2", "I13-2"] + ["P05"] * 7 + ["I13-2"] * 3
    samples = samples_of([f"{i}" for i in range(14)], alloy=alloys, beamline=lines)
    folds = make_folds(samples)
    assert folds.how == "4 folds by subject, stratified by alloy and beamline"
    for _, test in folds.splits:
        assert 3 <= len(test) <= 4
        assert [alloys[i] for i in test].count("Mg-5Gd") == 1
        assert 1 <= [lines[i] for i in test].count("I13-2") <= 2


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "not stratified, because alloy and beamline are not known of every sample"),
        (
            {"alloy": "xxxxxx", "beamline": "ababab"},
            "stratified by beamline (all samples have the same alloy)",
        ),
        (
            {"alloy": "xxxxxx", "beamline": "xxxxxx"},
            "not stratified, because all samples have the same alloy and beamline",
        ),
        (
            {"alloy": ["a", "b", "a", "b", "a", None], "beamline": "ababab"},
            "stratified by beamline (alloy is not known of every sample)",
        ),
        (
            {"alloy": "abcdef", "beamline": "xxxxxx"},
            "not stratified by alloy, because no kind has 3 samples",
        ),
        (
            {"alloy": "aaabbb", "beamline": "abcabc"},
            "stratified by alloy (too few samples of each kind to add beamline)",
        ),
    ],
)
def test_it_is_said_how_folds_were_made(metadata, says):
    folds = make_folds(samples_of("abcdef", **metadata), 3)
    assert folds.how == f"3 folds by subject, {says}"
    assert [len(names) for names in folds.names] == [2, 2, 2]


def test_one_fold_is_refused():
    with pytest.raises(ParameterError, match="at least 2"):
        make_folds(samples_of("abc"), 1)


def test_they_go_into_scikit_learn():
    from sklearn.dummy import DummyRegressor
    from sklearn.model_selection import cross_val_score

    X, y = np.arange(6.0)[:, None], np.arange(6.0)
    folds = make_folds(samples_of("aabbcc"), 3).splits
    scores = cross_val_score(DummyRegressor(), X, y, cv=folds, scoring="neg_mean_squared_error")
    assert len(scores) == 3


def one_sample(shape=(18, 60, 17)):
    """Give a scan whose grey value is the row, and labels that are the row modulo 4."""
    rows = np.broadcast_to(np.arange(shape[1])[None, :, None], shape)
    labels = Volume.from_array((rows % 4).astype(np.uint8), 5.0, table=DEFAULT_LABELS)
    return ArraySample("A", Volume.from_array(rows.astype(np.float32), 5.0), {"WF": labels})


def test_one_scan_is_cut_into_slabs_that_nothing_bridges():
    sample = one_sample()
    folds = make_folds([sample], 3, gap=5)
    assert "say nothing of other scans" in folds.how
    assert folds.names == [["A:y0-17"], ["A:y22-38"], ["A:y43-60"]]
    slabs = folds.samples
    rows = [set(np.unique(slab.scan.read()).astype(int)) for slab in slabs]
    for train, test in folds.splits:
        seen = set().union(*(rows[i] for i in train))
        asked = set().union(*(rows[i] for i in test))
        assert min(abs(a - b) for a in seen for b in asked) == 6


def test_slabs_are_trained_on_and_scored_alone(small_segmenter):
    sample = one_sample()
    grey = sample.labels().read() * 1000.0 + np.random.default_rng(0).normal(0, 50, (18, 60, 17))
    sample.scan = Volume.from_array(grey.astype(np.float32), 5.0)
    slabs = make_folds([sample], 3).samples
    segmenter = small_segmenter.fit(slabs[1:])
    assert segmenter.training_samples_ == [slabs[1].name, slabs[2].name]
    prediction = segmenter.predict(slabs[0])
    assert prediction.shape == slabs[0].scan.shape
    truth = slabs[0].labels().read()[:, : prediction.shape[1]]
    found = [
        ((prediction.read() == c) & (truth == c)).sum()
        / ((prediction.read() == c) | (truth == c)).sum()
        for c in (1, 2, 3)
    ]
    assert segmenter.score([slabs[0]]) == pytest.approx(np.mean(found))


@pytest.fixture
def small_segmenter():
    from srseg import VolumeSegmenter

    return VolumeSegmenter(
        width=2, depth=1, input_size=16, max_iter=2, batch_size=2, validation=None, random_state=0
    )


@pytest.mark.parametrize(("n", "gap"), [(8, None), (2, 58), (3, -1)])
def test_too_thin_slabs_are_refused(n, gap):
    with pytest.raises(ParameterError, match="use fewer folds, or another gap"):
        cut_into_slabs(one_sample((18, 30 if n == 8 else 60, 17)), n, gap)
