"""One scan labelled: stopped and resumed, read in parts, and refused where it is another."""

import copy
import os

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from srseg import ArraySample, LabelTable, MultiAxisEnsemble, Volume, VolumeSegmenter
from srseg.errors import LabelError, ParameterError, StorageError
from srseg.estimators._domain import _quantiles, overview
from srseg.estimators._fill import fill
from srseg.estimators._identity import fingerprint
from srseg.inference import MemoryImage, ScratchVotes
from srseg.io import open_volume, write_volume
from srseg.metrics import confusion, summarize
from srseg.preprocessing import labels_everywhere, prepare, seen_voxels
from srseg.progress import Stopped, stoppable
from srseg.volumes import FieldOfView, Grid, RigidTransform

pytestmark = pytest.mark.filterwarnings("ignore:.*differs from the scans:UserWarning")
FIELD = FieldOfView((0, 42.5, 42.5), radius=40)


@pytest.fixture(scope="module")
def segmenter(small, make_sample):
    return small(runtime="torch").fit([make_sample(0), make_sample(1)])


@pytest.fixture
def own(small, make_sample):
    """A segmenter whose weights a test may change."""
    return small(runtime="torch").fit([make_sample(0)])


def ensemble(segmenter, planes=3):
    return MultiAxisEnsemble(FrozenEstimator(segmenter), planes=planes).fit(None)


def fine(sample, voxel_size=2.5, field=None):
    """Give a sample whose scan has to be resampled."""
    scan = np.repeat(np.repeat(np.repeat(sample.scan.read(), 2, 0), 2, 1), 2, 2)
    grid = Grid(scan.shape, (voxel_size,) * 3)
    return ArraySample(sample.name, Volume(scan, grid, field=field))


def other(sample, scan=None, field=None):
    scan = sample.scan.read() if scan is None else scan
    return ArraySample(sample.name, Volume(scan, sample.scan.grid, field=field))


def stopped_at(prediction, tiles):
    """Run until some tiles of votes are added, and stop there as a signal would."""
    add, left = ScratchVotes.add, [tiles]

    def counted(self, *arguments):
        add(self, *arguments)
        left[0] -= 1
        if not left[0]:
            stop()

    with pytest.MonkeyPatch.context() as patch, stoppable() as stop:
        patch.setattr(ScratchVotes, "add", counted)
        with pytest.raises(Stopped):
            prediction.run()


class TestGoingOn:
    @pytest.mark.parametrize("make", [lambda sample: sample, fine], ids=["as it is", "resampled"])
    def test_stopped_and_resumed_it_is_the_same(self, segmenter, make_sample, tmp_path, make):
        sample, votes = make(make_sample(5)), ensemble(segmenter)
        folder = tmp_path / "scratch"
        with votes.prepare_prediction(sample, scratch=folder) as prediction:
            assert not prediction.resumes
            stopped_at(prediction, 2)
        image = folder / "srseg-image.tiles"
        assert image.exists() == (make is fine)
        before = image.stat().st_mtime_ns if make is fine else None
        with votes.prepare_prediction(sample, scratch=folder) as prediction:
            assert prediction.resumes
            prediction.run()
            labels = prediction.labels.read()
            shares = prediction.read_probabilities(0, 16)
            if make is fine:
                assert image.stat().st_mtime_ns == before  # resampled once only
            prediction.discard()
        assert not list(tmp_path.iterdir())
        np.testing.assert_array_equal(labels, votes.predict(sample).read())
        np.testing.assert_array_equal(shares, votes.predict_proba(sample))

    def test_stopped_and_run_again_in_one_block(self, segmenter, make_sample, tmp_path):
        sample, votes = fine(make_sample(5)), ensemble(segmenter)
        with votes.prepare_prediction(sample, scratch=tmp_path / "scratch") as prediction:
            stopped_at(prediction, 1)
            prediction.run()
            np.testing.assert_array_equal(prediction.labels.read(), votes.predict(sample).read())

    def test_asked_twice_it_gives_the_same(self, segmenter, make_sample):
        with ensemble(segmenter).prepare_prediction(fine(make_sample(5))) as prediction:
            prediction.run()
            labels, done = prediction.labels.read(), prediction.stages.slabs
            prediction.run()
            np.testing.assert_array_equal(prediction.labels.read(), labels)
            assert prediction.stages.slabs == done

    def test_there_is_nothing_to_read_before_and_after(self, segmenter, make_sample):
        prediction = ensemble(segmenter).prepare_prediction(make_sample(5))
        with prediction, pytest.raises(ParameterError, match=r"call run\(\) first"):
            _ = prediction.labels
        with prediction:
            prediction.run()
        with pytest.raises(ParameterError, match="inside of the with block"):
            _ = prediction.entropy


