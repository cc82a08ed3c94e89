"""The fully convolutional network FCN-8s of Long, Shelhamer and Darrell (2015), for slices."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_CONVOLUTIONS = (2, 2, 3, 3, 3)  # of the stages of VGG-16
_MOST = 8  # times the width: VGG-16 goes from 64 to 512 channels
_DENSE = 64  # times the width: 4096


class FCN8s(nn.Module):
    """The FCN-8s: a VGG-16 whose dense layers are convolutions, and two skips of scores.

    With ``width=64, depth=5`` it is the network of the paper, but for what random first weights
    need: there is batch norm after each convolution in the place of weights from ImageNet, the
    scores do not begin at 0, and zeros are padded to keep the size in the place of 100 pixels once.
    Scores of the last stage are brought to twice the size by a transposed convolution, which begins
    as bilinear interpolation and is learned, and those of the stage before are added, twice; the
    rest of the way is bilinear, as in the paper.

    Parameters
    ----------
    n_classes : int
        Number K of classes.
    width : int, default=64
        Channels of the first stage; doubled per stage up to 8 times as many.
    depth : int, default=5
        Number of stages, each of convolutions and a 2x2 max-pool. With fewer than three there are
        fewer skips.

    Attributes
    ----------
    stride : int
        ``2**depth``: height and width of a slice must be multiples of it.
    reach : int
        No input pixel that lies farther away than this [px] has an influence.

    Examples
    --------
    >>> import torch
    >>> network = FCN8s(n_classes=4, width=2, depth=3)
    >>> network(torch.zeros(1, 1, 16, 24)).shape, network.stride
    (torch.Size([1, 4, 16, 24]), 8)
    """

    def __init__(self, *, n_classes: int, width: int = 64, depth: int = 5) -> None:
        super().__init__()
        counts = [_CONVOLUTIONS[min(stage, len(_CONVOLUTIONS) - 1)] for stage in range(depth)]
        channels = [width * min(2**stage, _MOST) for stage in range(depth)]
        self.stride = 2**depth
        skips = min(2, depth - 1)
        self._finest = 2 ** (depth - skips)
        self.reach = _reach(counts, self._finest)
        self.stages = nn.ModuleList(
            _stage(channels[stage - 1] if stage else 1, channels[stage], count)
            for stage, count in enumerate(counts)
        )
        dense = _DENSE * width
        self.dense = nn.Sequential(
            *_convolution(channels[-1], dense, 7), nn.Dropout(0.5),
            *_convolution(dense, dense, 1), nn.Dropout(0.5),
        )  # fmt: skip
        self.score = nn.Conv2d(dense, n_classes, 1)
        # from the coarser skip to the finer one
        self.skips = nn.ModuleList(
            nn.Conv2d(channels[depth - 2 - number], n_classes, 1) for number in range(skips)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(n_classes, n_classes, 4, stride=2, padding=1, bias=False)
            for _ in range(skips)
        )
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of a batch of slices.

        Parameters
        ----------
        x : Tensor of shape (N, 1, H, W)
            Slices; H and W are multiples of `stride`.

        Returns
        -------
        Tensor of shape (N, K, H, W)
            Logits, one map per class.
        """
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        found.pop()
        scores = self.score(self.dense(x))
        for up, skip in zip(self.up, self.skips, strict=True):
            scores = up(scores) + skip(found.pop())
        return functional.interpolate(
            scores, scale_factor=float(self._finest), mode="bilinear", align_corners=False
        )

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                _begin_bilinear(module.weight)
            elif isinstance(module, nn.Conv2d):
                scores = module is self.score or any(module is skip for skip in self.skips)
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear" if scores else "relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def fcn(*, n_classes: int, width: int, depth: int) -> FCN8s:
    """Build an FCN-8s: the backbone ``fcn``.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    width : int
        Channels of the first stage, 64 in the paper.
    depth : int
        Number of stages, 5 in the paper.

    Returns
    -------
    FCN8s
        The network.

    Examples
    --------
    >>> fcn(n_classes=4, width=2, depth=5).reach
    258
    """
    return FCN8s(n_classes=n_classes, width=width, depth=depth)


def _stage(n_in: int, n_out: int, count: int) -> nn.Sequential:
    layers = [*_convolution(n_in, n_out, 3)]
    for _ in range(count - 1):
        layers += _convolution(n_out, n_out, 3)
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def _convolution(n_in: int, n_out: int, size: int) -> list[nn.Module]:
    # no bias in the convolution: batch norm subtracts it again
    return [
        nn.Conv2d(n_in, n_out, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    ]


@torch.no_grad()
def _begin_bilinear(weight: Tensor) -> None:
    """Let a transposed convolution that doubles the size begin as bilinear interpolation."""
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    weight.zero_()
    for channel in range(len(weight)):
        weight[channel, channel] = torch.outer(line, line)


def _reach(counts: list[int], finest: int) -> int:
    coarsest = 1 << len(counts)
    # bilinear steps look at pixels whose centres lie within one of their edges; then comes half a
    # coarse pixel, the 7x7 convolution, and one pixel of each stage for each of its convolutions
    up = 2 * coarsest - finest + coarsest // 2
    return up + 3 * coarsest + sum(count << stage for stage, count in enumerate(counts))
