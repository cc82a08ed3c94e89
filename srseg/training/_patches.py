"""Random patches from the slices of labelled volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
import torch

from srseg.errors import ParameterError, TrainingError
from srseg.training._boundaries import near_boundary
from srseg.training._places import ClassPlaces, UniformPlaces
from srseg.training._warp import warped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes import Plane
    from srseg.training._augmentation import Augmentation
    from srseg.volumes import VoxelSource


@dataclass(frozen=True)
class LabelledVolume:
    """A normalised volume with the class of each voxel.

    Parameters
    ----------
    image : VoxelSource of shape (Z, Y, X), float32
        Grey values in [0, 1]: an array, or a `TiledArray` of what does not fit into memory.
    classes : VoxelSource of shape (Z, Y, X), uint8
        Positions in the label table; 255 where unlabelled.
    name : str, default=""
        Name of the sample, for messages.
    seen : ndarray of bool, optional
        Where the scan saw anything, of the same shape or one that broadcasts to it; everywhere
        where it is None. Outside, `classes` is 255.
    weight : float, default=1.0
        How many times as often as another volume's its slices are drawn: more for labels that
        are better.
    """

    image: VoxelSource
    classes: VoxelSource
    name: str = ""
    seen: NDArray[np.bool_] | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if tuple(self.image.shape) != tuple(self.classes.shape) or len(self.image.shape) != 3:
            raise ParameterError(
                f"{self.name or 'volume'}: image {self.image.shape} and labels "
                f"{self.classes.shape} must have one shape (Z, Y, X)"
            )
        if not 0 < self.weight < math.inf:
            raise ParameterError(
                f"{self.name or 'volume'}: a weight is greater than 0, found {self.weight}; leave "
                "the volume out instead"
            )


class Batch(NamedTuple):
    """Patches that the network learns from together.

    Parameters
    ----------
    images : tensor of shape (n, 1, S, S), float32
        Grey values in [0, 1]; of boxes (n, 1, S, S, S), and the others alike.
    classes : tensor of shape (n, S, S), int64
        Positions in the label table; 255 where unlabelled.
    weights : tensor of shape (n, S, S), float32, or None
        What each pixel counts; all the same where it is None.
    """

    images: Tensor
    classes: Tensor
    weights: Tensor | None


class Sampler(Protocol):
    """What draws patches; threads may ask at the same time."""

    def draw(self, iteration: int, patches: Sequence[int]) -> Batch:
        """Draw some patches of a batch, as a function of both arguments alone.

        Parameters
        ----------
        iteration : int
            Number of the iteration, 0 or more.
        patches : sequence of int
            Numbers of the patches in the whole batch.

        Returns
        -------
        Batch
            The patches, in that order.
        """


class PatchSampler:
    """Draws patches uniformly over the slices of all volumes and planes (paper, Implementation).

    A patch shows 85–100 % of a square of `source_size` pixels at full resolution, resized to
    `input_size`. Where it reaches over the edge of its slice, the image is the normalised 0 and the
    label is *unlabelled*. Squares without a labelled pixel are not drawn, and where
    a few slices along one axis are labelled, none along the others, which show lines of labels.

    Each patch depends on the seed, the iteration and its number alone: it does not matter who draws
    it, when, and what else was drawn. Threads may draw at the same time.

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
    seed : int, default=0
        Where the randomness comes from.
    draw : {"uniform", "by class"}, default="uniform"
        Whether slices are drawn uniformly, and squares in them, or a class is drawn and a voxel of
        it that the square is about.
    boundary : float, default=0.0
        Pixels of a patch this near to one of another label, in pixels, get the weight 0: that is
        where labels are most often wrong. Cracks that the augmentation draws are no such labels.

    Raises
    ------
    TrainingError
        If there is no volume, or one has no labelled voxel.
    ParameterError
        If a plane or parameter cannot be used.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        planes: Sequence[Plane],
        input_size: int,
        augmentation: Augmentation,
        *,
        source_size: int | None = None,
        seed: int = 0,
        draw: Literal["uniform", "by class"] = "uniform",
        boundary: float = 0.0,
    ) -> None:
        if not volumes:
            raise TrainingError("there is no labelled volume to train on")
        oblique = [plane.name for plane in planes if plane.rotation_axis is not None]
        if oblique or not planes:
            raise ParameterError(
                f"training takes planes along the axes, found {', '.join(oblique) or 'none'}; "
                "oblique planes are for prediction"
            )
        if draw not in ("uniform", "by class"):
            raise ParameterError(f"draw must be 'uniform' or 'by class', found {draw!r}")
        if not 0 <= boundary < math.inf:
            raise ParameterError(f"boundary is a number of pixels, 0 or more, found {boundary}")
        self.volumes = list(volumes)
        self.planes = list(planes)
        self.input_size = input_size
        self.augmentation = augmentation
        self.source_size = source_size or input_size
        self.seed = seed
        self.boundary = boundary
        axes = [plane.stacking for plane in planes]
        # it finds volumes without labels, also where it does not draw
        uniform = UniformPlaces(volumes, axes, self.source_size)
        self.n_slices = uniform.n_slices
        """Number of slices that are drawn from."""
        self._places = (
            uniform
            if draw == "uniform"
            else ClassPlaces(volumes, uniform.axes, self.source_size, self.seed)
        )

    def draw(self, iteration: int, patches: Sequence[int]) -> Batch:
        """Draw some patches of a batch.

        Parameters
        ----------
        iteration : int
            Number of the iteration, 0 or more.
        patches : sequence of int
            Numbers of the patches in the whole batch, such as ``range(batch_size)``.

        Returns
        -------
        Batch
            The patches, in that order.
        """
        n, size = len(patches), self.input_size
        images = np.empty((n, 1, size, size), np.float32)
        classes = np.empty((n, size, size), np.int64)
        weights = np.empty((n, size, size), np.float32) if self.boundary else None
        for i, number in enumerate(patches):
            generator = np.random.default_rng([self.seed, iteration, number])
            square = self._places.draw(generator)
            offsets = self.augmentation.offsets(size, self.source_size, generator)
            image, labels, inside = warped(square, offsets)
            if weights is not None:
                # before cracks are drawn: where those are is known
                np.logical_not(
                    near_boundary(labels, self.boundary), out=weights[i], casting="unsafe"
                )
            self.augmentation.vary(image, labels, inside, generator)
            images[i, 0], classes[i] = image, labels
        return Batch(
            torch.from_numpy(images),
            torch.from_numpy(classes),
            None if weights is None else torch.from_numpy(weights),
        )
