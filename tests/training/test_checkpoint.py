"""Training that was stopped or killed goes on with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from srseg.backbones import create_backbone
from srseg.errors import InUseError, StorageError
from srseg.planes import standard_planes
from srseg.progress import stoppable
from srseg.training import (
    Augmentation,
    Checkpoint,
    LabelledVolume,
    PatchSampler,
    Recipe,
    ValidationSlices,
    iterations_done,
    logging_to,
    train_network,
)

RECIPE = Recipe(40, 2, 0.02, "plateau", 4, patience=6, averaging=0.8)


def volume(seed):
    rng = np.random.default_rng(seed)
    classes = np.zeros((16, 17, 18), np.uint8)
    classes[4:12, 4:12, 4:12] = 1
    image = classes * 0.5 + rng.normal(0.2, 0.2, classes.shape)
    return LabelledVolume(image.clip(0, 1).astype(np.float32), classes, f"volume {seed}")


class Dropping(nn.Module):
    """Batch norm, and random numbers in training."""

    stride, reach = 2, None

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            create_backbone("unet", n_classes=4, width=2, depth=1),
            nn.Dropout(0.3),
            nn.Conv2d(4, 2, 1),
        )

    def forward(self, x):
        return self.layers(x)


def train(checkpoint=None, recipe=RECIPE):
    """Train a small network; give it and the history."""
    torch.manual_seed(0)
    network = Dropping()
    planes = standard_planes(3)
    history = train_network(
        network,
        PatchSampler([volume(0), volume(1)], planes, 16, Augmentation(), seed=3),
        recipe,
        n_classes=2,
        validation=ValidationSlices([volume(2)], planes, 2, n_slices=3),
        checkpoint=checkpoint,
        seed=5,
    )
    return network, history


def facts(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history.records]


@pytest.fixture(scope="module")
def uninterrupted():
    network, history = train()
    assert history.best_iter > 4  # or keeping the best would not be seen
    return network.state_dict(), facts(history), history.best_iter


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


class StopAt:
    """Asks to stop, as a signal would, at a place in the run."""

    def __init__(self, stop, record):
        self.stop, self.record = stop, record

    def begin(self, history):
        pass

    def add(self, record):
        if record["iteration"] == self.record:
            self.stop()


@pytest.mark.parametrize("stops", [[4], [12, 24], [4, 8, 36]])
def test_stopped_and_gone_on_with_is_uninterrupted(tmp_path, uninterrupted, stops):
    path = tmp_path / "c"
    for at in stops:
        with stoppable() as stop, logging_to(StopAt(stop, at)):
            network, history = train(Checkpoint(path, {"a": 1}))
        assert history.stopped
        assert history.n_iter == iterations_done(path) == at
        assert not network.training
    network, history = train(Checkpoint(path, {"a": 1}))
    assert not history.stopped
    weights, records, best = uninterrupted
    assert same(network.state_dict(), weights)
    assert facts(history) == records
    assert history.best_iter == best


def test_stopped_while_it_validates(tmp_path, uninterrupted, monkeypatch):
    path = tmp_path / "c"
    scored = ValidationSlices.score
    asked = []

    def score(self, *arguments):
        asked.append(1)
        if len(asked) == 3:
            stop()
        return scored(self, *arguments)

    monkeypatch.setattr(ValidationSlices, "score", score)
    with stoppable() as stop:
        _, history = train(Checkpoint(path, {}))
    assert history.n_iter == 12
    assert [record["iteration"] for record in history.records] == [4, 8]
    network, history = train(Checkpoint(path, {}))
    assert same(network.state_dict(), uninterrupted[0])
    assert facts(history) == uninterrupted[1]


def test_the_best_weights_so_far_are_left(tmp_path, uninterrupted):
    """What is left after a stop is what a training of that length would have kept."""
    with stoppable() as stop, logging_to(StopAt(stop, 36)):
        network, history = train(Checkpoint(tmp_path / "c", {}))
    kept = load_file(tmp_path / "c")
    best = {k.removeprefix("best/"): v for k, v in kept.items() if k.startswith("best/")}
    assert same(network.state_dict(), best)
    losses = {r["iteration"]: r["validation_loss"] for r in history.records}
    assert history.best_iter == min(losses, key=losses.get)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_checkpoint import train
from srseg.training import Checkpoint
print("begin", flush=True)
train(Checkpoint(sys.argv[2], {}, every=0))
print("done", flush=True)
"""


def test_killed_at_random_moments(tmp_path, uninterrupted):
    """SIGKILL of a real process, again and again; what it kept is taken up by the next one."""
    path, moments = tmp_path / "c", random.Random(0)
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path)]
    came = []
    for _ in range(4):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        )  # fmt: skip
        assert process.stdout.readline() == "begin\n"
        before = iterations_done(path) or 0
        while (iterations_done(path) or 0) <= before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        came.append(iterations_done(path))
    assert came == sorted(set(came))  # each came further than the one before
    network, history = train(Checkpoint(path, {}))
    assert same(network.state_dict(), uninterrupted[0])
    assert facts(history) == uninterrupted[1]


