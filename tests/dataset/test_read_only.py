"""A dataset on a disk that cannot be written is checked all the same."""

import numpy as np

from srseg import Dataset, Volume
from srseg.dataset import repair
from srseg.io import write_volume


def test_a_stopped_prediction_whose_lock_cannot_be_opened_keeps_nothing_from_being_checked(
    tmp_path,
):
    dataset = Dataset.create(tmp_path / "d")
    scan = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    write_volume(tmp_path / "scan.mha", Volume.from_array(scan, 4.0))
    dataset.add_sample(tmp_path / "scan.mha", name="A")
    scratch = dataset.prediction_scratch("A", "wf", description="soft9")
    # to root, whom no permission stops, a folder of that name is as good
    (scratch / ".srseg-votes.lock").mkdir(parents=True)
    problems = dataset.check(deep=True)
    told = {p.kind: p for p in problems if p.path == scratch}
    assert set(told) == {"paused", "unverified"}
    assert "its lock cannot be opened" in told["paused"].message
    steps = [s for s in repair(dataset, discard_scratch=True) if s.path == scratch]
    assert [step.action for step in steps] == ["left"]
    assert scratch.exists()
