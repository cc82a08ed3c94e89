"""VolumeSegmenter on arrays and samples."""

import pickle
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
import torch
from scipy import ndimage, sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import jaccard_score
from sklearn.pipeline import make_pipeline
from torch import nn

from srseg import DEFAULT_LABELS, ArraySample, LabelTable, Volume, VolumeSegmenter
from srseg.backbones import create_backbone
from srseg.errors import (
    GridError,
    LabelError,
    ParameterError,
    TrainingError,
    UnknownNameError,
)
from srseg.progress import reporting
from srseg.training import Augmentation

UNLABELLED = 255


def weights(segmenter):
    return joblib.hash({k: v.numpy() for k, v in segmenter.network_.state_dict().items()})


def test_it_learns_and_scores_the_mean_iou(trained, boxes):
    X, y = zip(*[boxes(i) for i in (7, 8)], strict=True)
    predictions = trained.predict(list(X))
    by_hand = [
        jaccard_score(t.ravel(), p.ravel(), labels=[1, 2], average=None)
        for t, p in zip(y, predictions, strict=True)
    ]
    score = trained.score(list(X), list(y))
    assert score == pytest.approx(np.mean(by_hand), abs=1e-9)
    assert score > 0.8
    np.testing.assert_array_equal(trained.classes_, [0, 1, 2])
    assert trained.n_iter_ == trained.history_.n_iter == 150
    assert trained.training_samples_ == ["volume0", "volume1", "volume2"]


def test_a_prediction_is_the_network_on_each_slice(trained, boxes):
    scan, _ = boxes(5)
    low, high = np.percentile(scan, [0.5, 99.9])
    image = ((scan - low) / (high - low)).clip(0, 1).astype(np.float32)
    padded = np.pad(image, [(0, 0), (0, 2), (0, 3)])
    with torch.inference_mode():
        slices = trained.network_(torch.from_numpy(padded)[:, None]).softmax(1).numpy()
    np.testing.assert_allclose(trained.predict_slices_proba(padded), slices, atol=1e-6)
    expected = slices[:, :, :18, :17].swapaxes(0, 1)
    found = trained.predict_proba(scan)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    clear = np.diff(np.sort(expected, axis=0)[-2:], axis=0)[0] > 1e-3
    np.testing.assert_array_equal(trained.predict(scan)[clear], expected.argmax(0)[clear])


def test_labels_come_back_on_the_scans_own_voxels(trained, make_sample):
    """Against scipy: each scan voxel takes the label of the model voxel that it lies in."""
    array, voxel_size = np.random.default_rng(0).random((9, 12, 13)), 2.5
    scan = Volume.from_array(array.astype(np.float32), voxel_size)
    with pytest.warns(UserWarning, match=r"voxel size of 2.5 µm \(training: 5 µm\)"):
        labels = trained.predict(scan)
    assert labels.shape == (4, 6, 6)  # 22.5 and 32.5 µm are no multiples of 5 µm
    with pytest.warns(UserWarning, match="voxel size"):
        on_scan = trained.predict(scan, grid="scan")
    assert on_scan.grid == scan.grid
    assert on_scan.table == trained.label_table_
    at = [(np.arange(n) + 0.5) * voxel_size / 5 - 0.5 for n in scan.shape]
    expected = ndimage.map_coordinates(
        labels.read(), np.meshgrid(*at, indexing="ij"), order=0, mode="nearest"
    )
    np.testing.assert_array_equal(on_scan.read(), expected)
    with pytest.raises(ParameterError, match="'model' or 'scan'"):
        trained.predict(scan, grid="both")


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8", ">f4", ">u2"])
def test_scans_of_any_type_and_order_give_the_same(trained, boxes, dtype):
    scan = (boxes(5)[0] / 10).round()
    expected = trained.predict(scan.astype(np.float64))
    given = np.asfortranarray(scan.astype(dtype))
    given.flags.writeable = False
    np.testing.assert_array_equal(trained.predict(given), expected)


