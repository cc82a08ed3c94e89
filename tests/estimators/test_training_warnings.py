"""What is said of training scans before anything is learned."""

import warnings

import numpy as np
import pytest

from srseg import ArraySample, Grid, LabelTable, Volume
from srseg.cli._root import _warnings_as_lines
from srseg.estimators import BaseSegmenter


class Nothing(BaseSegmenter):
    """Learns nothing."""

    def __init__(self, voxel_size=5.0):
        self.voxel_size = voxel_size

    def learn(self, volumes, rng):
        self.shape_ = list(volumes[0].image.shape)


@pytest.mark.parametrize("make", ["plugin", "network"])
def test_a_scan_that_is_made_much_finer_is_told(small, make_sample, make):
    segmenter = Nothing() if make == "plugin" else small()
    samples = [make_sample(0, voxel_size=5.0), make_sample(1, voxel_size=20.0)]
    words = r"^S1: voxels of 20 µm are resampled to 5 µm, up to 64 times as many.*voxel-size scan"
    with pytest.warns(UserWarning, match=words) as told:
        segmenter.fit(samples)
    assert [warning.filename for warning in told] == [__file__]


def test_scans_as_they_are_or_twice_as_coarse_are_not_told(make_sample):
    samples = [make_sample(1, voxel_size=20.0)]
    assert Nothing(None).fit(samples).shape_ == [16, 18, 17]
    assert Nothing(20.0).fit(samples).shape_ == [16, 18, 17]
    assert Nothing(10.0).fit(samples).shape_ == [32, 36, 34]
    labels = np.stack([np.eye(4, dtype=np.uint8)] * 4)
    thick = Grid(labels.shape, (12.0, 2.5, 2.5))  # in all fewer voxels, not more
    volumes = [
        Volume(labels * 9.0, thick),
        Volume(labels, thick, table=LabelTable.from_values([0, 1])),
    ]
    assert Nothing().fit([ArraySample("thick", volumes[0], {"WF": volumes[1]})]).shape_ == [
        10,
        2,
        2,
    ]
    Nothing().fit([labels * 9.0], [labels])


def test_a_command_says_each_warning_once(capsys):
    with _warnings_as_lines():
        for _ in range(3):
            with warnings.catch_warnings():  # makes Python forget what it has shown
                warnings.simplefilter("ignore", FutureWarning)
            warnings.warn("no training sample has a voxel of cracks", stacklevel=1)
        warnings.warn("another", stacklevel=1)
    told = capsys.readouterr().err.splitlines()
    assert told == ["srseg: warning: no training sample has a voxel of cracks",
                    "srseg: warning: another"]  # fmt: skip
