"""How long a network is tried before a prediction."""

from types import SimpleNamespace

import pytest
import torch

from srseg.inference import _trial, measure

EACH = 0.002  # seconds that a batch takes


class Steady:
    """A network, and the clock that it moves."""

    device = torch.device("cpu")

    def __init__(self):
        self.runs = 0

    def prepare(self, sizes):
        assert sizes == [(2, 8, 8)]

    def flops(self, n, height, width):
        return 1000

    def __call__(self, batch):
        self.runs += 1
        return batch


@pytest.mark.parametrize(
    ("batches", "seconds"),
    [(1, _trial._LEAST), (10_000, _trial._SHARE * 20), (100_000, _trial._LONG_ENOUGH)],
)
def test_a_trial_is_as_long_as_the_prediction_is_worth(monkeypatch, batches, seconds):
    predictor = Steady()
    clock = SimpleNamespace(perf_counter=lambda: EACH * predictor.runs)
    monkeypatch.setattr(_trial, "time", clock)
    speed = measure(predictor, {(2, 8, 8): batches})
    assert predictor.runs == pytest.approx(seconds / EACH, abs=2)
    assert speed.pixels_per_second == pytest.approx(128 / EACH)
    assert speed.flops_per_second == pytest.approx(1000 / EACH)


def test_of_a_batch_that_is_very_large_a_part_is_tried(monkeypatch):
    monkeypatch.setattr(_trial, "_LARGE", 1000)
    tried = []

    class Growing(Steady):
        def prepare(self, sizes):
            assert sizes == [(2, 96, 40)]

        def __call__(self, batch):
            tried.append(tuple(batch.shape))
            self.made = torch.ones(len(batch), 200, *batch.shape[1:])
            self.runs += 1

    speed = measure(Growing(), {(2, 96, 40): 1}, stride=8)
    assert set(tried) == {(2, 8, 40)}
    assert speed.pixels_per_second > 0
    tried.clear()
    # a batch of one row of blocks is not cut further
    measure(Growing(), {(2, 96, 40): 1}, stride=96)
    assert set(tried) == {(2, 96, 40)}