def test_memory_maps_that_are_read_only_are_fine(small, boxes, tmp_path):
    for name, array in zip(("scan", "labels"), boxes(0), strict=True):
        np.save(tmp_path / name, array)
    X, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("scan", "labels"))
    from_disk = small().fit(X, y)
    assert weights(from_disk) == weights(small().fit(*boxes(0)))


def test_what_is_not_finite_reads_as_the_fill(trained, boxes):
    scan = boxes(5)[0]
    scan[:4, :4] = np.nan
    assert trained.predict(scan).shape == scan.shape


@pytest.mark.parametrize("arrays", ["list", "stack", "one", "volumes", "samples", "objects"])
def test_every_form_of_input_gives_the_same_weights(small, boxes, make_sample, arrays):
    scans, labels = zip(*[boxes(i) for i in (0, 1)], strict=True)
    expected = weights(small().fit(list(scans), list(labels)))
    y = list(labels)
    if arrays == "stack":
        X, y = np.stack(scans), np.stack(labels)
    elif arrays == "volumes":
        X = [Volume.from_array(s, 5.0) for s in scans]
    elif arrays == "samples":
        X, y = [make_sample(0), make_sample(1)], None
    elif arrays == "objects":
        X = np.empty(2, object)
        X[:] = scans
    elif arrays == "one":
        expected = weights(small().fit([scans[0]], [labels[0]]))
        X, y = scans[0], labels[0]
    else:
        X = tuple(scans)
    assert weights(small().fit(X, y)) == expected


def test_answers_come_in_the_form_of_the_question(trained, boxes, make_sample):
    scan, _ = boxes(5)
    one = trained.predict(scan)
    assert one.dtype == np.uint8
    assert isinstance(trained.predict([scan]), list)
    assert trained.predict(np.stack([scan, scan])).shape == (2, *scan.shape)
    assert trained.predict_proba([scan])[0].shape == (3, *scan.shape)
    sample = make_sample(5)
    volume = trained.predict(sample)
    assert volume.grid == sample.scan.grid
    assert volume.table == trained.label_table_
    np.testing.assert_array_equal(volume.read(), one)
    np.testing.assert_array_equal(trained.predict([sample.scan])[0].read(), one)


def test_predict_needs_a_fit(small, boxes):
    for work in (
        lambda s: s.predict(boxes(0)[0]),
        lambda s: s.predict_proba(boxes(0)[0]),
        lambda s: s.score(*boxes(0)),
        lambda s: s.predict_slices_proba(np.zeros((1, 4, 4), np.float32)),
        lambda s: s.stride,
        lambda s: s.save("x"),
    ):
        with pytest.raises(NotFittedError):
            work(small())


def test_fit_changes_neither_parameters_nor_volumes(small, boxes):
    X, y = [boxes(0)[0]], [boxes(0)[1]]
    before = joblib.hash([X, y])
    segmenter = small(augment=Augmentation(rotation=10.0), labels=LabelTable.from_values([0, 1, 2]))
    parameters = segmenter.get_params()
    assert segmenter.fit(X, y) is segmenter
    assert joblib.hash([X, y]) == before
    assert all(segmenter.get_params()[k] is v for k, v in parameters.items())
    copied = clone(segmenter)
    assert not hasattr(copied, "network_")
    assert copied.get_params() == parameters
    state = joblib.hash({k: v for k, v in vars(segmenter).items() if k != "network_"})
    trained_weights = weights(segmenter)
    segmenter.predict(X)
    assert joblib.hash({k: v for k, v in vars(segmenter).items() if k != "network_"}) == state
    assert weights(segmenter) == trained_weights


class Dropping(nn.Module):
    """A network that needs random numbers in training."""

    stride, reach = 1, 0

    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Dropout(), nn.Conv2d(8, n_classes, 1))

    def forward(self, x):
        return self.layers(x)


