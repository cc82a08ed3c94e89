"""Losses against closed forms, torch's own and numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torch.nn import functional

from srseg.errors import ParameterError, UnknownNameError
from srseg.training import get_loss, list_losses

IGNORED = 255


def problem(seed, k=4, shape=(2, 5, 6), ignored=0.2):
    """Give logits, classes and weights, some pixels unlabelled."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 3, (shape[0], k, *shape[1:])).astype(np.float32))
    classes = rng.integers(0, k, shape)
    classes[rng.random(shape) < ignored] = IGNORED
    classes[0, 0, 0] = 1
    weights = torch.from_numpy(rng.uniform(0, 2, shape).astype(np.float32))
    return logits, torch.from_numpy(classes), weights


def chances(logits):
    return special.softmax(logits.double().numpy(), 1)


def of_label(values, classes):
    known = np.where(classes == IGNORED, 0, classes)
    return np.take_along_axis(values, known[:, None], 1)[:, 0]


def averaged(values, classes, weights):
    counted = (classes.numpy() != IGNORED) * (1 if weights is None else weights.double().numpy())
    return (values * counted).sum() / counted.sum()


def generalized(logits, classes, weights):
    p = of_label(chances(logits), classes.numpy())
    return averaged((1 - p**0.7) / 0.7, classes, weights)


def symmetric(logits, classes, weights):
    p = chances(logits)
    known = np.where(classes == IGNORED, 0, classes)
    truth = np.moveaxis(np.eye(p.shape[1])[known], -1, 1)
    forward = -(truth * np.log(p)).sum(1)
    # the logarithm of a label is 0 where it is 1, and -4 where it is 0
    reverse = -(p * np.where(truth == 1, 0.0, -4.0)).sum(1)
    return averaged(0.1 * forward + reverse, classes, weights)


def cross_entropy(logits, classes, weights):
    return averaged(-np.log(of_label(chances(logits), classes.numpy())), classes, weights)


def with_dice(logits, classes, weights):
    p = chances(logits)
    counted = (classes.numpy() != IGNORED) * (1 if weights is None else weights.double().numpy())
    scores = []
    for k in range(1, p.shape[1]):
        truth = classes.numpy() == k
        both = (p[:, k] * truth * counted).sum()
        scores.append(
            (2 * both + 1e-5) / ((p[:, k] * counted).sum() + (truth * counted).sum() + 1e-5)
        )
    return cross_entropy(logits, classes, weights) + 1 - np.mean(scores)


def boundary(logits, classes, weights):
    labels = classes.numpy()
    nearness = np.zeros(labels.shape)
    for n, r, c in np.ndindex(labels.shape):
        for d in range(1, 6):
            window = labels[n, max(0, r - d) : r + d + 1, max(0, c - d) : c + d + 1]
            if len(set(window.ravel().tolist()) - {IGNORED}) > 1:
                nearness[n, r, c] = np.exp(-(d**2) / 8)
                break
    more = torch.from_numpy(1 + 4 * nearness) * (1 if weights is None else weights)
    return cross_entropy(logits, classes, more)


REFERENCES = {
    "cross-entropy": cross_entropy,
    "cross-entropy+dice": with_dice,
    "boundary": boundary,
    "generalized": generalized,
    "symmetric": symmetric,
}


def test_losses_have_names():
    assert list_losses() == list(REFERENCES)
    with pytest.raises(UnknownNameError, match="there are: cross-entropy, "):
        get_loss("dice")


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 5), weighted=st.booleans())
def test_a_loss_is_its_formula(name, seed, k, weighted):
    logits, classes, weights = problem(seed, k)
    weights = weights if weighted else None
    found = get_loss(name)(logits, classes, weights)
    assert float(found) == pytest.approx(REFERENCES[name](logits, classes, weights), rel=2e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(smoothing):
    logits, classes, weights = problem(3)
    ours = get_loss("cross-entropy", label_smoothing=smoothing)
    theirs = functional.cross_entropy(
        logits, classes, ignore_index=IGNORED, label_smoothing=smoothing
    )
    assert float(ours(logits, classes)) == pytest.approx(float(theirs), rel=1e-6)
    ones = torch.ones_like(weights)
    assert float(ours(logits, classes, ones)) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("name", ["cross-entropy", "cross-entropy+dice", "boundary"])
def test_smoothed_labels_are_best_met_by_smoothed_answers(name):
    """At the logits of the smoothed label the gradient of the cross-entropy vanishes."""
    loss = get_loss(name, label_smoothing=0.3)
    classes = torch.full((1, 3, 3), 2)
    target = torch.tensor([0.1, 0.1, 0.8]).log()[None, :, None, None].expand(1, 3, 3, 3).clone()
    target.requires_grad_()
    loss(target, classes, None).backward()
    if name == "cross-entropy+dice":
        plain = target.detach().clone().requires_grad_()
        # what is left is the Dice's
        smooth, hard = (get_loss(n, label_smoothing=0.3) for n in (name, "cross-entropy"))
        (smooth(plain, classes, None) - hard(plain, classes, None)).backward()
        assert torch.allclose(target.grad, plain.grad, atol=1e-6)
    else:
        assert float(target.grad.abs().max()) < 1e-6


@pytest.mark.parametrize("name", REFERENCES)
def test_nothing_labelled_gives_0_and_a_gradient_of_0(name):
    logits, classes, weights = problem(1)
    for nothing, counted in (
        (torch.full_like(classes, IGNORED), None),
        (torch.full_like(classes, IGNORED), weights),
        (classes, torch.zeros_like(weights)),
    ):
        asked = logits.clone().requires_grad_()
        found = get_loss(name)(asked, nothing, counted)
        found.backward()
        assert float(found.detach()) == 0
        assert torch.equal(asked.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("name", REFERENCES)
def test_unlabelled_and_weightless_pixels_teach_nothing(name):
    logits, classes, weights = problem(2)
    weights[:, 3] = 0
    asked = logits.clone().requires_grad_()
    get_loss(name)(asked, classes, weights).backward()
    silent = (classes == IGNORED) | (weights == 0)
    assert not asked.grad.movedim(1, -1)[silent].any()
    assert asked.grad.movedim(1, -1)[~silent].any(dim=1).all()
    assert torch.isfinite(asked.grad).all()


@pytest.mark.parametrize("name", REFERENCES)
def test_certain_answers_have_finite_losses(name):
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 0] = 200
    logits.requires_grad_()
    for truth in (0, 1):
        found = get_loss(name)(logits, torch.full((1, 4, 4), truth), None)
        found.backward()
        assert torch.isfinite(found.detach())
        assert torch.isfinite(logits.grad).all()


def test_robust_losses_learn_less_from_unlikely_labels():
    """The gradient on a mislabelled pixel, beside that on one that is right, by what CE gives."""
    logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]]).T.reshape(1, 2, 1, 2)
    classes = torch.tensor([[[0, 0]]])

    def gradients(name):
        asked = logits.clone().requires_grad_()
        get_loss(name)(asked, classes, None).backward()
        return asked.grad[0, 0, 0].abs()

    for name in ("generalized", "symmetric"):
        ours, plain = gradients(name), gradients("cross-entropy")
        assert float(ours[1] / plain[1]) < 0.5 * float(ours[0] / plain[0])


def test_smoothing_that_has_no_meaning_is_refused():
    for name in ("generalized", "symmetric"):
        with pytest.raises(ParameterError, match="takes no label_smoothing"):
            get_loss(name, label_smoothing=0.1)
    with pytest.raises(ParameterError, match="in \\[0, 1\\)"):
        get_loss("cross-entropy", label_smoothing=1.0)
