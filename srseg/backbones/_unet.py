"""The compound-scaled 2D U-Net of Baltruschat et al. 2021, *Scaling the U-net*."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srseg.errors import ParameterError

__all__ = ["ScaledUNet"]

_DEEPEST = 12  # a slice would be a multiple of 8192 px beyond


class ScaledUNet(nn.Module):
    """The 2D U-Net whose width, depth and input size the paper scales together.

    `depth` encoder blocks, each two 3x3 convolutions and a 2x2 max-pool; one more block as the
    bottleneck; per level of the decoder a 2x2 transposed convolution of stride 2, the skip
    concatenated, and two 3x3 convolutions; a 1x1 convolution to the classes. Every 3x3 convolution
    pads with zeros to keep the size and is followed by batch norm and Mish. Level ``l`` has
    ``width * 2**l`` channels. Width 96 and depth 5 give 279.8 million parameters.

    Parameters
    ----------
    n_classes : int
        Number K of classes.
    width : int, default 32
        Channels of the first convolution, c0 in the paper.
    depth : int, default 3
        Number d of encoder blocks.

    Attributes
    ----------
    stride : int
        ``2**depth``: height and width of a slice must be multiples of it.
    reach : int
        ``4 * (2**depth - 1) + 3 * 2**depth`` px: no input pixel that lies farther away along an
        axis has an influence on an output pixel. The farthest that has one lies ``reach - 1`` px
        away, so the bound is safe with one pixel to spare.
    receptive_field : int
        The true theoretical receptive field [px]: the number of input pixels along an axis, from
        the first to the last that an output pixel depends on, at the position relative to the
        pooling grid where it is largest. 100, 204, 412, 828 px for depth 3, 4, 5, 6.
    receptive_field_paper : int
        The number that the paper prints: ``2**depth * (5 * depth + 9) - 4``, that is 188, 460,
        1084, 2492 px. It counts the decoder's convolutions as if they all worked at the coarsest
        level, so it is larger than the true one.

    Raises
    ------
    ParameterError
        If `depth` is more than 12; from ``forward``, if height or width is no multiple of `stride`.

    Examples
    --------
    >>> import torch
    >>> network = ScaledUNet(n_classes=4, width=2, depth=2)
    >>> network(torch.zeros(1, 1, 8, 12)).shape
    torch.Size([1, 4, 8, 12])
    >>> network.stride, network.reach, network.receptive_field
    (4, 24, 44)
    """

    def __init__(self, *, n_classes: int, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        if depth > _DEEPEST:
            raise ParameterError(
                f"depth={depth} cannot work: a slice would have to be a multiple of 2^{depth} px; "
                f"give at most {_DEEPEST}"
            )
        self.stride = 2**depth
        self.reach = 4 * (2**depth - 1) + 3 * 2**depth
        self.receptive_field = max(
            last - first + 1 for first, last in (_extent(depth, p) for p in range(2**depth))
        )
        self.receptive_field_paper = 2**depth * (5 * depth + 9) - 4
        channels = [width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            _block(1 if level == 0 else channels[level - 1], channels[level])
            for level in range(depth)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = _block(channels[-2], channels[-1])
        # from the coarsest level up, in the order in which they are used
        upwards = list(reversed(range(depth)))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels[level + 1], channels[level], kernel_size=2, stride=2)
            for level in upwards
        )
        self.decoder = nn.ModuleList(
            _block(2 * channels[level], channels[level]) for level in upwards
        )
        self.head = nn.Conv2d(channels[0], n_classes, kernel_size=1)
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

        Raises
        ------
        ParameterError
            If H or W is no multiple of `stride`.
        """
        if x.shape[-2] % self.stride or x.shape[-1] % self.stride:
            raise ParameterError(
                f"a slice of {x.shape[-2]}x{x.shape[-1]} px does not fit a U-Net of stride "
                f"{self.stride}; pad height and width to multiples of {self.stride}"
            )
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits

    def _initialise(self) -> None:
        # He et al. 2015: variance kept from layer to layer. Mish is close to ReLU, so its gain is
        # used before Mish; transposed and 1x1 convolutions are linear, and each pixel of the former
        # sees one tap of its 2x2 kernel, so that the input channels alone are the fan-in.
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=module.in_channels**-0.5)
                _zero(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, nonlinearity="linear" if module is self.head else "relu"
                )
                _zero(module.bias)


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    # no bias in the convolutions: batch norm subtracts it again
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.Mish(),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.Mish(),
    )


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)


def _extent(depth: int, position: int) -> tuple[int, int]:
    """First and last input pixel that the output pixel at `position` depends on, along one axis.

    Goes backwards through the network: two 3x3 convolutions widen a range by two pixels on each
    side, a transposed convolution halves its coordinates, a max-pool doubles them, and a
    concatenation takes the hull of both branches.
    """
    first = last = position
    skips = []
    for _ in range(depth):
        first, last = first - 2, last + 2
        skips.append((first, last))
        first, last = first // 2, last // 2
    first, last = first - 2, last + 2
    for skip_first, skip_last in reversed(skips):
        first, last = min(2 * first, skip_first) - 2, max(2 * last + 1, skip_last) + 2
    return first, last
