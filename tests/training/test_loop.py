"""The training loop: schedules, stopping, averaging and what is ignored."""

import copy
import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from srseg.backbones import create_backbone
from srseg.errors import TrainingError
from srseg.metrics import iou
from srseg.planes import standard_planes
from srseg.progress import reporting
from srseg.training import (
    Augmentation,
    Batch,
    LabelledVolume,
    PatchSampler,
    Recipe,
    ValidationSlices,
    get_loss,
    train_network,
)

IGNORED = 255


class Batches:
    """Gives batches of noise with labels; each patch is a function of iteration and number."""

    def __init__(self, change=None):
        self.change = change

    def draw(self, iteration, patches):
        images, classes = [], []
        for number in patches:
            generator = torch.Generator().manual_seed(1000 * iteration + number)
            images.append(torch.rand(1, 8, 8, generator=generator))
            classes.append(torch.randint(0, 3, (8, 8), generator=generator))
        batch = torch.stack(images), torch.stack(classes)
        return Batch(*(self.change(*batch) if self.change else batch), None)


def noting_weights(network):
    """Give a list that takes the network's weights before each step."""
    noted = []

    def note(module, _):
        if module.training:
            noted.append(copy.deepcopy(module.state_dict()))

    network.register_forward_pre_hook(note)
    return noted


class Scripted:
    """Validation losses as written down beforehand."""

    def __init__(self, losses):
        self.losses = iter(losses)

    def score(self, network, n_classes, device):
        return next(self.losses), np.eye(n_classes, dtype=np.int64)


def pixelwise(seed=0):
    """A network without neighbours and without statistics."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 1), nn.Tanh(), nn.Conv2d(4, 3, 1))


def plateau(max_iter, rate=0.01, **options):
    return Recipe(max_iter, 2, rate, "plateau", 1, **options)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_plateau_schedule_halves_the_best_weights_are_kept_and_training_stops():
    losses = [3.0, 2.0, *[2.5] * 30]
    network = pixelwise()
    noted = noting_weights(network)
    history = train_network(
        network, Batches(), plateau(30, patience=3, stop_after=8), n_classes=3,
        validation=Scripted(losses),
    )  # fmt: skip
    # best at 2; halved after 5 and 8; given up at 10
    assert [r["learning_rate"] for r in history.records] == [0.01] * 5 + [0.005] * 3 + [0.0025] * 2
    assert (history.n_iter, history.best_iter) == (10, 2)
    assert [r["validation_loss"] for r in history.records] == losses[:10]
    assert same(network.state_dict(), noted[2])
    assert not same(network.state_dict(), noted[3])
    assert not network.training


def test_a_better_loss_starts_the_patience_again():
    losses = [3.0, 3.1, 3.1, 2.9, 3.0, 3.0, 2.8, 2.9, 2.9, 2.9, 2.9]
    history = train_network(
        pixelwise(), Batches(), plateau(11, patience=3, stop_after=4), n_classes=3,
        validation=Scripted(losses),
    )  # fmt: skip
    assert history.best_iter == 7
    assert {r["learning_rate"] for r in history.records[:10]} == {0.01}
    assert history.records[10]["learning_rate"] == 0.005
    assert history.n_iter == 11


def test_nobody_gives_up_before_the_first_validation():
    recipe = Recipe(60, 2, 0.01, "plateau", 6, patience=1, stop_after=1)
    history = train_network(
        pixelwise(), Batches(), recipe, n_classes=3, validation=Scripted([1.0, 2.0, 0.5])
    )
    assert (history.n_iter, history.best_iter) == (12, 6)


def test_without_validation_the_last_weights_are_kept_and_the_rate_stays():
    network = pixelwise()
    noted = noting_weights(network)
    history = train_network(network, Batches(), plateau(12, patience=1, stop_after=2), n_classes=3)
    assert history.n_iter == history.best_iter == 12
    assert {r["learning_rate"] for r in history.records} == {0.01}
    assert not same(network.state_dict(), noted[-1])
    assert "validation_loss" not in history.records[0]


def test_the_one_cycle_schedule_rises_and_falls_along_a_cosine():
    recipe = Recipe(50, 1, 0.02, "one-cycle", 1)
    records = train_network(pixelwise(), Batches(), recipe, n_classes=3).records
    steps = np.arange(1, 51)
    expected = np.where(steps <= 5, steps / 5, 0.5 * (1 + np.cos(np.pi * (steps - 5) / 45)))
    np.testing.assert_allclose([r["learning_rate"] for r in records], 0.02 * expected, atol=1e-12)


@pytest.mark.parametrize(("asked", "decay"), [(0.5, 0.5), (0.995, 0.75)])
def test_the_running_average_is_what_is_kept(asked, decay):
    """Against the recurrence by hand; a short training has no longer a memory than it can fill."""

    def normed():
        network = pixelwise()
        network.insert(1, nn.BatchNorm2d(4))
        return network

    def numbers(weights):
        return {k: v.double() for k, v in weights.items() if v.is_floating_point()}

    network, last = normed(), normed()
    noted = noting_weights(network)
    train_network(network, Batches(), plateau(40, averaging=asked), n_classes=3)
    train_network(last, Batches(), plateau(40), n_classes=3)
    # the weights after each step; the last step is seen in the network that was not averaged
    steps = [numbers(w) for w in [*noted[1:], last.state_dict()]]
    average = steps[0]
    for step in steps[1:]:
        average = {k: decay * average[k] + (1 - decay) * step[k] for k in average}
    found = numbers(network.state_dict())
    assert "1.running_mean" in found
    for k in average:
        np.testing.assert_allclose(found[k], average[k], atol=1e-5)


def test_the_running_average_is_what_is_validated():
    """What is judged and kept is the same network: the average, not the last weights."""

    class Judge:
        """Notes the weights of every network that it is asked about."""

        def __init__(self):
            self.seen = []

        def score(self, network, n_classes, device):
            plain = getattr(network, "module", network)
            self.seen.append(copy.deepcopy(plain.state_dict()))
            return float(-len(self.seen)), np.eye(n_classes, dtype=np.int64)

    network, judge = pixelwise(), Judge()
    noted = noting_weights(network)
    train_network(network, Batches(), plateau(40, averaging=0.5), n_classes=3, validation=judge)
    for name, kept in network.state_dict().items():
        np.testing.assert_array_equal(kept, judge.seen[-1][name])
        assert not np.array_equal(judge.seen[-2][name], noted[-1][name])


def test_two_steps_are_the_papers_adam():
    """Kingma and Ba's update with 0.9 and 0.999, by hand."""
    network, reference = pixelwise(), pixelwise()
    train_network(network, Batches(), plateau(2), n_classes=3)
    first = {name: torch.zeros_like(p) for name, p in reference.named_parameters()}
    second = copy.deepcopy(first)
    for step in (1, 2):
        images, classes, _ = Batches().draw(step, range(2))
        reference.zero_grad()
        nn.functional.cross_entropy(reference(images), classes).backward()
        with torch.no_grad():
            for name, p in reference.named_parameters():
                first[name] = 0.9 * first[name] + 0.1 * p.grad
                second[name] = 0.999 * second[name] + 0.001 * p.grad**2
                mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                p -= 0.01 * mean / (square.sqrt() + 1e-8)
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(p.detach(), q.detach(), atol=1e-5)