def test_a_checkpoint_of_a_finished_training_gives_it_again(tmp_path, uninterrupted):
    path = tmp_path / "c"
    train(Checkpoint(path, {}, every=0))
    network, history = train(Checkpoint(path, {}))
    assert same(network.state_dict(), uninterrupted[0])
    assert facts(history) == uninterrupted[1]


def test_another_training_is_refused_key_by_key(tmp_path):
    path = tmp_path / "c"
    identity = {"width": 4, "labels": ["a", "b"], "sample A": {"crc": 1}}
    Checkpoint(path, identity).write({}, {"w": torch.zeros(2)})
    before = path.read_bytes()
    assert Checkpoint(path, dict(reversed(identity.items()))).read() is not None
    other = {"width": 8, "labels": ("a", "b"), "sample B": {"crc": 1}}
    for look in (Checkpoint(path, other).read, Checkpoint(path, other).check):
        with pytest.raises(StorageError) as caught:
            look()
        assert "of another training: width was 4, is 8; sample B is new; sample A is missing." in (
            str(caught.value)
        )
        assert "--restart" in str(caught.value)
    assert path.read_bytes() == before


def test_other_circumstances_are_a_warning(tmp_path):
    path = tmp_path / "c"
    Checkpoint(path, {}, circumstances={"threads": 2}).write({"x": 1.1}, {})
    assert Checkpoint(path, {}, circumstances={"threads": 2}).read() == ({"x": 1.1}, {})
    with pytest.warns(UserWarning, match="not bit by bit as without a stop: threads was 2, is 4"):
        assert Checkpoint(path, {}, circumstances={"threads": 4}).read() is not None


def test_any_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "c"
    Checkpoint(path, {"a": 1}).write({"loss": 0.5}, {"w": torch.arange(8.0)})
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, content.index(b"loss"), len(content) - 1, *rng.integers(8, len(content), 20)]:
        broken = bytearray(content)
        broken[place] ^= 0x04
        path.write_bytes(broken)
        with pytest.raises(StorageError, match="--restart"):
            Checkpoint(path, {"a": 1}).read()
    path.write_bytes(content[:-3])
    with pytest.raises(StorageError, match="cannot be read"):
        iterations_done(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c"
    assert iterations_done(path) is None
    assert Checkpoint(path, {}).read() is None
    path.write_text("not a checkpoint " * 50)
    with pytest.raises(StorageError, match="cannot be read"):
        Checkpoint(path, {}).read()


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "c"
    with stoppable() as stop, logging_to(StopAt(stop, 4)):
        train(Checkpoint(path, {}))
    network = create_backbone("unet", n_classes=2, width=3, depth=1)
    sampler = PatchSampler([volume(0)], standard_planes(1), 16, Augmentation())
    with pytest.raises(StorageError, match="does not fit this network"):
        train_network(network, sampler, RECIPE, n_classes=2, checkpoint=Checkpoint(path, {}))


def test_two_processes_do_not_train_on_one_checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c", {})
    with checkpoint.held(), pytest.raises(InUseError, match="in use by process"):
        train(checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_pickled(tmp_path):
    path = tmp_path / "c"
    with stoppable() as stop, logging_to(StopAt(stop, 4)):
        train(Checkpoint(path, {}))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    json.loads(content[8 : 8 + length])  # all but this is plain numbers
    numbers = sum(t.numel() * t.element_size() for t in load_file(path).values())
    assert len(content) == 8 + length + numbers


def test_it_is_written_as_often_as_asked(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(Checkpoint, "write", lambda self, *_: written.append(1))
    train(Checkpoint(tmp_path / "c", {}, every=60), Recipe(10, 2, 0.01, "one-cycle", 5))
    assert len(written) == 1  # at the end
    train(Checkpoint(tmp_path / "c", {}, every=0), Recipe(10, 2, 0.01, "one-cycle", 5))
    assert len(written) == 1 + 10


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from test_checkpoint import train
from srseg.training import Checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
network, history = train(Checkpoint(sys.argv[2], {}))
print(history.n_iter, float(sum(v.double().sum() for v in network.state_dict().values())))
"""


def test_a_checkpoint_that_cannot_be_written_loses_no_training(tmp_path, uninterrupted):
    """A process whose files may have a kilobyte, as on a full disk."""
    path = tmp_path / "c"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(Path(__file__).parent), str(path)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )  # fmt: skip
    assert f"cannot write {path}: File too large" in done.stderr
    assert "of 40 iterations that were done, the checkpoint has 0" in done.stderr
    expected = float(sum(v.double().sum() for v in uninterrupted[0].values()))
    assert done.stdout.split() == ["40", str(expected)]
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_is_there_once_more(tmp_path):
    """Keeping the weights may fail, on a full disk: nothing is trained again then."""
    first, history = train(Checkpoint(tmp_path / "c", {}))
    counts = []

    class Count:
        def begin(self, history):
            counts.append(history.n_iter)

        def add(self, record):
            counts.append(record)

    with logging_to(Count()):
        again, same = train(Checkpoint(tmp_path / "c", {}))
    assert counts == [history.n_iter]
    assert same.records == history.records
    for ours, theirs in zip(again.parameters(), first.parameters(), strict=True):
        assert torch.equal(ours, theirs)