class TestWhatItIsOf:
    @pytest.fixture
    def begun(self, segmenter, make_sample, tmp_path):
        folder = tmp_path / "scratch"
        with ensemble(segmenter).prepare_prediction(make_sample(5), scratch=folder) as prediction:
            stopped_at(prediction, 1)
        return folder

    def refused(self, segmenter, sample, folder, words, **more):
        with (
            ensemble(segmenter).prepare_prediction(sample, scratch=folder, **more) as prediction,
            pytest.raises(StorageError, match=words),
        ):
            prediction.run()

    def test_one_voxel_of_an_array_is_another_scan(self, segmenter, make_sample, begun):
        scan = make_sample(5).scan.read().copy()
        scan[3, 7, 7] += 1
        self.refused(segmenter, other(make_sample(5), scan), begun, "scan")

    def test_another_field_of_view(self, segmenter, make_sample, begun):
        self.refused(segmenter, other(make_sample(5), field=FIELD), begun, "field of view")

    def test_another_model(self, segmenter, small, make_sample, begun):
        twin = small(runtime="torch", random_state=1).fit([make_sample(0)])
        self.refused(twin, make_sample(5), begun, "model")

    def test_weights_changed_in_place(self, own, make_sample, tmp_path):
        with ensemble(own).prepare_prediction(make_sample(5), scratch=tmp_path / "s") as one:
            stopped_at(one, 1)
        next(own.network_.parameters()).data.mul_(2)
        self.refused(own, make_sample(5), tmp_path / "s", "model")

    def test_a_fact_of_ones_own(self, segmenter, make_sample, begun):
        self.refused(segmenter, make_sample(5), begun, "purpose", identity={"purpose": "a test"})
        with pytest.raises(ParameterError, match="identity names grid"):
            ensemble(segmenter).prepare_prediction(
                make_sample(5), scratch=begun, identity={"grid": 1}
            )

    @pytest.mark.parametrize("at", [0, -1])
    def test_the_first_and_last_slices_of_a_file_count(self, make_sample, tmp_path, at):
        scan = np.repeat(make_sample(0).scan.read(), 3, axis=0)
        path, found = tmp_path / "a.h5", []
        for change in (0, 1):
            scan[at] += change
            path.unlink(missing_ok=True)
            write_volume(path, Volume.from_array(scan, 5.0))
            os.utime(path, ns=(10**18, 10**18))
            found.append(fingerprint(open_volume(path)))
            assert fingerprint(open_volume(path)) == found[-1]
        assert found[0]["slices"] != found[1]["slices"]
        os.utime(path, ns=(2 * 10**18, 10**18 + 1))
        touched = fingerprint(open_volume(path))
        assert touched != found[1]
        assert touched["slices"] == found[1]["slices"]


class Threshold(BaseEstimator):
    """A plugin: whatever srseg knows of it is a function."""

    clip_, voxel_size_, stride, reach = (0.0, 100.0), 5.0, 1, 0
    label_table_ = LabelTable.from_values([0, 1])

    def __init__(self, level=0.5):
        self.level = level

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_slices_proba(self, slices):
        above = (slices > self.level).astype(np.float32)
        return np.stack([1 - above, above], axis=1)