def test_bf16_is_used_where_it_is_asked_for():
    rounded, exact = pixelwise(), pixelwise()
    train_network(rounded, Batches(), plateau(3), n_classes=3, precision="bf16")
    train_network(exact, Batches(), plateau(3), n_classes=3)
    apart = max(
        float((p - q).detach().abs().max())
        for p, q in zip(rounded.parameters(), exact.parameters(), strict=True)
    )
    assert 0 < apart < 0.05


def test_a_step_is_adam_on_the_mean_cross_entropy_of_labelled_pixels():
    def some_unlabelled(images, classes):
        classes[:, :5] = IGNORED
        return images, classes

    network, reference = pixelwise(), pixelwise()
    record = train_network(
        network, Batches(change=some_unlabelled), plateau(1), n_classes=3
    ).records[0]
    images, classes, _ = Batches(change=some_unlabelled).draw(1, range(2))
    log = torch.log_softmax(reference(images), 1)
    kept = classes != IGNORED
    loss = -log.gather(1, classes.where(kept, torch.tensor(0))[:, None])[:, 0][kept].mean()
    loss.backward()
    assert record["loss"] == pytest.approx(float(loss.detach()), abs=1e-6)
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        # Adam's first step is the learning rate in the direction of the gradient's sign
        moved = q.detach() - 0.01 * q.grad / (q.grad.abs() + 1e-8)
        np.testing.assert_allclose(p.detach(), moved, atol=1e-5)


