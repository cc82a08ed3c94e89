"""What a network is taught by: losses by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Loss(Protocol):
    """What says how wrong a network is: the weighted mean over labelled pixels, less is better."""

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        """Give the loss of a batch, a scalar that can be differentiated.

        Logits of shape (N, K, H, W) in float32, classes (N, H, W) in int64 with 255 for unlabelled,
        and optional weights (N, H, W). Where no pixel counts it is 0, and so is its gradient.
        """


def get_loss(name: str, *, label_smoothing: float = 0.0) -> Loss:
    """Give a loss by name.

    Parameters
    ----------
    name : str
        One of `list_losses`. ``"cross-entropy"``, the paper's. ``"cross-entropy+dice"``: nnU-Net's
        sum with the soft Dice of the foreground classes. ``"boundary"``: cross-entropy that counts
        pixels near a boundary between labels more. ``"generalized"``: cross-entropy of Box and
        Cox's form, q = 0.7 (Zhang & Sabuncu 2018, eq. 6), and ``"symmetric"``: with the reverse
        cross-entropy (Wang et al. 2019, eq. 7), which both learn less from pixels whose labels the
        network finds unlikely.
    label_smoothing : float, default=0.0
        Share of each label that is spread evenly over all classes. The last two losses take none:
        they are derived for labels that are one class.

    Returns
    -------
    Loss
        Called as ``loss(logits, classes, weights)``.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    ParameterError
        If `label_smoothing` is not in [0, 1), or the loss does not take it.

    Examples
    --------
    >>> import torch
    >>> loss = get_loss("cross-entropy")
    >>> round(float(loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64))), 3)
    1.386
    """
    if name not in _LOSSES:
        raise UnknownNameError(f"no loss {name!r}; there are: {', '.join(_LOSSES)}")
    if not 0 <= label_smoothing < 1:
        raise ParameterError(f"label_smoothing must be in [0, 1), found {label_smoothing}")
    if label_smoothing and name in _HARD:
        takers = ", ".join(other for other in _LOSSES if other not in _HARD)
        raise ParameterError(
            f"loss={name!r} takes no label_smoothing; use 0, or one of these losses: {takers}"
        )
    return _LOSSES[name](label_smoothing)


def list_losses() -> list[str]:
    """List the names of the losses.

    Returns
    -------
    list of str
        Names for `get_loss`.
    """
    return list(_LOSSES)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Give the weighted mean; 0 where nothing counts, with a gradient of 0."""
    total = counted.sum()
    return (values * counted).sum() / torch.where(total > 0, total, torch.ones_like(total))


def _counted(classes: Tensor, weights: Tensor | None) -> Tensor:
    labelled = (classes != UNLABELLED).float()
    return labelled if weights is None else labelled * weights


def _log_likelihood(logits: Tensor, classes: Tensor) -> Tensor:
    """Give the logarithm of the probability of each pixel's label; something where it has none."""
    known = torch.where(classes == UNLABELLED, 0, classes)
    return functional.log_softmax(logits, 1).gather(1, known[:, None])[:, 0]


@dataclass(frozen=True)
class _CrossEntropy:
    label_smoothing: float

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        return _mean(self.values(logits, classes), _counted(classes, weights))

    def values(self, logits: Tensor, classes: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits,
            classes,
            ignore_index=UNLABELLED,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )


@dataclass(frozen=True)
class _CrossEntropyDice(_CrossEntropy):
    """With 1 - the mean soft Dice of the foreground, over the whole batch, as nnU-Net has it."""

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        counted = _counted(classes, weights)
        probability = functional.softmax(logits, 1)
        scores = []
        for k in range(1, logits.shape[1]):
            found, truth = probability[:, k] * counted, (classes == k) * counted
            both = (found * (classes == k)).sum()
            scores.append((2 * both + 1e-5) / (found.sum() + truth.sum() + 1e-5))
        return _mean(self.values(logits, classes), counted) + 1 - torch.stack(scores).mean()


@dataclass(frozen=True)
class _Boundary(_CrossEntropy):
    """Weighted ``1 + 4 exp(-d² / 8)``, d pixels away from another label, up to 5.

    The weights are those of the U-Net's first paper (Ronneberger et al. 2015, eq. 2) for one
    boundary. The boundary loss of Kervadec et al. (2019) needs a distance transform of each class
    and patch on the host and a second loss beside it; this needs neither.
    """

    strength: float = 4.0
    width: float = 2.0

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        more = 1 + self.strength * self._nearness(classes)
        return _mean(self.values(logits, classes), _counted(classes, weights) * more)

    def _nearness(self, classes: Tensor) -> Tensor:
        # distances as a king moves in chess: each step is a maximum over 3 x 3 pixels
        labelled = classes != UNLABELLED
        highest = torch.where(labelled, classes, -1).float()[:, None]
        lowest = torch.where(labelled, -classes, -UNLABELLED).float()[:, None]
        nearness = torch.zeros_like(highest)
        for distance in range(1, 6):
            highest, lowest = (functional.max_pool2d(a, 3, 1, 1) for a in (highest, lowest))
            there = (highest > -lowest) & (nearness == 0)
            nearness[there] = math.exp(-(distance**2) / (2 * self.width**2))
        return nearness[:, 0]


@dataclass(frozen=True)
class _Generalized:
    label_smoothing: float
    q: float = 0.7

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        likelihood = _log_likelihood(logits, classes)
        return _mean(-torch.expm1(self.q * likelihood) / self.q, _counted(classes, weights))


@dataclass(frozen=True)
class _Symmetric:
    """0.1 cross-entropy + reverse cross-entropy with log 0 = -4 (the paper's section 4)."""

    label_smoothing: float
    alpha: float = 0.1
    beta: float = 1.0
    log_zero: float = -4.0

    def __call__(self, logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        likelihood = _log_likelihood(logits, classes)
        reverse = self.log_zero * torch.expm1(likelihood)
        values = self.beta * reverse - self.alpha * likelihood
        return _mean(values, _counted(classes, weights))


_LOSSES: dict[str, Callable[[float], Loss]] = {
    "cross-entropy": _CrossEntropy,
    "cross-entropy+dice": _CrossEntropyDice,
    "boundary": _Boundary,
    "generalized": _Generalized,
    "symmetric": _Symmetric,
}
_HARD = ("generalized", "symmetric")