class TestPlugins:
    def test_a_scratch_folder_needs_a_name_of_the_model(self, make_sample, tmp_path):
        folder, sample = tmp_path / "scratch", make_sample(5)
        for identity in (None, {"purpose": "a test"}):
            with pytest.raises(ParameterError, match=r"one Threshold from another.*identity="):
                ensemble(Threshold()).prepare_prediction(sample, scratch=folder, identity=identity)
        one, two = ({"model file": text} for text in "ab")
        with ensemble(Threshold()).prepare_prediction(
            sample, scratch=folder, identity=one
        ) as prediction:
            stopped_at(prediction, 1)
        with (
            ensemble(Threshold(0.7)).prepare_prediction(
                sample, scratch=folder, identity=two
            ) as prediction,
            pytest.raises(StorageError, match="model file"),
        ):
            prediction.run()
        with ensemble(Threshold()).prepare_prediction(
            sample, scratch=folder, identity=one
        ) as prediction:
            prediction.run()
            np.testing.assert_array_equal(
                prediction.labels.read(), ensemble(Threshold()).predict(sample).read()
            )

    def test_a_subclass_with_its_own_probabilities_is_asked(self, own, make_sample):
        class Turned(VolumeSegmenter):
            def predict_slices_proba(self, slices):
                return super().predict_slices_proba(slices)[:, ::-1]

        turned = Turned(**own.get_params(deep=False))
        vars(turned).update(vars(own))
        sample = make_sample(5)
        np.testing.assert_allclose(
            turned.predict_proba(sample), own.predict_proba(sample)[::-1], atol=1e-4
        )
        with pytest.raises(ParameterError, match="one Turned from another"):
            turned.prepare_prediction(sample, scratch="unused")

    def test_a_subclass_that_changes_nothing_is_as_fast(self, own, make_sample):
        class Same(VolumeSegmenter):
            pass

        same = Same(**own.get_params(deep=False))
        vars(same).update(vars(own))
        with same.prepare_prediction(make_sample(5)) as prediction:
            assert prediction.runtime == "torch"


class TestWeights:
    @pytest.mark.parametrize("way", ["torch", "data", "numpy", "load_state_dict"])
    def test_changed_in_place_they_are_seen(self, own, make_sample, way):
        sample, network = make_sample(5), own.network_
        before = own.predict_proba(sample)
        head = list(network.parameters())[-1]
        with torch.no_grad():
            if way == "torch":
                head.add_(torch.tensor([5.0, 0.0, 0.0]))
            elif way == "data":
                head.data[0] += 5
            elif way == "numpy":
                head.detach().numpy()[0] += 5
            else:
                state = {k: v.clone() for k, v in network.state_dict().items()}
                list(state.values())[-1][0] += 5
                network.load_state_dict(state)
        after = own.predict_proba(sample)
        assert after[0].mean() > before[0].mean() + 0.05
        slices = np.zeros((1, 16, 16), np.float32)
        fresh = copy.deepcopy(own)
        np.testing.assert_array_equal(
            own.predict_slices_proba(slices), fresh.predict_slices_proba(slices)
        )

    def test_unchanged_nothing_is_made_again(self, own):
        (first,), (second,) = own.slice_predictors(), own.slice_predictors()
        assert first is second
        next(own.network_.parameters()).data.mul_(2)
        (third,) = own.slice_predictors()
        assert third is not first