def test_unlabelled_pixels_teach_nothing():
    def with_image(value):
        def change(images, classes):
            classes[:, 2:6] = IGNORED
            images[:, :, 2:6] = value
            return images, classes

        return change

    networks = [pixelwise(), pixelwise()]
    for network, value in zip(networks, (0.0, 1.0), strict=True):
        train_network(network, Batches(change=with_image(value)), plateau(20), n_classes=3)
    for p, q in zip(*(n.parameters() for n in networks), strict=True):
        np.testing.assert_allclose(p.detach(), q.detach(), atol=1e-6)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_patches_with_nothing_labelled_change_nothing_and_count_as_no_loss(averaging):
    network = create_backbone("unet", n_classes=3, width=4, depth=1)
    before = copy.deepcopy(network.state_dict())

    def unlabelled(images, classes):
        return images, torch.full_like(classes, IGNORED)

    with pytest.warns(UserWarning, match="no patch since the last validation had a labelled pixel"):
        history = train_network(
            network, Batches(change=unlabelled), plateau(10, averaging=averaging), n_classes=3
        )
    assert same(network.state_dict(), before)
    assert all(math.isnan(r["loss"]) for r in history.records)

    class Alternating(Batches):
        def draw(self, iteration, patches):
            self.change = unlabelled if iteration % 2 else None
            return super().draw(iteration, patches)

    records = train_network(
        pixelwise(), Alternating(), Recipe(20, 2, 1e-9, "plateau", 2), n_classes=3
    ).records
    # half of the batches teach: the mean is over those
    assert all(r["loss"] > 0.8 for r in records)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_loss_that_is_no_number_ends_training(bad):
    def broken(images, classes):
        images[:] = math.nan
        return images, classes

    with pytest.raises(TrainingError, match=r"the loss is nan at iteration 1; lower .* 0\.01"):
        train_network(pixelwise(), Batches(change=broken), plateau(5), n_classes=3)
    with pytest.raises(TrainingError, match=f"validation loss is {bad} at iteration 2"):
        train_network(
            pixelwise(), Batches(), plateau(5), n_classes=3, validation=Scripted([1.0, bad])
        )


def test_progress_is_told():
    told = []

    class Listener:
        @contextmanager
        def open(self, description, total):
            told.append((description, total))
            yield self

        def advance(self, amount=1, status=""):
            told.append((amount, status))

    with reporting(Listener()):
        train_network(
            pixelwise(), Batches(), plateau(20), n_classes=3, validation=Scripted([1.0] * 20)
        )
    assert told[0] == ("training", 20)
    assert sum(amount for amount, _ in told[1:]) == 20
    assert told[-1][1].startswith("loss ")
    assert told[-1][1].endswith("IoU 1.000")


def labelled_blobs(seed, shape=(24, 24, 24)):
    """Nested boxes of three classes under noise, which differ in their grey values."""
    rng = np.random.default_rng(seed)
    classes = np.zeros(shape, np.uint8)
    low = rng.integers(2, 7, 3)
    classes[tuple(slice(a, a + 15) for a in low)] = 1
    classes[tuple(slice(a + 4, a + 11) for a in low)] = 2
    image = np.array([0.2, 0.5, 0.8])[classes] + rng.normal(0, 0.05, shape)
    return LabelledVolume(image.clip(0, 1).astype(np.float32), classes, f"blob {seed}")


def test_a_network_learns_three_classes():
    volumes = [labelled_blobs(i) for i in range(3)]
    planes = standard_planes(3)
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=3, width=4, depth=2)
    validation = ValidationSlices([labelled_blobs(9)], planes, stride=4)
    before = iou(validation.score(network, 3, torch.device("cpu"))[1])
    history = train_network(
        network,
        PatchSampler(volumes, planes, 24, Augmentation(), seed=3),
        Recipe(200, 4, 0.02, "one-cycle", 20, averaging=0.9),
        n_classes=3,
        validation=validation,
    )
    after = iou(validation.score(network, 3, torch.device("cpu"))[1])
    assert before[1:].mean() < 0.5
    assert after[1:].mean() > 0.8
    assert history.records[-1]["loss"] < history.records[0]["loss"]
    best = min(history.records, key=lambda r: r["validation_loss"])
    assert history.best_iter == best["iteration"]
    # what is left is what was judged best
    loss, counts = validation.score(network, 3, torch.device("cpu"))
    assert loss == pytest.approx(best["validation_loss"], rel=1e-5)
    assert iou(counts)[1:].mean() == pytest.approx(best["validation_iou"], rel=1e-5)


def test_a_network_of_boxes_is_trained_as_one_of_slices_is():
    class Boxes:
        def draw(self, iteration, patches):
            rng = np.random.default_rng(iteration)
            images = rng.random((len(patches), 1, 6, 7, 8), np.float32)
            return Batch(
                torch.from_numpy(images), torch.from_numpy((images[:, 0] > 0.5).astype(int)), None
            )

    class Judge:
        def score(self, network, n_classes, device):
            batch = Boxes().draw(0, range(1))
            found = network(batch.images).argmax(1)
            return float((found != batch.classes).float().mean()), np.eye(n_classes, dtype=int)

    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 2, 1)
    recipe = Recipe(200, 2, 0.1, "one-cycle", 20, loss="cross-entropy+dice")
    history = train_network(
        network, Boxes(), recipe, n_classes=2, validation=Judge(), loss=get_loss(recipe.loss)
    )
    assert history.n_iter == 200
    assert min(record["validation_loss"] for record in history.records) < 0.1
