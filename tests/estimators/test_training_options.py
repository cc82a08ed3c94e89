"""What a segmenter can be told of its training, beyond the network."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from srseg import DEFAULT_LABELS, VolumeSegmenter, load_model
from srseg.errors import (
    LabelError,
    MissingFileError,
    NotEnoughMemoryError,
    ParameterError,
    StorageError,
    TrainingError,
    UnknownNameError,
)
from srseg.estimators import _training_memory, _training_run, _training_setup, goes_on_from
from srseg.inference import choose_precision
from srseg.progress import Stopped, stoppable
from srseg.training import PatchSampler, TiledArray, iterations_done, logging_to


def weights(segmenter):
    return joblib.hash([v.numpy() for v in segmenter.network_.state_dict().values()])


@pytest.fixture
def samplers(monkeypatch):
    """Give a list that takes every sampler that is made."""
    made = []

    class Noted(PatchSampler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append((self, options))

    monkeypatch.setattr(_training_run, "PatchSampler", Noted)
    return made


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "cross-entropy"},
        {"label_smoothing": 0.1},
        {"draw": "by class"},
        {"ignore_boundary": 1.0},
        {"accumulate": 2},
    ],
    ids=str,
)
def test_training_depends_on_it(small, make_sample, changes):
    samples = [make_sample(0), make_sample(1)]
    assert weights(small(**changes).fit(samples)) != weights(small().fit(samples))


def test_what_one_says_reaches_the_sampler(small, make_sample, samplers):
    small(draw="by class", ignore_boundary=2.5).fit([make_sample(0)])
    assert samplers[0][1]["draw"] == "by class"
    assert samplers[0][1]["boundary"] == 2.5


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"loss": "dice"}, "dice"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"draw": "evenly"}, "draw is 'uniform' or 'by class', found 'evenly'"),
        ({"ignore_boundary": -1}, r"ignore_boundary \(pixels\) must be a number of 0 or more"),
        ({"accumulate": 0}, "accumulate must be an integer of 1 or more, found 0"),
        ({"accumulate": 3}, "batch of 2 patches cannot be divided .* larger batch_size"),
        ({"checkpoint": 7}, "checkpoint is a path or None, found 7"),
        ({"checkpoint": "c", "random_state": None}, "random_state must be an integer"),
        ({"checkpoint_every": -1}, "checkpoint_every"),
        ({"max_memory": "much"}, "max_memory"),
        ({"scratch": 1}, "scratch is a path or None"),
        ({"start_from": 3}, "start_from is int; give a model file"),
        ({"start_from": VolumeSegmenter()}, "is VolumeSegmenter without a fit; .* FrozenEstimator"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(small, make_sample, parameters, words):
    with pytest.raises((ParameterError, UnknownNameError), match=words):
        small(**parameters).fit([make_sample(0)])


# weights


def test_slices_of_a_scan_with_more_weight_are_drawn_more(small, make_sample, samplers):
    samples = [make_sample(i) for i in range(4)]
    for given in ([1, 2.0, 3, 4], np.array([1, 2, 3, 4])):
        segmenter = small(validation=1).fit(samples, sample_weight=given)
        kept = {volume.name: volume.weight for volume in samplers[-1][0].volumes}
        assert len(kept) == 3
        expected = {f"S{i}": i + 1.0 for i in range(4)}
        del expected[segmenter.validation_samples_[0]]
        assert kept == expected
    plain = small(validation=1).fit(samples)
    assert weights(plain) == weights(small(validation=1).fit(samples, sample_weight=[1] * 4))
    assert weights(plain) != weights(segmenter)


@pytest.mark.parametrize(
    "given", [[1], [1, 2, 3], [1, 0], [1, -1], [1, np.nan], "ab", [True, 1], 3]
)
def test_weights_that_cannot_be_are_refused(small, make_sample, given):
    before = joblib.hash(given)
    with pytest.raises(ParameterError, match="a positive number for each of the 2 scans"):
        small().fit([make_sample(0), make_sample(1)], sample_weight=given)
    assert joblib.hash(given) == before


@pytest.mark.filterwarnings("ignore:no patch since the last validation")
def test_a_network_that_nothing_could_be_learned_by_is_refused(small):
    labels = np.random.default_rng(0).integers(0, 2, (16, 16, 16)).astype(np.uint8)  # all borders
    with pytest.raises(TrainingError, match=r"within ignore_boundary=50 pixels of another label"):
        small(ignore_boundary=50.0, max_iter=3).fit([labels.astype(np.float32)], [labels])


def test_a_grid_search_divides_the_weights_with_the_samples(small, make_sample, samplers):
    samples = [make_sample(i) for i in range(4)]
    search = GridSearchCV(small(max_iter=1), {"width": [2, 3]}, cv=2, error_score="raise")
    # the scores of a search count every sample alike
    with pytest.warns(UserWarning, match="with sample_weight"):
        search.fit(samples, sample_weight=[1.0, 2.0, 3.0, 4.0])
    assert len(samplers) == 2 * 2 + 1
    for sampler, _ in samplers:
        assert [v.weight for v in sampler.volumes] == [
            1.0 + int(v.name[1]) for v in sampler.volumes
        ]


def test_a_sample_with_two_label_sets_is_held_out_as_a_whole(small, make_sample, samplers):
    wf = [make_sample(i) for i in range(4)]
    hq = [make_sample(i) for i in range(2)]
    for sample in hq:
        sample.target = "HQ"
    for seed in range(4):
        segmenter = small(validation=1, random_state=seed, max_iter=1).fit(
            [*wf, *hq], sample_weight=[1] * 4 + [5] * 2
        )
        held = set(segmenter.validation_samples_)
        assert len(held) == 1
        assert not held & set(segmenter.training_samples_)
        volumes = samplers[-1][0].volumes
        assert sorted(v.name for v in volumes) == sorted(
            s.name for s in [*wf, *hq] if s.name not in held
        )
        twice = [v for v in volumes if v.name == "S0"]
        if "S0" not in held:
            assert [v.weight for v in twice] == [1, 5]
            assert twice[0].image is twice[1].image  # the scan is in memory once


# trained on


def test_a_model_is_trained_on(small, make_sample, trained, tmp_path):
    trained.save(tmp_path / "m.srseg")
    given = small(width=8, depth=2, max_iter=1, learning_rate=1e-9, augment=False)
    scan = make_sample(6).scan
    for start in (trained, str(tmp_path / "m.srseg"), FrozenEstimator(trained)):
        table = trained.label_table_
        samples = [make_sample(0, table=table)]
        segmenter = clone(given).set_params(start_from=start).fit(samples)
        assert segmenter.label_table_ == table
        # weights have hardly moved (statistics of batch norm have, a little)
        old, new = trained.network_.state_dict(), segmenter.network_.state_dict()
        for name in old:
            if "running" not in name and "num_batches" not in name:
                torch.testing.assert_close(old[name], new[name], atol=1e-6, rtol=0)
        agree = segmenter.predict(scan).read() == trained.predict(scan).read()
        assert agree.mean() > 0.9
        low, high = trained.domain_.voxel_size
        assert segmenter.domain_.voxel_size[0] <= low
        assert segmenter.domain_.voxel_size[1] >= high
        segmenter.save(tmp_path / "on.srseg", overwrite=True)
        loaded = load_model(tmp_path / "on.srseg")
        assert loaded.start_from is None
        assert loaded.training_samples_ == ["volume0", "volume1", "volume2", "S0"]
        assert loaded.started_from_ == segmenter.started_from_ != ""
    assert trained.started_from_ is None


def test_another_network_table_or_voxel_size_is_refused(small, make_sample, trained):
    table = trained.label_table_
    sample = make_sample(0, table=table)
    right = {"width": 8, "depth": 2, "start_from": trained}
    for wrong, words in {
        "width": (4, "start_from has width=8, and this segmenter width=4; .* give width=8"),
        "depth": (1, "depth=2"),
        "clip": ((1.0, 99.0), r"clip=\(0.5, 99.9\)"),
        "voxel_size": (4.0, "trained on voxels of 5.0 µm, and these are of 4.0"),
    }.items():
        value, message = words
        with pytest.raises(ParameterError, match=message):
            small(**{**right, wrong: value}).fit([sample])
    with pytest.raises(LabelError, match="another label table"):
        small(**right, labels=DEFAULT_LABELS).fit([sample])
    with pytest.raises(LabelError, match="another label table"):
        small(**right).fit([make_sample(0, table=DEFAULT_LABELS)])


def test_what_a_model_was_trained_on_is_no_judge_of_going_on(small, make_sample, trained):
    table = trained.label_table_
    known, other = make_sample(1, table=table), make_sample(0, table=table)
    known.name = "volume1"
    on = small(width=8, depth=2, max_iter=1, start_from=trained)
    with pytest.warns(UserWarning, match="volume1 judges this training, but start_from was"):
        on.set_params(validation=[known]).fit([other])
    on.set_params(validation=[other]).fit([known])


def test_nor_is_another_scan_of_a_subject_that_a_model_was_trained_on(small, make_sample, tmp_path):
    first, later, other = (make_sample(i) for i in range(3))
    first.subject = later.subject = "rat 1"
    start = small(max_iter=1).fit([first])
    start.save(tmp_path / "m.srseg")
    on = small(max_iter=1, start_from=tmp_path / "m.srseg", validation=[later])
    with pytest.warns(UserWarning, match="S1 judges this training, .* other samples of subject"):
        on.fit([other])
    assert on.training_subjects_ == ["rat 1", "S2"]
    later.subject = "rat 2"
    on.fit([other])


def test_a_grid_search_from_a_model(small, make_sample, trained):
    samples = [make_sample(i, table=trained.label_table_) for i in range(2)]
    start = small(width=8, depth=2, max_iter=1, start_from=FrozenEstimator(trained))
    search = GridSearchCV(start, {"learning_rate": [1e-9, 1.0]}, cv=2, error_score="raise")
    search.fit(samples)
    assert search.best_params_ == {"learning_rate": 1e-9}


# checkpoints


class StopAt:
    def __init__(self, stop, record):
        self.stop, self.record = stop, record

    def begin(self, history):
        pass

    def add(self, record):
        if record["iteration"] == self.record:
            self.stop()


def stopped(segmenter, samples, record):
    with stoppable() as stop, logging_to(StopAt(stop, record)), pytest.raises(Stopped):
        segmenter.fit(samples)
    return segmenter


def test_a_fit_that_was_stopped_goes_on(small, make_sample, tmp_path):
    samples = [make_sample(i) for i in range(4)]
    path = tmp_path / "c"
    make = {"max_iter": 20, "validation": 1, "learning_rate": 0.01}
    whole = small(**make).fit(samples)
    first = stopped(small(**make, checkpoint=path), samples, 10)
    assert first.history_.stopped
    assert first.n_iter_ == iterations_done(path) == 10
    assert first.predict(samples[0]).shape == samples[0].scan.shape
    first.save(tmp_path / "m.srseg")
    assert load_model(tmp_path / "m.srseg").history_.stopped
    second = small(**make, checkpoint=path).fit(samples)
    assert weights(second) == weights(whole)
    assert not second.history_.stopped
    assert second.validation_samples_ == whole.validation_samples_
    assert path.exists()  # the model is not saved yet


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": 0.02}, "learning_rate was 0.01, is 0.02"),
        ({"width": 5}, "width was 4, is 5"),
        ({"random_state": 1}, "seeds was"),
        ({"augment": False}, "augment was true, is false"),
    ],
    ids=str,
)
def test_another_training_is_refused(small, make_sample, tmp_path, changes, words):
    make = {"max_iter": 20, "learning_rate": 0.01, "checkpoint": tmp_path / "c"}
    stopped(small(**make), [make_sample(0)], 10)
    with pytest.raises(StorageError, match=words):
        small(**{**make, **changes}).fit([make_sample(0)])


def test_other_samples_are_refused_by_name(small, make_sample, tmp_path):
    make = {"max_iter": 20, "checkpoint": tmp_path / "c"}
    stopped(small(**make), [make_sample(0), make_sample(1)], 10)
    with pytest.raises(StorageError, match=r"training sample S1 \(WF\) is missing"):
        small(**make).fit([make_sample(0)])
    with pytest.raises(StorageError, match=r"sample S1 \(WF\), weight was 1.0, is 2.0\. Give"):
        small(**make).fit([make_sample(0), make_sample(1)], sample_weight=[1, 2])
    changed = make_sample(1)
    changed.label_sets["WF"].source[3, 3, 3] ^= 2
    with pytest.raises(StorageError, match=r"training: training sample S1 \(WF\), labels, "):
        small(**make).fit([make_sample(0), changed])
    other = make_sample(1)
    other.target = "HQ"
    with pytest.raises(StorageError, match=r"S1 \(HQ\) is new; .*S1 \(WF\) is missing"):
        small(**make).fit([make_sample(0), other])


def test_another_precision_is_refused_with_how_to_go_on(small, make_sample, tmp_path, monkeypatch):
    """Begun where auto is bfloat16, gone on with where it is not."""
    sample = make_sample(0)
    make = {"max_iter": 20, "checkpoint": tmp_path / "c"}
    stopped(small(**make, precision="bf16"), [sample], 10)
    chosen = choose_precision
    monkeypatch.setattr(
        _training_setup,
        "choose_precision",
        lambda name, device: "fp32" if name == "auto" else chosen(name, device),
    )
    with pytest.raises(
        StorageError, match=r"precision was \"bf16\", is \"fp32\".* give the other one by name"
    ):
        small(**make, precision="auto").fit([sample])
    with pytest.raises(StorageError, match="precision was") as error:
        small(**make, precision="fp32").fit([sample])
    assert "by name" not in str(error.value)
    assert small(**make, precision="bf16").fit([sample]).n_iter_ == 20


def test_a_fit_tells_what_it_would_go_on_from(small, make_sample, tmp_path):
    sample = make_sample(0)
    make = {"max_iter": 20, "checkpoint": tmp_path / "c"}
    assert goes_on_from(small(max_iter=20), [sample]) is None
    assert goes_on_from(small(**make), [sample]) is None
    stopped(small(**make), [sample], 10)
    assert goes_on_from(small(**make), [sample]) == 10
    with pytest.raises(StorageError, match=r"weight was 1\.0, is 2\.0"):
        goes_on_from(small(**make), [sample], sample_weight=[2])


# memory


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_read(
    small, make_sample, monkeypatch
):
    sample = make_sample(0)
    monkeypatch.setattr(_training_memory, "usable_memory", lambda: 1_000_000)
    monkeypatch.setattr(_training_run, "load_labelled", None)
    big = small(width=16, input_size=64, batch_size=16)
    with pytest.raises(NotEnoughMemoryError, match=r"16 patches of 64 x 64 pixels.* 0.001 GB left"):
        big.fit([sample])
    monkeypatch.setattr(_training_memory, "usable_memory", lambda: 16_000_000)
    with pytest.raises(
        NotEnoughMemoryError, match=r"accumulate=(\d+) \(--accumulate \1\)"
    ) as error:
        big.fit([sample])
    parts = int(str(error.value).split("accumulate=")[1].split()[0])
    assert 1 < parts <= 16
    with pytest.raises(TypeError):  # nothing was loaded until then
        big.set_params(accumulate=parts).fit([sample])
    monkeypatch.setattr(_training_memory, "usable_memory", lambda: None)
    with pytest.raises(TypeError):
        big.set_params(accumulate=None).fit([sample])


@pytest.mark.parametrize("limit", [1, 2 * 16 * 18 * 17 * 3])
def test_volumes_beyond_memory_give_the_same_bits(small, make_sample, tmp_path, limit, samplers):
    """Grey values alone in files, and labels too; of the files nothing is left, whatever ends."""
    samples = [make_sample(i) for i in range(3)]
    make = {"validation": 1, "max_iter": 6, "draw": "by class"}
    inside = small(**make).fit(samples)
    (tmp_path / "scratch").mkdir()
    outside = small(**make, max_memory=limit, scratch=tmp_path / "scratch").fit(samples)
    assert weights(inside) == weights(outside)
    assert inside.domain_ == outside.domain_
    for volume in samplers[-1][0].volumes:
        assert isinstance(volume.image, TiledArray)
        assert isinstance(volume.classes, TiledArray if limit == 1 else np.ndarray)
    assert not list((tmp_path / "scratch").iterdir())
    with pytest.raises(MissingFileError, match="none does not exist"):
        small(**make, max_memory=1, scratch=tmp_path / "none").fit(samples)


def test_a_working_copy_that_is_not_compressed_is_mapped(small, study, samplers, monkeypatch):
    study.preprocess(voxel_size=None)
    make = {"validation": None, "voxel_size": None, "max_iter": 3}
    inside = small(**make).fit(study)
    monkeypatch.setattr(TiledArray, "write", None)
    labels = sum(np.prod(sample.scan_grid.shape) for sample in study)
    outside = small(**make, max_memory=int(labels)).fit(study)
    assert weights(inside) == weights(outside)
    assert all(isinstance(v.image, TiledArray) for v in samplers[-1][0].volumes)
