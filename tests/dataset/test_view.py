"""A dataset is an X for scikit-learn."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, train_test_split
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from srseg import Dataset, Sample
from srseg.errors import ParameterError, UnknownNameError


def test_samples_meet_the_protocol(study):
    sample = study[0]
    assert isinstance(sample, Sample)
    assert (sample.name, sample.subject, sample.target) == ("A", "01", "WF")
    assert sample.scan.shape == sample.labels().shape == (8, 10, 12)
    assert sample.scan.grid.voxel_size == (2.5, 2.5, 2.5)
    assert sample.metadata == {"alloy": "Mg-10Gd", "energy_kev": 30.0}
    assert sample.label_sets == ["WF"]
    assert study["E"].label_sets == ["HQ", "WF"]


def test_the_voxels_are_those_of_the_file(study):
    expected = np.random.default_rng(4).integers(0, 60000, (8, 10, 12), dtype=np.uint16)
    np.testing.assert_array_equal(study["E"].scan.read(), expected)


def test_length_shape_names_subjects(study):
    assert len(study) == _num_samples(study) == 6
    assert study.shape == (6,)
    assert study.names == list("ABCDEF")
    assert study.subjects == ["01", "02", "03", "04", "04", "04"]
    assert [s.name for s in study] == study.names
    assert not hasattr(study, "__array__")


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cutting_is_that_of_a_list(study, data):
    names = study.names
    index = data.draw(
        st.one_of(
            st.slices(6),
            st.lists(st.integers(-6, 5), max_size=8),
            st.lists(st.booleans(), min_size=6, max_size=6),
        )
    )
    if isinstance(index, slice):
        expected = names[index]
    else:
        array = np.asarray(index, dtype=None if index else int)
        expected = [str(n) for n in np.asarray(names)[array]]
        index = data.draw(st.sampled_from([index, array, (array, Ellipsis)]))
    view = study[index]
    assert type(view) is Dataset
    assert view.names == expected


def test_a_view_of_a_view_counts_in_the_view(study):
    assert study[2:][[0, -1]].names == ["C", "F"]
    assert study[2:][0].name == "C"


@pytest.mark.parametrize(
    "index", [np.array([[0]]), [True, False], 1.5, (0, 0), np.array([0.0, 1.0]), None]
)
def test_other_indices_are_refused(study, index):
    with pytest.raises((ParameterError, TypeError)):
        study[index]


def test_out_of_range_says_how_many(study):
    with pytest.raises(IndexError, match="6 samples"):
        study[6]
    with pytest.raises(IndexError, match="6 samples"):
        study[[0, 7]]


def test_safe_indexing_and_folds(study):
    (same,) = indexable(study)
    assert same is study
    assert _safe_indexing(study, np.array([3, 1])).names == ["D", "B"]
    assert _safe_indexing(study, [True] * 5 + [False]).names == list("ABCDE")
    train, test = train_test_split(study, test_size=2, random_state=0)
    assert sorted(train.names + test.names) == study.names
    for train_index, test_index in GroupKFold(3).split(study, groups=study.subjects):
        assert not set(study[train_index].subjects) & set(study[test_index].subjects)


class MeanGrey(BaseEstimator):
    """Remembers the mean of the training scans; a stand-in for a segmenter."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        assert isinstance(X, Dataset)
        assert X.target == "HQ"
        self.mean_ = self.factor * np.mean([s.scan.read().mean() for s in X])
        return self

    def score(self, X, y=None):
        assert isinstance(X, Dataset)
        return -abs(self.mean_ - np.mean([s.scan.read().mean() for s in X]))


def test_grid_search_cuts_by_subject_and_keeps_the_target(study):
    search = GridSearchCV(MeanGrey(), {"factor": [0.5, 1.0]}, cv=GroupKFold(3), error_score="raise")
    search.fit(study.with_target("HQ"), groups=study.subjects)
    assert search.best_params_ == {"factor": 1.0}


def test_pickles_as_path_names_and_target(study):
    view = study.select(alloy="Mg-5Gd").with_target("HQ")
    data = pickle.dumps(view)
    assert len(data) < 1000
    assert pickle.loads(data) == view
    code = (
        "import pickle, sys; d = pickle.load(sys.stdin.buffer); "
        "print(d.names, d.target, d[0].scan.read().sum())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True
    )
    assert other.stdout.decode().split("\n")[0] == (
        f"['B', 'D', 'F'] HQ {view[0].scan.read().sum()}"
    )
    assert pickle.loads(pickle.dumps(study[0])) == study[0]


def test_select(study):
    assert study.select(has="HQ").names == ["E", "F"]
    assert study.select(has=["WF", "HQ"], alloy="Mg-5Gd").names == ["F"]
    assert study.select(alloy=["Mg-5Gd", "Mg-10Gd"]).names == study.names
    assert study.select(energy="0.032 MeV").names == study.select(energy_kev="32").names == ["C"]
    assert study.select(subject="04").names == ["D", "E", "F"]
    assert study.select(name=["F", "A"]).names == ["A", "F"]
    assert study.select(has="XX").names == []
    assert study.select(beamline="P05").names == []


def test_select_lists_what_there_is(study):
    with pytest.raises(UnknownNameError, match=r"did you mean 'alloy'.*energy_kev"):
        study.select(aloy="Mg-5Gd")
    with pytest.raises(UnknownNameError, match="A, B, C, D, E, F"):
        study.select(name="Z")
    with pytest.raises(UnknownNameError, match="has no sample 'a'"):
        study["a"]


def test_with_target_is_a_view(study):
    hq = study.select(has="HQ").with_target("HQ")
    assert (hq.target, hq[0].target, study.target) == ("HQ", "HQ", "WF")
    assert hq[0].labels_info()["Manual"] is True
    with pytest.raises(UnknownNameError, match="sample A has no label set 'HQ'; it has: WF"):
        study.with_target("HQ")[0].labels()


def test_repr_says_what_is_in_it(study):
    assert "6 samples, label sets: HQ 2, WF 6, target 'WF'" in repr(study)
    assert repr(study[0]) == "DatasetSample('A', subject '01', labels: WF)"
