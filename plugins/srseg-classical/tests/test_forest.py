"""The forest: its features, its sampling, its trees, and files that lie about them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import hessian_matrix
from sklearn.ensemble import RandomForestClassifier
from srseg_classical import RandomForestSegmenter
from srseg_classical._eigenvalues import eigenvalues
from srseg_classical._features import KINDS, Filters
from srseg_classical._sampling import sample_voxels
from srseg_classical._trees import Follower, Trees

from srseg import load_model
from srseg.errors import ModelFileError
from srseg.training import LabelledVolume

from .conftest import blobs, imaged

QUICK = {"n_estimators": 5, "sigmas": (1.0,), "samples": 800, "random_state": 0}


@pytest.mark.parametrize("n", [2, 3])
def test_eigenvalues_are_those_of_lapack(n):
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(500, n, n)).astype(np.float32)
    matrices = matrices + matrices.transpose(0, 2, 1)
    matrices[0] = 0
    matrices[1] = np.eye(n)
    matrices[2] = 1  # of rank one
    entries = [matrices[:, i, j].copy() for i in range(n) for j in range(i, n)]
    expected = np.linalg.eigvalsh(matrices.astype(float))[:, ::-1]
    np.testing.assert_allclose(np.stack(eigenvalues(entries), 1), expected, atol=2e-3)


def test_features_are_the_filters_they_are_named_for():
    block = ndimage.gaussian_filter(np.random.default_rng(0).random((24, 25, 26)), 1)
    block = block.astype(np.float32)
    inner = (slice(6, -6),) * 3

    def of(kind):
        return Filters([2.0], [kind], 3)(block)[1:][:, *inner]

    smooth = ndimage.gaussian_filter(block, 2, truncate=3, mode="nearest")
    np.testing.assert_allclose(of("gaussian")[0], smooth[inner], atol=1e-6)
    slopes = np.gradient(smooth)
    expected = np.sqrt(sum(s**2 for s in slopes))[inner]
    np.testing.assert_allclose(of("gradient")[0], expected, atol=1e-6)
    narrow = ndimage.gaussian_filter(block, 1.32, truncate=3, mode="nearest")
    np.testing.assert_allclose(of("difference")[0], (smooth - narrow)[inner], atol=1e-6)
    theirs = hessian_matrix(block, 2, mode="nearest", order="rc", use_gaussian_derivatives=False)
    zz, zy, zx, yy, yx, xx = theirs
    matrix = np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]).transpose(2, 3, 4, 0, 1)
    values = np.linalg.eigvalsh(matrix)[..., ::-1].transpose(3, 0, 1, 2)
    np.testing.assert_allclose(of("hessian"), values[:, *inner], atol=2e-4)
    np.testing.assert_allclose(of("laplacian")[0], values.sum(0)[inner], atol=2e-4)
    outer = [[ndimage.gaussian_filter(a * b, 1, truncate=3) for a in slopes] for b in slopes]
    values = np.linalg.eigvalsh(np.array(outer).transpose(2, 3, 4, 0, 1))[..., ::-1]
    np.testing.assert_allclose(of("structure"), values.transpose(3, 0, 1, 2)[:, *inner], atol=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", [*KINDS, "all"])
def test_filters_reach_as_far_as_they_say(kind, dimensions):
    filters = Filters([1.0, 2.5], KINDS if kind == "all" else [kind], dimensions)
    rng = np.random.default_rng(0)
    n = 2 * filters.reach + 3
    block = rng.random((1 if dimensions == 2 else n, n, n)).astype(np.float32)
    other = block.copy()
    other[..., 0] += 1
    found, changed = filters(block), filters(other)
    assert len(found) == filters.n_features
    far = filters.reach + 1
    np.testing.assert_array_equal(found[..., far:], changed[..., far:])
    assert (found[..., : far - 1] != changed[..., : far - 1]).any()


def test_a_slice_knows_nothing_of_others_in_two_dimensions():
    block = np.random.default_rng(0).random((3, 20, 20)).astype(np.float32)
    filters = Filters([1.0], KINDS, 2)
    np.testing.assert_array_equal(filters(block)[:, 1], filters(block[1:2])[:, 0])


@pytest.mark.parametrize("boxes", [2, 1000])
def test_as_many_voxels_of_each_class(boxes):
    labels = blobs(0, shape=(70, 40, 66))
    labels[:, :8] = 255
    scan = imaged(labels, 0)
    volume = LabelledVolume(scan, labels)
    features, classes, counts, _ = sample_voxels(
        [volume], 3, boxes, 300, lambda b: b[None], 4, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(counts, np.bincount(labels[labels < 255], minlength=3))
    assert (abs(np.bincount(classes) - 300) < 70).all()
    assert features.shape == (len(classes), 1)
    # what is known of a voxel is of the voxel that its class is of
    known = {(float(v), int(k)) for v, k in zip(scan.ravel(), labels.ravel(), strict=True)}
    assert all((float(f), int(k)) in known for f, k in zip(features[:, 0], classes, strict=True))


def test_volumes_count_by_weight():
    dark, bright = (
        LabelledVolume(np.full((64, 64, 64), v, np.float32), blobs(v, shape=(64,) * 3), "", None, w)
        for v, w in ((0, 1.0), (1, 1e6))
    )
    features, _, _, _ = sample_voxels(
        [dark, bright], 3, 6, 100, lambda b: b[None], 0, np.random.default_rng(0)
    )
    assert features.mean() > 0.99


def test_weights_count_where_all_boxes_are_taken(scans, labels):
    other = [labels[0], np.where(labels[0] == 1, 2, labels[0])]  # of one scan, two opinions
    for weights, expected in (((100.0, 1.0), 1), ((1.0, 100.0), 2)):
        model = RandomForestSegmenter(**QUICK, balance=0.0)
        model.fit([scans[0]] * 2, other, sample_weight=weights)
        found = model.predict(scans[0])[labels[0] == 1]
        assert (found == expected).mean() > 0.7


def test_trees_give_what_those_of_scikit_learn_give():
    rng = np.random.default_rng(0)
    features = rng.random((500, 4), np.float32)
    classes = (features[:, 0] + features[:, 1] > 1) + 2 * (features[:, 2] > 0.7)
    forest = RandomForestClassifier(7, random_state=0).fit(features, classes)
    trees = Trees.of(forest, 4)
    trees.check(4, 4)
    others = rng.random((60_000, 4), np.float32)
    expected = forest.predict_proba(others)
    for threads in (1, 2):
        found = Follower(trees, 4)(np.ascontiguousarray(others.T), threads)
        np.testing.assert_allclose(found[forest.classes_].T, expected, atol=1e-6)


def test_the_texture_tells_what_grey_values_do_not():
    def pair(seed):
        labels = blobs(seed, classes=2)
        noise = np.random.default_rng(seed).normal(0, 1, labels.shape)
        return np.where(labels == 1, noise, ndimage.gaussian_filter(noise, 1) * 5), labels

    model = RandomForestSegmenter(n_estimators=10, sigmas=(1, 2), samples=2000, random_state=0)
    scan, labels = pair(1)
    assert model.fit(*[[a] for a in pair(0)]).score([scan], [labels]) > 0.7
    assert model.importances_.sum() == pytest.approx(1, abs=1e-5)


def test_balance_finds_more_of_what_is_rare():
    labels = blobs(0)
    labels[labels == 1] = 0
    labels[ndimage.binary_erosion(labels, iterations=1)] = 1
    labels[labels == 2] = 0
    scans, labels = [imaged(labels, s, noise=0.6) for s in (0, 1)], [labels] * 2
    assert 0 < labels[0].mean() < 0.2
    shares = []
    for balance in (0.0, 1.0):
        model = RandomForestSegmenter(**QUICK, balance=balance).fit(scans[:1], labels[:1])
        shares.append(model.predict(scans[1]).mean())
    assert shares[1] > 1.3 * shares[0]


def test_the_number_of_cores_changes_nothing(scans, labels):
    one, two = (
        RandomForestSegmenter(**{**QUICK, "sigmas": (1, 2)}, n_jobs=n).fit(scans[:1], labels[:1])
        for n in (1, 2)
    )
    assert one.digest() == two.digest()
    np.testing.assert_array_equal(one.predict_proba(scans[1]), two.predict_proba(scans[1]))


def test_only_what_is_wanted_goes_through_the_trees(scans, labels):
    model = RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1])
    block = scans[1].clip(0, 1)
    part = (slice(3, 20), slice(5, 25), slice(0, 30))
    found = model.predict_block_proba(block, part)
    np.testing.assert_array_equal(found[:, *part], model.predict_block_proba(block)[:, *part])
    np.testing.assert_allclose(found[:, 0], 1 / 3)


LIES = {
    "left": {"back to itself": 0, "out of the tree": 10**6, "negative": -7},
    "right": {"out of the tree": 2**31 - 1},
    "feature": {"none of the features": 4000, "negative": -3},
    "threshold": {"no number": np.nan},
}


@pytest.mark.parametrize(
    ("array", "value"), [(a, v) for a, values in LIES.items() for v in values.values()]
)
def test_a_tree_that_leads_astray_is_refused(array, value, scans, labels, tmp_path):
    model = RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1])
    getattr(model.trees_, array)[0] = value
    model.save(tmp_path / "forest.srseg")
    with pytest.raises(ModelFileError, match=r"forest\.srseg.* of a tree|no number"):
        load_model(tmp_path / "forest.srseg")


@pytest.mark.parametrize("array", ["first", "shares", "threshold", "right"])
def test_arrays_that_do_not_fit_are_refused(array, scans, labels, tmp_path):
    model = RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1])
    model.trees_ = replace(model.trees_, **{array: getattr(model.trees_, array)[:-1].copy()})
    model.save(tmp_path / "forest.srseg")
    with pytest.raises(ModelFileError, match=r"forest\.srseg.*trees"):
        load_model(tmp_path / "forest.srseg")


def test_beginnings_of_trees_that_overflow_are_refused(scans, labels):
    trees = RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1]).trees_
    n = len(trees.left)
    # each tree has 2**62 nodes or more, and all together n
    first = np.array([0, 2**62, -(2**63), -(2**62), n])
    assert (np.diff(first) > 0).all()
    with pytest.raises(ValueError, match="do not begin and end"):
        replace(trees, first=first).check(Filters((1.0,), KINDS, 3).n_features, 3)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"features_": ["gaussian"]}, "feature|importances"),
        ({"sigmas_": [1e9]}, "each of sigmas"),
        ({"dimensions_": 4}, "dimensions is 3 or 2"),
        ({"features_": ["gabor"]}, "features"),
    ],
)
def test_filters_that_the_trees_do_not_know_are_refused(facts, message, scans, labels, tmp_path):
    model = RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1])
    for name, value in facts.items():
        setattr(model, name, value)
    model.save(tmp_path / "forest.srseg")
    with pytest.raises(ModelFileError, match=rf"forest\.srseg.*({message})"):
        load_model(tmp_path / "forest.srseg")


def test_a_tree_that_is_damaged_in_the_file_is_refused(scans, labels, tmp_path):
    path = tmp_path / "forest.srseg"
    RandomForestSegmenter(**QUICK).fit(scans[:1], labels[:1]).save(path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="checksum"):
        load_model(path)
