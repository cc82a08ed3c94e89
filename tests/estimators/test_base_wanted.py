"""A segmenter that is told which part of a block is labelled."""

import numpy as np

from srseg.estimators import BaseSegmenter

SHAPE = (29, 47, 38)


class Frugal(BaseSegmenter):
    """Works only for what is wanted, and notes how much that is."""

    reach = 3
    block_voxels = 10_000

    def learn(self, volumes, rng):
        self.voxels_ = [0, 0]

    def predict_block_proba(self, block, wanted=None):
        found = np.full((2, *block.shape), 0.5, np.float32)
        part = (slice(None), *(wanted or [slice(None)] * 3))
        found[part] = np.stack([1 - block, block])[part]
        self.voxels_[0] += found[part].size // 2
        self.voxels_[1] += block.size
        return found


def test_what_is_about_a_block_need_not_be_labelled():
    scan = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    labels = (scan > 0.5).astype(np.uint8)
    fitted = Frugal().fit([scan], [labels])
    low, high = np.percentile(scan, (0.5, 99.9))
    normal = np.clip((scan - low) / (high - low), 0, 1)
    expected = np.stack([1 - normal, normal])
    np.testing.assert_allclose(fitted.predict_proba(scan), expected, atol=2e-4)
    assert fitted.voxels_[0] < 0.8 * fitted.voxels_[1]
