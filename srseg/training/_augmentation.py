"""The paper's augmentation, composed into one interpolation a patch, and more on request."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import ParameterError, UnknownNameError
from srseg.training._cracks import draw_cracks
from srseg.training._fields import cubic_weights, product
from srseg.training._grey import add_noise, add_rings, apply_gamma, blur

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.labels import LabelTable

_PROBABILITIES = ("flip", "cracks")


@dataclass(frozen=True)
class Augmentation:
    """How patches are varied (paper, section Implementation).

    Crop, aspect, flip, rotation and elastic deformation are composed into one map from patch to
    slice, so that the image is interpolated once (bilinear) and the label once (nearest). What the
    paper does not have is off unless it is asked for.

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
    gamma : float, default=0.0
        Grey values are raised to a power between ``1 / (1 + gamma)`` and ``1 + gamma``.
    blur : float, default=0.0
        Largest standard deviation of a Gaussian blur, in pixels.
    rings : float, default=0.0
        Largest strength of detector rings, on the scale [0, 1]: arcs about a centre in or beside
        the patch.
    noise : float, default=0.0
        Largest standard deviation of added noise, on the scale [0, 1].
    cracks : float, default=0.0
        Probability that cracks are drawn into the patch, in image and label.
    crack_classes : tuple of (str or int), default=("degradation layer", "background")
        The class that cracks lie in, and the one that they become and look like: names of the
        label table, or positions in it.

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
    gamma: float = 0.0
    blur: float = 0.0
    rings: float = 0.0
    noise: float = 0.0
    cracks: float = 0.0
    crack_classes: tuple[str | int, str | int] = ("degradation layer", "background")

    def __post_init__(self) -> None:
        for name in ("area", "aspect"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ParameterError(
                    f"augmentation {name}: need 0 < low <= high, both finite, got {low}, {high}"
                )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not 0 <= value < math.inf:
                raise ParameterError(
                    f"augmentation {field.name} must be a number of 0 or more, got {value}"
                )
        for name in _PROBABILITIES:
            if getattr(self, name) > 1:
                raise ParameterError(
                    f"augmentation {name} is a probability, got {getattr(self, name)}"
                )
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

    def for_table(self, table: LabelTable) -> Augmentation:
        """Look up the classes of cracks in a label table.

        Parameters
        ----------
        table : LabelTable
            The classes that are trained.

        Returns
        -------
        Augmentation
            The same with positions in the place of names; itself where it draws no cracks.

        Raises
        ------
        UnknownNameError
            If the table has no such class.

        Examples
        --------
        >>> from srseg.labels import DEFAULT_LABELS
        >>> Augmentation(cracks=0.5).for_table(DEFAULT_LABELS).crack_classes
        (2, 0)
        """
        if not self.cracks:
            return self
        layer, into = (_position(named, table) for named in self.crack_classes)
        return replace(self, crack_classes=(layer, into))

    def offsets(
        self, size: int, source_size: float, generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """Draw where in the slice the pixels of a patch lie, relative to the patch's centre.

        Parameters
        ----------
        size : int
            Edge of the patch, in pixels.
        source_size : float
            Edge of the square, in pixels of the slice, of which the patch shows a share.
        generator : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        ndarray of shape (2, size, size), float32
            Rows and columns, in pixels of the slice.
        """
        area = generator.uniform(*self.area)
        # evenly distributed between 3:4 and 4:3 means evenly in the logarithm
        aspect = math.exp(generator.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
        angle = math.radians(generator.uniform(-self.rotation, self.rotation))
        flipped = -1.0 if generator.random() < self.flip else 1.0
        height, width = math.sqrt(area * aspect), flipped * math.sqrt(area / aspect)
        cosine, sine = math.cos(angle), math.sin(angle)
        # each coordinate is a sum of few products of a function of the row and one of the column
        down, across = _basis(size, self.elastic_points if self.elastic else 0)
        right = np.empty((2, len(across), size), np.float32)
        right[:, 0] = ((cosine * height,), (sine * height,))
        right[:, 1] = np.outer((-sine * width, cosine * width), across[1])
        if self.elastic:
            nodes = len(across) - 2
            points = generator.standard_normal((2, nodes, nodes), dtype=np.float32)
            right[:, 2:] = (points * np.float32(self.elastic)) @ across[2:]
        right *= source_size
        return product(down, right)

    def vary(
        self,
        image: NDArray[np.float32],
        classes: NDArray[np.uint8],
        inside: NDArray[np.bool_] | None,
        generator: np.random.Generator,
    ) -> None:
        """Vary grey values, and draw cracks; the fill outside of the slice stays 0.

        Parameters
        ----------
        image : ndarray of shape (H, W), float32
            A patch with grey values in [0, 1]; changed in place.
        classes : ndarray of shape (H, W), uint8
            Its labels, as positions in the label table; changed in place where a crack is drawn.
        inside : ndarray of bool, of shape (H, W), or None
            Where the patch shows the slice and not the fill; everywhere where it is None.
        generator : numpy.random.Generator
            Where the randomness comes from.

        Raises
        ------
        ParameterError
            If cracks are asked for and `for_table` was not.
        """
        if self.cracks and generator.random() < self.cracks:
            layer, into = self.crack_classes
            if isinstance(layer, str) or isinstance(into, str):
                raise ParameterError(
                    f"the classes of cracks are names {self.crack_classes}; call for_table with "
                    "the label table first"
                )
            draw_cracks(image, classes, layer, into, generator)
        if self.contrast or self.brightness:
            image *= np.float32(1 + generator.uniform(-self.contrast, self.contrast))
            image += np.float32(generator.uniform(-self.brightness, self.brightness))
        if self.gamma:
            apply_gamma(image, self.gamma, generator)
        if self.blur:
            blur(image, self.blur, generator)
        if self.rings:
            add_rings(image, self.rings, generator)
        if self.noise:
            add_noise(image, self.noise, generator)
        np.clip(image, 0, 1, out=image)
        if inside is not None:
            image *= inside


@lru_cache(maxsize=8)
def _basis(size: int, points: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the functions of the row (size, k) and of the column (k, size) that make up a map."""
    unit = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    one = np.ones_like(unit)
    waves = np.empty((size, 0), np.float32)
    if points:
        waves = cubic_weights(size, max(size - 1, 1) / (points - 1))
    down = np.column_stack([unit, one, waves])
    across = np.vstack([one, unit, waves.T])
    return down, across


def _position(named: str | int, table: LabelTable) -> int:
    if isinstance(named, str):
        if named in table.names:
            return table.names.index(named)
    elif 0 <= named < len(table):
        return named
    raise UnknownNameError(
        f"cracks: the label table has no class {named!r}; crack_classes are two of "
        f"{', '.join(table.names)}, or positions of 0 to {len(table) - 1}"
    )
