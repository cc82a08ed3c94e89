"""Random patches from the slices of labelled volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from srseg.errors import ParameterError, TrainingError
from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes import Plane
    from srseg.training._augmentation import Augmentation


@dataclass(frozen=True)
class LabelledVolume:
    """A normalised volume with the class of each voxel.

    Parameters
    ----------
    image : ndarray of shape (Z, Y, X), float32
        Grey values in [0, 1].
    classes : ndarray of shape (Z, Y, X), uint8
        Positions in the label table; 255 where unlabelled.
    name : str, default=""
        Name of the sample, for messages.
    seen : ndarray of bool, optional
        Where the scan saw anything, of the same shape or one that broadcasts to it; everywhere
        where it is None. Outside, `classes` is 255.
    """

    image: NDArray[np.float32]
    classes: NDArray[np.uint8]
    name: str = ""
    seen: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.image.shape != self.classes.shape or self.image.ndim != 3:
            raise ParameterError(
                f"{self.name or 'volume'}: image {self.image.shape} and labels "
                f"{self.classes.shape} must have one shape (Z, Y, X)"
            )


class PatchSampler:
    """Draws patches uniformly over the slices of all volumes and planes (paper, Implementation).

    A patch shows 85–100 % of a square of `source_size` pixels at full resolution, resized to
    `input_size`. Where it reaches over the edge of its slice, the image is the normalised 0 and the
    label is *unlabelled*. A patch of nothing but what the scan did not see is drawn again.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        What is trained on.
    planes : sequence of Plane
        Planes along the axes.
    input_size : int
        Edge of a patch, in pixels.
    augmentation : Augmentation
        How patches are varied.
    source_size : int, optional
        Edge of the square of the slice that a patch shows; `input_size` where it is None.
    seed : int or numpy.random.Generator, default=0
        Where the randomness comes from.

    Raises
    ------
    TrainingError
        If there is no volume, or one has no labelled voxel.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        planes: Sequence[Plane],
        input_size: int,
        augmentation: Augmentation,
        *,
        source_size: int | None = None,
        seed: int | np.random.Generator = 0,
    ) -> None:
        if not volumes:
            raise TrainingError("there is no labelled volume to train on")
        oblique = [plane.name for plane in planes if plane.rotation_axis is not None]
        if oblique or not planes:
            raise ParameterError(
                f"training takes planes along the axes, found {', '.join(oblique) or 'none'}; "
                "oblique planes are for prediction"
            )
        for volume in volumes:
            if not (volume.classes != UNLABELLED).any():
                raise TrainingError(f"{volume.name or 'a volume'} has no labelled voxel")
        self.volumes = list(volumes)
        self.planes = list(planes)
        self.input_size = input_size
        self.augmentation = augmentation
        self.source_size = source_size or input_size
        self.generator = np.random.default_rng(seed)
        self._ends = np.cumsum(
            [volume.image.shape[plane.stacking] for volume in volumes for plane in planes]
        )

    @property
    def n_slices(self) -> int:
        """Number of slices that patches are drawn from."""
        return int(self._ends[-1])

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw a batch of patches.

        Parameters
        ----------
        n : int
            Number of patches.

        Returns
        -------
        images : tensor of shape (n, 1, S, S), float32
            Grey values in [0, 1].
        classes : tensor of shape (n, S, S), int64
            Positions in the label table; 255 where unlabelled.
        """
        size = self.input_size
        offsets = self.augmentation.offsets(n, size, self.source_size, self.generator)
        images = torch.empty(n, 1, size, size)
        classes = torch.empty(n, size, size, dtype=torch.int64)
        inside = torch.empty(n, 1, size, size, dtype=torch.bool)
        for i in range(n):
            image, label, first = self._place()
            centre = [pixel + (self.source_size - 1) / 2 for pixel in first]
            images[i], classes[i], inside[i] = _warp(
                image, label, offsets[i] + torch.tensor(centre, dtype=torch.float32)
            )
        return self.augmentation.grey_values(images, inside, self.generator), classes

    def _place(self) -> tuple[NDArray[Any], NDArray[Any], list[int]]:
        """Draw a slice of image and labels, and the first row and column of a square in it."""
        while True:
            number = int(self.generator.integers(self.n_slices))
            which = int(np.searchsorted(self._ends, number, side="right"))
            volume = self.volumes[which // len(self.planes)]
            axis = self.planes[which % len(self.planes)].stacking
            index = number - (int(self._ends[which - 1]) if which else 0)
            image, label = (np.moveaxis(a, axis, 0)[index] for a in (volume.image, volume.classes))
            size = self.source_size
            first = [_first_pixel(length, size, self.generator) for length in image.shape]
            if volume.seen is None:
                return image, label, first
            seen = np.moveaxis(np.broadcast_to(volume.seen, volume.image.shape), axis, 0)[index]
            if seen[tuple(slice(max(0, pixel), pixel + size) for pixel in first)].any():
                return image, label, first


def _first_pixel(length: int, source: int, generator: np.random.Generator) -> int:
    """Draw where the source square begins: inside the slice, or around it where it is larger.

    Whole pixels, so that a patch that nothing varies is cut out and not interpolated.
    """
    if source >= length:
        return (length - source) // 2
    return int(generator.integers(length - source + 1))


def _warp(
    image: NDArray[Any], label: NDArray[Any], position: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Read image (bilinear) and label (nearest) at positions (row, column) of shape (H, W, 2)."""
    inside = ((position >= -0.5) & (position <= torch.tensor(image.shape) - 0.5)).all(-1)
    # only the part that the patch shows is copied, which is little of a full-size slice
    box, first = [], []
    for axis, length in enumerate(image.shape):
        low = min(max(math.floor(float(position[..., axis].min())), 0), length - 1)
        high = min(max(math.ceil(float(position[..., axis].max())), 0), length - 1)
        box.append(slice(low, high + 1))
        first.append(low)
    pixels = torch.from_numpy(np.ascontiguousarray(image[tuple(box)], np.float32))[None, None]
    # outside reads as 0, which stands for unlabelled while the labels are shifted
    shifted = torch.from_numpy(label[tuple(box)].astype(np.float32) - UNLABELLED)[None, None]
    # grid_sample wants (x, y) with the outer faces of the pixels at -1 and 1
    sizes = torch.tensor(pixels.shape[2:])
    grid = ((2 * (position - torch.tensor(first)) + 1) / sizes - 1).flip(-1)[None]
    # the outer half of the outermost pixels is theirs: image and label end at the same place
    warped = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    classes = functional.grid_sample(shifted, grid, mode="nearest", align_corners=False)
    return warped[0], (classes[0, 0] + UNLABELLED).long(), inside[None]