def dropping(*, n_classes, width, depth):
    return Dropping(n_classes)


@pytest.mark.parametrize("backbone", ["unet", dropping])
def test_weights_depend_on_random_state_alone(small, boxes, backbone):
    def fitted(seed, global_seed):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002  the global state is what must not matter
        before = torch.get_rng_state(), joblib.hash(np.random.get_state())  # noqa: NPY002
        segmenter = small(backbone=backbone, random_state=seed).fit(*boxes(0))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert joblib.hash(np.random.get_state()) == before[1]  # noqa: NPY002
        return weights(segmenter)

    expected = fitted(1, 1)
    assert fitted(1, 2) == expected
    assert fitted(np.int64(1), 3) == expected
    assert fitted(2, 1) != expected
    generator = np.random.RandomState(1)
    assert fitted(generator, 1) == expected
    assert fitted(generator, 1) != expected  # it has moved on


def test_pickling_and_pipelines(trained, boxes):
    scan, labels = boxes(5)
    again = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(again.predict(scan), trained.predict(scan))
    pipeline = make_pipeline(clone(trained).set_params(max_iter=2)).fit(scan, labels)
    alone = clone(trained).set_params(max_iter=2).fit(scan, labels)
    assert pipeline.score(scan, labels) == alone.score(scan, labels)


def test_any_backbone_that_builds_a_network(small, boxes):
    scan, labels = boxes(0)
    segmenter = small(backbone=dropping).fit(scan, labels)
    assert (segmenter.stride, segmenter.reach) == (1, 0)
    assert segmenter.predict(scan).shape == scan.shape
    assert small(depth=2).fit(scan, labels).stride == 4


# labels


def test_unlabelled_voxels_are_ignored_by_fit_and_score(trained, small, boxes):
    scan, labels = boxes(5)
    sparse_labels = labels.copy()
    sparse_labels[1::2] = UNLABELLED
    segmenter = small().fit(scan, sparse_labels)
    np.testing.assert_array_equal(segmenter.classes_, [0, 1, 2])
    predicted = trained.predict(scan)
    by_hand = jaccard_score(
        labels[::2].ravel(), predicted[::2].ravel(), labels=[1, 2], average="macro"
    )
    assert trained.score(scan, sparse_labels) == pytest.approx(by_hand)


def test_values_of_labels_are_kept_whatever_they_are(small, boxes):
    scan, labels = boxes(0)
    values = np.array([3, 70, 254])
    segmenter = small(max_iter=60, learning_rate=0.02).fit(scan, values[labels])
    np.testing.assert_array_equal(segmenter.classes_, values)
    assert set(np.unique(segmenter.predict(scan))) <= set(values)
    assert segmenter.score(scan, values[labels]) > 0.3
    with pytest.raises(LabelError, match=r"value 1, 2 is not in the label table.*labels="):
        segmenter.score(scan, labels.clip(1))


def test_a_class_nobody_labelled_is_warned_about(small, make_sample):
    with pytest.warns(UserWarning, match="has a voxel of residual material") as caught:
        segmenter = small().fit([make_sample(0, table=DEFAULT_LABELS)])
    assert caught[0].filename == __file__
    assert len(segmenter.classes_) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: y * 0, "nothing but 0"),
        (lambda y: y * 0 + 7, "nothing but 7"),
        (lambda y: y * 0 + UNLABELLED, "no value"),
        (lambda y: y.astype(int) - 1, "hold -1"),
        (lambda y: y.astype(int) * 200, "hold 0 … 400"),
    ],
)
def test_labels_without_classes_are_refused(small, boxes, change, words):
    scan, labels = boxes(0)
    with pytest.raises(LabelError, match=words):
        small().fit(scan, change(labels))


