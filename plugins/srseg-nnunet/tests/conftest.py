import pytest
from srseg_nnunet import NNUNetSegmenter
from tiny import TINY, phantom


@pytest.fixture(scope="session")
def fitted():
    scan, labels = phantom(0)
    given = {**TINY, "max_iter": 80, "width": 8, "batch_size": 4}
    return NNUNetSegmenter(**given).fit([scan], [labels])
