"""The paper's augmentation, composed into one interpolation a patch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How patches are varied (paper, section Implementation).

    Crop, aspect, flip, rotation and elastic deformation are composed into one map from patch to
    slice, so that the image is interpolated once (bilinear) and the label once (nearest).

    Parameters
    ----------
    area : tuple of float, default=(0.85, 1.0)
        Share of the source area that a patch shows.
    aspect : tuple of float, default=(0.75, 4/3)
        Height over width of what a patch shows.
    flip : float, default=0.5
        Probability of a horizontal flip.
    rotation : float, default=90.0
        Largest rotation, in degrees either way.
    elastic : float, default=0.015
        Standard deviation of the elastic displacement at its control points, as a share of the
        patch's edge. The paper does not give its strength.
    elastic_points : int, default=5
        Control points of the elastic deformation along an edge, 2 or more.
    brightness : float, default=0.1
        Largest shift of the grey values, either way, on the scale [0, 1].
    contrast : float, default=0.2
        Largest change of the contrast, either way, as a share.

    Examples
    --------
    >>> Augmentation.none().rotation
    0.0
    """

    area: tuple[float, float] = (0.85, 1.0)
    aspect: tuple[float, float] = (0.75, 4 / 3)
    flip: float = 0.5
    rotation: float = 90.0
    elastic: float = 0.015
    elastic_points: int = 5
    brightness: float = 0.1
    contrast: float = 0.2

    def __post_init__(self) -> None:
        for name in ("area", "aspect"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ParameterError(
                    f"augmentation {name}: need 0 < low <= high, got {low}, {high}"
                )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and value < 0:
                raise ParameterError(f"augmentation {field.name} must not be negative, got {value}")
        if self.flip > 1:
            raise ParameterError(f"augmentation flip is a probability, got {self.flip}")
        if self.elastic_points < 2:
            raise ParameterError(f"elastic_points must be 2 or more, got {self.elastic_points}")

    @classmethod
    def none(cls) -> Augmentation:
        """Give the augmentation that changes nothing but the place of a patch.

        Returns
        -------
        Augmentation
            Every patch is a plain cut-out.
        """
        return cls((1.0, 1.0), (1.0, 1.0), 0.0, 0.0, 0.0, 2, 0.0, 0.0)

    def offsets(
        self, n: int, size: int, source_size: float, generator: np.random.Generator
    ) -> Tensor:
        """Draw where in the slice the pixels of `n` patches lie, relative to the patch's centre.

        Parameters
        ----------
        n : int
            Number of patches.
        size : int
            Edge of a patch, in pixels.
        source_size : float
            Edge of the square, in pixels of the slice, of which a patch shows a share.
        generator : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        tensor of shape (n, size, size, 2)
            Offsets (row, column) in pixels of the slice.
        """
        area = generator.uniform(*self.area, n)
        # evenly distributed between 3:4 and 4:3 means evenly in the logarithm
        low, high = np.log(self.aspect)
        aspect = np.exp(generator.uniform(float(low), float(high), n))
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation, n))
        flipped = np.where(generator.random(n) < self.flip, -1.0, 1.0)
        height, width = np.sqrt(area * aspect), flipped * np.sqrt(area / aspect)
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.stack([cosine * height, -sine * width, sine * height, cosine * width], axis=1)
        unit = (torch.arange(size, dtype=torch.float32) + 0.5) / size - 0.5
        square = torch.stack(torch.meshgrid(unit, unit, indexing="ij"), dim=-1)
        affine = torch.as_tensor(matrix.reshape(n, 1, 2, 2), dtype=torch.float32)
        grid = (affine @ square.reshape(1, -1, 2, 1)).reshape(n, size, size, 2)
        if self.elastic:
            points = generator.normal(0, self.elastic, (n, 2, *(self.elastic_points,) * 2))
            field = functional.interpolate(
                torch.as_tensor(points, dtype=torch.float32),
                size=(size, size),
                mode="bicubic",
                align_corners=True,
            )
            grid = grid + field.permute(0, 2, 3, 1)
        return grid * source_size

    def grey_values(self, images: Tensor, inside: Tensor, generator: np.random.Generator) -> Tensor:
        """Vary brightness and contrast; the fill outside of the slice stays 0.

        Parameters
        ----------
        images : tensor of shape (n, 1, H, W)
            Patches with grey values in [0, 1].
        inside : tensor of bool, of shape (n, 1, H, W)
            Where a patch shows the slice and not the fill.
        generator : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        tensor of shape (n, 1, H, W)
            The varied patches, in [0, 1].
        """
        n = len(images)
        contrast = 1 + generator.uniform(-self.contrast, self.contrast, (n, 1, 1, 1))
        shift = generator.uniform(-self.brightness, self.brightness, (n, 1, 1, 1))
        varied = images * torch.as_tensor(contrast, dtype=torch.float32) + torch.as_tensor(
            shift, dtype=torch.float32
        )
        return varied.clamp_(0, 1) * inside
