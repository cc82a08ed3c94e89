"""A training that was stopped goes on as if it had not been."""

import numpy as np
import pytest
from srseg_nnunet import NNUNetSegmenter
from tiny import TINY, phantom

from srseg.errors import StorageError
from srseg.progress import Stopped, reporting
from srseg.training import iterations_done

GIVEN = {**TINY, "max_iter": 5}


class StopsAfter:
    """Someone who stops the training after some iterations."""

    def __init__(self, iterations):
        self.left = iterations
        self.training = False

    def open(self, description, total):
        self.training = description == "training nnU-Net"
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.training = False

    def advance(self, amount=1, status=""):
        self.left -= amount * self.training
        if self.training and self.left <= 0:
            raise Stopped


def test_it_goes_on_where_it_was_stopped(tmp_path):
    scan, labels = phantom(0)
    expected = NNUNetSegmenter(**GIVEN).fit([scan], [labels])
    kept = NNUNetSegmenter(**GIVEN, checkpoint=tmp_path / "part")
    with pytest.raises(Stopped), reporting(StopsAfter(3)):
        kept.fit([scan], [labels])
    assert not hasattr(kept, "network_")
    assert iterations_done(tmp_path / "part") == 3
    kept.fit([scan], [labels])
    np.testing.assert_array_equal(kept.losses_, expected.losses_)
    for name, value in expected.network_.state_dict().items():
        np.testing.assert_array_equal(kept.network_.state_dict()[name], value, err_msg=name)


def test_that_of_another_training_is_refused(tmp_path):
    scan, labels = phantom(0)
    first = NNUNetSegmenter(**GIVEN, checkpoint=tmp_path / "part", checkpoint_every=0)
    first.fit([scan], [labels])
    for changed in ({"width": 3}, {"random_state": 1}):
        other = NNUNetSegmenter(**{**GIVEN, **changed}, checkpoint=tmp_path / "part")
        with pytest.raises(StorageError, match="another training"):
            other.fit([scan], [labels])
    labels[0] = 1
    with pytest.raises(StorageError, match="another training: slices, volume0000axis0"):
        first.fit([scan], [labels])
