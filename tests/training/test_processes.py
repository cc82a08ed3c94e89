"""A batch that is divided: into parts one after the other, and over processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from srseg.errors import ParameterError
from srseg.planes import standard_planes
from srseg.training import (
    Augmentation,
    LabelledVolume,
    PatchSampler,
    Recipe,
    get_loss,
    train_network,
)

SCRIPT = Path(__file__).with_name("two_processes.py")


def run(folder, name, *, processes, accumulate):
    """Train in so many real processes; give what each of them has in the end."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), SCRIPT, name, str(accumulate)],
        cwd=folder, check=False, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [load_file(path) for path in sorted(folder.glob(f"{name}.*"))]


def test_two_processes_are_one_that_divides_its_batches(tmp_path):
    """Weights, statistics of batch norm, dropout, Dice, pixels without weight, history: all."""
    (alone,) = run(tmp_path, "one", processes=1, accumulate=2)
    together = run(tmp_path, "two", processes=2, accumulate=1)
    assert len(together) == 2
    for name, expected in alone.items():
        for found in together:
            torch.testing.assert_close(found[name], expected, atol=1e-6, rtol=0)
    (undivided,) = run(tmp_path, "whole", processes=1, accumulate=1)
    assert not torch.equal(undivided["layers.2.weight"], alone["layers.2.weight"])


def volume():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (12, 12, 12)).astype(np.uint8)
    classes[6:] = 255
    classes[:, :3] = 255
    return LabelledVolume(rng.random(classes.shape, np.float32), classes)


def trained(accumulate, network, loss="cross-entropy", batch_size=6):
    train_network(
        network,
        PatchSampler([volume()], standard_planes(3), 8, Augmentation(), boundary=1.0),
        Recipe(10, batch_size, 0.01, "plateau", 5, accumulate=accumulate),
        n_classes=3,
        loss=get_loss(loss),
    )
    return network.state_dict()


@pytest.mark.parametrize("accumulate", [2, 3, 4, 6])
def test_parts_of_a_batch_are_weighted_by_their_labels(accumulate):
    """Cross-entropy of a batch does not depend on how it is divided, evenly or not."""

    def pixelwise():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 1))

    whole, divided = trained(1, pixelwise()), trained(accumulate, pixelwise())
    for name, expected in whole.items():
        torch.testing.assert_close(divided[name], expected, atol=1e-6, rtol=0)


def test_statistics_of_batch_norm_move_once_a_batch():
    """To the mean over the parts, by hand."""

    def normed():
        torch.manual_seed(0)
        return nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 3, 1))

    sampler = PatchSampler([volume()], standard_planes(3), 8, Augmentation())
    network = normed()
    train_network(network, sampler, Recipe(1, 6, 0.01, "plateau", 1, accumulate=2), n_classes=3)
    halves = [sampler.draw(1, range(a, a + 3)).images for a in (0, 3)]
    mean = 0.9 * 0 + 0.1 * np.mean([float(half.mean()) for half in halves])
    variance = 0.9 * 1 + 0.1 * np.mean([float(half.var()) for half in halves])
    state = network.state_dict()
    assert float(state["0.running_mean"]) == pytest.approx(mean, abs=1e-6)
    assert float(state["0.running_var"]) == pytest.approx(variance, abs=1e-6)
    assert int(state["0.num_batches_tracked"]) == 1


def test_more_parts_than_patches_are_refused():
    with pytest.raises(ParameterError, match=r"batch of 2 .* accumulate=3 parts"):
        trained(3, nn.Conv2d(1, 3, 1), batch_size=2)