def test_nothing_but_background_is_refused(small, make_sample):
    background = np.zeros((16, 18, 17), np.uint8)
    with pytest.raises(LabelError, match="nothing but background"):
        small().fit([make_sample(0, WF=background)])
    unlabelled = np.full_like(background, UNLABELLED)
    with pytest.raises(TrainingError, match="S1 has no labelled voxel"):
        small().fit([make_sample(0), make_sample(1, WF=unlabelled)])
    with pytest.raises(TrainingError, match="S1 has no labelled voxel"):
        small(validation=make_sample(1, WF=unlabelled)).fit([make_sample(0)])


def test_another_label_table_is_refused_by_name(trained, small, make_sample):
    other = LabelTable.from_values([0, 1, 2])
    samples = [make_sample(0), make_sample(1, table=other)]
    with pytest.raises(LabelError, match="label set WF of sample S1 has another label table"):
        small().fit(samples)
    with pytest.raises(LabelError, match="label set WF of sample S0 has another label table"):
        small(labels=other).fit(samples[:1])
    with pytest.raises(LabelError, match="sample S3"):
        trained.score(make_sample(3))


def test_the_target_label_set_is_what_fit_and_score_use(small, make_sample):
    flipped = 2 - make_sample(0).labels("HQ").read()
    sample = make_sample(0, WF=flipped)
    on_wf = small().fit([sample])
    sample.target = "HQ"
    on_hq = small().fit([sample])
    assert weights(on_wf) != weights(on_hq)
    assert weights(on_hq) == weights(small().fit([make_sample(0)]))
    sample.target = "best"
    with pytest.raises(UnknownNameError, match="S0 has no label set 'best'; it has: HQ, WF"):
        small().fit([sample])


# held-out samples


def test_a_subject_is_never_divided(small, make_sample):
    samples = [make_sample(i, subject=f"rat {i // 2}") for i in range(8)]
    for seed in range(3):
        segmenter = small(validation="auto", random_state=seed).fit(samples)
        held_out = segmenter.validation_samples_
        # a fifth of four subjects is one, with its two samples
        assert held_out in [[f"S{2 * i}", f"S{2 * i + 1}"] for i in range(4)]
        assert sorted(held_out + segmenter.training_samples_) == [f"S{i}" for i in range(8)]
        assert "validation_loss" in segmenter.history_.records[0]


@pytest.mark.parametrize(
    ("validation", "subjects", "expected"),
    [
        ("auto", 3, 0), ("auto", 4, 1), ("auto", 8, 2), (0.5, 4, 2), (0.01, 4, 1), (0.0, 4, 0),
        (3, 4, 3), (0, 4, 0), (np.int64(1), 2, 1), (None, 8, 0),
    ],
)  # fmt: skip
def test_how_many_subjects_are_held_out(small, make_sample, validation, subjects, expected):
    samples = [make_sample(i) for i in range(subjects)]
    segmenter = small(validation=validation, max_iter=1).fit(samples)
    assert len(segmenter.validation_samples_) == expected


def test_validation_may_be_given(small, make_sample):
    given = [make_sample(5), make_sample(6)]
    segmenter = small(validation=given).fit([make_sample(0)])
    assert segmenter.training_samples_ == ["S0"]
    assert segmenter.validation_samples_ == ["S5", "S6"]
    assert small(validation=given[0]).fit([make_sample(0)]).validation_samples_ == ["S5"]
    with pytest.raises(ParameterError, match="subject S5 is in the training and the validation"):
        small(validation=given).fit([make_sample(0), make_sample(5)])


@pytest.mark.parametrize(
    "validation", ["some", -1, 2, 1.0, 1.5, True, [], ["S1"], np.nan, object()]
)
def test_validation_that_cannot_be_is_refused(small, make_sample, validation):
    with pytest.raises(ParameterError, match="validation"):
        small(validation=validation).fit([make_sample(0), make_sample(1)])


# grids


