"""What is said of training scans before anything is learned."""

import warnings

import numpy as np
import pytest

from srseg import ArraySample, Grid, LabelTable, Volume
from srseg.cli._root import _warnings_as_lines
from srseg.errors import NotEnoughMemoryError, StorageError
from srseg.estimators import BaseSegmenter, require_space


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


@pytest.mark.parametrize("make", ["plugin", "network"])
def test_voxels_that_fit_nowhere_are_refused_before_any_is_read(
    small, make_sample, make, monkeypatch, tmp_path
):
    """Of a scan of full size at 0.01 µm, 9 GiB were taken before."""
    segmenter = Nothing() if make == "plugin" else small()
    segmenter.voxel_size = 0.01
    samples = [make_sample(0, voxel_size=5.0)]

    def read(*_):
        raise AssertionError("a scan was read")

    monkeypatch.setattr("srseg.estimators._training_data.prepared_volume", read)
    words = r"sample S0 has 6\.1e\+11 voxels of 0\.01 µm, whose labels alone take 612 GB of memory"
    for refuse in (lambda: segmenter.fit(samples), lambda: require_space(segmenter, samples)):
        with (
            pytest.warns(UserWarning, match="times as many"),
            pytest.raises(NotEnoughMemoryError, match=words),
        ):
            refuse()
    # labels fit, grey values fit neither into memory nor on the disk
    monkeypatch.setattr("srseg.estimators._volume_store.usable_memory", lambda: 2 * 10**12)
    with (
        pytest.warns(UserWarning, match="times as many"),
        pytest.raises(StorageError, match="GB of scratch space are needed"),
    ):
        require_space(segmenter, samples)