class TestReading:
    def test_disagreement_is_that_of_the_probabilities(self, segmenter, make_sample):
        sample = other(make_sample(5), field=FIELD)
        with ensemble(segmenter, planes=9).prepare_prediction(sample) as prediction:
            prediction.run()
            shares = prediction.read_probabilities(0, 16).astype(float)
            entropy, margin = prediction.entropy.read(), prediction.margin.read()
        seen = np.broadcast_to(seen_voxels(sample.scan, sample.scan_grid), entropy.shape)
        assert 0 < seen.mean() < 1
        known = np.where(shares > 0, shares, 1)
        expected = -(known * np.log(known)).sum(0) / np.log(3) * 255
        two, one = np.sort(shares, axis=0)[-2:]
        assert entropy[seen].max() > 100
        np.testing.assert_allclose(entropy[seen], expected[seen], atol=1)
        np.testing.assert_allclose(margin[seen], 255 * (one - two)[seen], atol=1)
        assert not entropy[~seen].any()
        assert not margin[~seen].any()

    def test_boxes_are_parts_of_the_whole(self, segmenter, make_sample):
        turn = RigidTransform((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
        scan = other(make_sample(5), field=FIELD).scan.moved(turn)
        votes = ensemble(segmenter)
        box = (slice(3, 9), slice(5, 11), slice(2, 17))
        with votes.prepare_prediction(ArraySample("A", scan), grid="scan") as prediction:
            prediction.run()
            labels = prediction.labels
            whole = labels.read()
            asked = []
            fused = type(prediction._fused[0])
            classes_in = fused.classes_in
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    fused,
                    "classes_in",
                    lambda self, region: asked.append(region) or classes_in(self, region),
                )
                np.testing.assert_array_equal(labels.read(box), whole[box])
            # not the slices that the box lies in
            assert max(y.stop - y.start for _, y, _ in asked) < prediction.grid.shape[1] - 4
            entropy = prediction.entropy
            np.testing.assert_array_equal(entropy.read(box), entropy.read()[box])
        model = votes.predict(ArraySample("A", scan))
        np.testing.assert_array_equal(labels_everywhere(model, scan.grid).read(), whole)


class TestFilling:
    @pytest.mark.parametrize("small", [True, False])
    @pytest.mark.parametrize("whole_slices", [True, False])
    def test_with_and_without_a_scratch_file(self, make_sample, monkeypatch, small, whole_slices):
        """The same voxels, whatever space there is; small scans look for none."""
        sample = fine(make_sample(5), field=FIELD)
        sample.scan.source = Source(sample.scan.source, whole_slices)
        looked = []

        def nowhere(*_, **__):
            looked.append(1)
            raise StorageError("there is no space")

        monkeypatch.setattr("srseg.preprocessing._once.scratch_folder", nowhere)
        monkeypatch.setattr("srseg.estimators._fill._PIECE", 1000)
        if not small:
            monkeypatch.setattr("srseg.estimators._fill._SMALL", 100)
        image = MemoryImage((16, 18, 17))
        fill(image, None, sample.scan, voxel_size=5.0, clip=(0.5, 99.9), scratch=None)
        assert image.complete
        assert len(looked) == (not small)
        expected = prepare(sample.scan, voxel_size=5.0).read()
        found = image[(slice(0, 16), slice(0, 18), slice(0, 17))]
        np.testing.assert_allclose(found, expected, atol=0.51 / 65535)

    def test_a_named_scratch_folder_has_to_do(self, make_sample, tmp_path, monkeypatch):
        def nowhere(*_, **__):
            raise StorageError("there is no space")

        monkeypatch.setattr("srseg.preprocessing._once.scratch_folder", nowhere)
        with pytest.raises(StorageError, match="no space"):
            fill(
                MemoryImage((16, 18, 17)), None, fine(make_sample(5)).scan,
                voxel_size=5.0, clip=(0.5, 99.9), scratch=tmp_path,
            )  # fmt: skip


class Source:
    """Voxels that count how much of them is read at a time."""

    def __init__(self, array, whole_slices=False):
        self.array, self.whole_slices = array, whole_slices
        self.shape, self.dtype = array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, region):
        block = self.array[region].copy()
        self.largest = max(self.largest, block.size)
        return block


class TestBoundedMemory:
    @pytest.mark.parametrize("field", [None, FieldOfView((0, 600, 600), radius=550)])
    @pytest.mark.parametrize("depth", [5, 32, 70])
    def test_an_overview_is_a_sample_with_the_same_quantiles(self, field, depth):
        image = np.random.default_rng(0).random((depth, 240, 241), dtype=np.float32) ** 2
        volume = Volume(image, Grid(image.shape, (5.0,) * 3), normalised=True, field=field)
        n = min(depth, 32)
        at = ((np.arange(n) + 0.5) * depth / n).astype(int)
        seen = seen_voxels(volume, volume.grid)
        if seen is not None:
            seen = np.broadcast_to(seen, image.shape)[at]
        sampled, mask = overview(volume, volume.grid)
        assert _quantiles(sampled, mask) == _quantiles(image[at], seen)
        assert sampled.size < 300_000

    def test_the_truth_is_read_in_slabs_and_the_score_the_same(self, segmenter, make_sample):
        sample = make_sample(5)
        deep = np.concatenate([sample.scan.read()] * 9)
        truth = np.concatenate([sample.labels().read()] * 9)
        source = Source(truth)
        labels = Volume(source, Grid(truth.shape, (5.0,) * 3))
        scan = Volume.from_array(deep, 5.0)
        found = segmenter.predict(scan).read()
        expected = summarize(confusion(truth, found, 3)[None]).mean
        assert segmenter.score([ArraySample("A", scan, {"WF": labels})]) == pytest.approx(expected)
        assert source.largest <= truth.size / 2

    def test_a_truth_that_is_wrong_in_its_last_slice_is_found_first(
        self, segmenter, make_sample, monkeypatch
    ):
        sample = make_sample(5)
        truth = sample.labels().read().copy()
        truth[-1, 0, 0] = 77
        wrong = ArraySample("A", sample.scan, {"WF": Volume.from_array(truth, 5.0)})
        monkeypatch.setattr("srseg.estimators._prediction.Prediction.run", None)
        with pytest.raises(LabelError, match=r"label set WF of sample A.*pass labels="):
            segmenter.score([wrong])