def test_a_fine_scan_is_resampled_to_the_labels_grid(small):
    """Scans at 2.5 µm with labels that were drawn at 5 µm, on their own grid."""
    rng = np.random.default_rng(0)
    labels = np.zeros((16, 18, 16), np.uint8)
    labels[3:13, 3:13, 3:13] = 1
    fine = np.repeat(np.repeat(np.repeat(labels, 2, 0), 2, 1), 2, 2)
    scan = Volume.from_array((fine * 500.0 + rng.normal(0, 50, fine.shape)).astype("f4"), 2.5)
    grid = scan.grid.resampled(5.0)
    assert grid.shape == labels.shape
    sample = ArraySample(
        "A", scan, {"WF": Volume(labels, grid, table=LabelTable.from_values([0, 1]))}
    )
    segmenter = small(max_iter=60, learning_rate=0.02).fit([sample])
    assert segmenter.voxel_size_ == 5.0
    predicted = segmenter.predict(sample)
    assert predicted.grid == grid
    assert segmenter.score(sample) > 0.8
    # the same as the resampled scan, which is the mean of eight voxels, given at 5 µm
    coarse = scan.read().reshape(16, 2, 18, 2, 16, 2).mean((1, 3, 5), dtype=np.float64)
    other = Volume.from_array(coarse.astype("f4"), 5.0)
    assert (segmenter.predict(other).read() == predicted.read()).mean() > 0.999
    # a plain array is taken to be on the model's grid
    assert (segmenter.predict(coarse) == predicted.read()).mean() > 0.999
    own = small(voxel_size=None).fit([scan], [fine])
    assert own.voxel_size_ == 2.5
    assert own.predict(scan).grid == scan.grid
    with pytest.raises(ParameterError, match=r"volume0 has .*2\.5.* and volume1 .*5\.0"):
        small(voxel_size=None).fit([scan, other], [fine, labels])


def test_what_is_normalised_is_not_normalised_again(trained, boxes):
    scan, _ = boxes(0)
    low, high = np.percentile(scan, [0.5, 99.9])
    image = ((scan.astype(float) - low) / (high - low)).clip(0, 1).astype(np.float32)
    expected = trained.predict_proba(scan)

    def apart(values, *, normalised):
        volume = Volume.from_array(values, 5.0, normalised=normalised)
        return abs(trained.predict_proba(volume) - expected).max()

    assert apart(image, normalised=True) < 0.01
    assert apart(image / 2, normalised=False) < 0.01
    with pytest.warns(UserWarning, match="histogram"):
        assert apart(image / 2, normalised=True) > 0.1


def test_a_kept_working_copy_is_used_and_the_scan_left_alone(small, trained, make_sample):
    class Prepared(ArraySample):
        """Its scan is away, its working copy is here."""

        @property
        def scan(self):
            raise AssertionError("the scan was opened")

        @scan.setter
        def scan(self, value):
            self.kept = value

        @property
        def scan_grid(self):
            return self.kept.grid

        def prepared(self, voxel_size, clip):
            assert (voxel_size, clip) == (5.0, (0.5, 99.9))
            values = self.kept.read()
            low, high = np.percentile(values, clip)
            image = ((values.astype(float) - low) / (high - low)).clip(0, 1).astype(np.float32)
            return Volume(image, self.kept.grid, normalised=True)

    plain = make_sample(0)
    sample = Prepared(plain.name, plain.scan, plain.label_sets)
    segmenter = small().fit([sample])
    expected = small().fit([plain])
    for a, b in zip(segmenter.network_.parameters(), expected.network_.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-4)
    assert segmenter.predict(sample).grid == plain.scan.grid


def test_labels_elsewhere_in_space_are_named(small, make_sample):
    sample = make_sample(0)
    labels = sample.labels()
    moved = type(labels.grid)(labels.shape, labels.grid.voxel_size, (1e4, 0, 0))
    sample.label_sets["WF"] = Volume(labels.read(), moved, table=labels.table)
    with pytest.raises(GridError, match="label set WF of sample S0"):
        small().fit([sample])


