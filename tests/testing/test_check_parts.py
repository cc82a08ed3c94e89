"""check_segmenter on segmenters that break a rule of blocks, slices, files or searches."""

import numpy as np
import pytest
from scipy import ndimage

from srseg.errors import PluginError
from srseg.estimators import BaseSegmenter, register_segmenter
from srseg.testing import check_segmenter


class Blur(BaseSegmenter):
    """The nearest class by mean blurred grey value; the others break it in one way each."""

    reach = 4

    def __init__(self, level=0.0):
        self.level = level

    def learn(self, volumes, rng):
        grey = np.concatenate([np.asarray(v.image[:, :, :]).ravel() for v in volumes])
        classes = np.concatenate([np.asarray(v.classes[:, :, :]).ravel() for v in volumes])
        self.means_ = np.array([grey[classes == k].mean() for k in range(len(self.label_table_))])

    def predict_block_proba(self, block):
        smooth = ndimage.gaussian_filter(block, 1, mode="nearest", truncate=4)
        near = np.exp(-20 * abs(smooth - self.means_.reshape(-1, 1, 1, 1)))
        return near / near.sum(0)


class ReachTooSmall(Blur):
    reach = 0


class KnowsWhere(Blur):
    def predict_block_proba(self, block):
        shares = super().predict_block_proba(block)
        first = np.arange(block.shape[1]) < 20
        shares[:, :, first] = shares[::-1, :, first]
        return shares


class ClassesLast(Blur):
    def predict_block_proba(self, block):
        found = super().predict_block_proba(block)
        # right for the shape of the volume that is labelled, and for no other
        return (
            found if block.shape == (12, 17, 15) or 9 in block.shape else np.moveaxis(found, 0, 3)
        )


class InPlace(Blur):
    def predict_block_proba(self, block):
        found = super().predict_block_proba(block)
        if block.flags.writeable and block.shape[0] > 17:
            block[0] = 0
        return found


class Forgets(Blur):
    def learn(self, volumes, rng):
        super().learn(volumes, rng)
        self._factor = -1.0

    def predict_block_proba(self, block):
        found = super().predict_block_proba(block)
        return found if hasattr(self, "_factor") else found[::-1]


class KeepsMore(Blur):
    def learn(self, volumes, rng):
        super().learn(volumes, rng)
        self.function_ = len


class Impostor(Blur):
    @classmethod
    def unpacked(cls, document, tensors, where):
        return Blur.unpacked(document, tensors, where)


class BySlice(Blur):
    predict_block_proba = None
    reach = 4

    def predict_slices_proba(self, slices):
        smooth = ndimage.gaussian_filter(slices, (0, 1, 1), mode="nearest", truncate=4)
        near = np.exp(-20 * abs(smooth[:, None] - self.means_.reshape(1, -1, 1, 1)))
        return near / near.sum(1, keepdims=True)


class SliceReachTooSmall(BySlice):
    reach = 0


class NoSearch(Blur):
    def score(self, X, y=None):
        if isinstance(X, list) and len(X) == 1:
            raise RuntimeError("one is not enough")
        return super().score(X, y)


for kind in (Blur, Forgets, KeepsMore, Impostor, BySlice):
    register_segmenter(f"parts-{kind.__name__}", kind)


@pytest.mark.parametrize("sound", [Blur(), BySlice()])
def test_sound_ones_pass(sound):
    check_segmenter(sound)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (ReachTooSmall(), r"predict_block_proba gave other .* than reach=0 voxels inside"),
        (SliceReachTooSmall(), r"predict_slices_proba gave other .* along axis 1; raise reach"),
        (KnowsWhere(), r"along axis 1; raise reach, or set it to None"),
        (ClassesLast(), r"with the classes first; \(4, \d+, 12, 12\) is needed"),
        (InPlace(), "changed the voxels that it was given"),
        (Forgets(), "predicts other labels after it was saved and loaded"),
        (KeepsMore(), "save failed .*function_.* is no plain data"),
        (Impostor(), "loaded as a Blur; give each class an entry point of its own"),
        (NoSearch(), "GridSearchCV over NoSearch failed .*one is not enough"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_broken_one_is_told_what_it_breaks(broken, words):
    with pytest.raises(PluginError, match=rf"(?s){words}"):
        check_segmenter(broken)