# what cannot be


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"width": 0}, ParameterError, "width"),
        ({"depth": 1.5}, ParameterError, "depth"),
        ({"depth": 3, "input_size": 20}, ParameterError, "stride, 8 .*use 16 or 24"),
        (
            {"backbone": "smp:unet/resnet18", "input_size": 16},
            ParameterError,
            "stride, 32 .*use 32",
        ),
        ({"backbone": "vnet"}, UnknownNameError, "unet"),
        ({"source_size": 0}, ParameterError, "source_size"),
        ({"voxel_size": -5.0}, ParameterError, "voxel_size"),
        ({"clip": (99, 1)}, ParameterError, "clip"),
        ({"training_planes": 9}, ParameterError, "1 or 3"),
        ({"recipe": "slow"}, UnknownNameError, "paper, fast"),
        ({"max_iter": 0}, ParameterError, "max_iter"),
        ({"batch_size": True}, ParameterError, "batch_size"),
        ({"learning_rate": np.nan}, ParameterError, "learning_rate"),
        ({"augment": "strong"}, ParameterError, "augment"),
        ({"precision": "fp16"}, ParameterError, "'bf16'"),
        ({"device": "tpu"}, ParameterError, "'auto' or 'cpu'"),
        ({"labels": [0, 1]}, ParameterError, "LabelTable"),
    ],
)
def test_parameters_that_cannot_work_are_refused(small, boxes, parameters, error, words):
    scan, labels = boxes(0)
    with pytest.raises(error, match=words):
        small(**parameters).fit(scan, labels)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([], [], "X is empty"),
        (np.zeros((4, 4)), None, r"shape \(4, 4\)"),
        (np.zeros((1, 1, 4, 4, 4)), None, "shape"),
        ([np.zeros((4, 4))], [np.zeros((4, 4), int)], r"X\[0\] has shape \(4, 4\)"),
        (np.ones((4, 4, 4), complex), np.ones((4, 4, 4), int), "complex128"),
        ("scan.tif", None, "X is a str"),
        ({"a": 1}, None, "X is a dict"),
        (7, None, "X is a int"),
        (sparse.csr_array(np.eye(3)), None, "X is a csr_array"),
        ([np.zeros((4, 4, 4))], None, r"X\[0\] is a scan without labels; give y"),
        ([np.zeros((4, 4, 4))] * 2, [np.zeros((4, 4, 4), int)], "2 volumes and y 1"),
        ([np.zeros((4, 4, 4))], [np.zeros((4, 4, 5), int)], r"y\[0\] has shape"),
        ([np.zeros((4, 4, 4))], [np.zeros((4, 4, 4))], "labels are integers"),
        ([np.zeros((4, 4, 4))], [np.eye(4, dtype=int)[:, None] + np.eye(4, dtype=int)], "constant"),
    ],
)  # fmt: skip
def test_input_that_cannot_be_is_refused(small, X, y, words):
    with pytest.raises(ParameterError, match=words):
        small().fit(X, y)


def test_progress_is_told(small, make_sample):
    told = []

    class Listener:
        @contextmanager
        def open(self, description, total):
            told.append((description, total))
            yield self

        def advance(self, amount=1, status=""):
            pass

    with reporting(Listener()):
        segmenter = small().fit([make_sample(0), make_sample(1)])
        segmenter.predict(make_sample(0))
    # a network's own work, among that of other rooms
    assert [t for t in told if t[0] in ("preparing", "training", "predicting")] == [
        ("preparing", 2), ("training", 3), ("predicting", 16 * 18 * 18),
    ]  # fmt: skip


def test_the_papers_network_is_the_default_one():
    parameters = VolumeSegmenter().get_params()
    assert (parameters["backbone"], parameters["width"], parameters["depth"]) == ("unet", 32, 3)
    assert (parameters["input_size"], parameters["voxel_size"]) == (384, 5.0)
    assert parameters["clip"] == (0.5, 99.9)
    network = create_backbone("unet", n_classes=4)
    assert network.stride == 8
