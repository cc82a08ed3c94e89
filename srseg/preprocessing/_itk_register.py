"""SimpleITK's registration, in our axes and units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.preprocessing._survey import Survey
    from srseg.volumes import Grid

_BINS = 32
_COARSE = 40**3  # voxels of the copies that starts are tried on
_SAMPLES = 150_000
_MOST = 1e6  # the value for no overlap is a very large one


class Matcher:
    """Measures and improves how one image lies on another.

    Parameters
    ----------
    moving, fixed : Survey
        The images; NaN is left out.
    around : ndarray of bool
        The voxels of the fixed image that count.
    seed : int
        Seed of the samples that are taken.
    """

    def __init__(
        self,
        moving: Survey,
        fixed: Survey,
        around: NDArray[np.bool_],
        seed: int,
    ) -> None:
        import SimpleITK  # slow to load, and needed by nothing else here

        self._itk: Any = SimpleITK
        self._seed = seed
        self._centre = fixed.centre
        self._voxel = max(fixed.image.grid.voxel_size[0], moving.image.grid.voxel_size[0])
        factor = max(1, round((around.sum() / _COARSE) ** (1 / 3)))
        self._levels = {
            coarse: (
                *self._images(moving, np.isfinite(moving.image.read()), shrink),
                *self._images(fixed, around, shrink),
                shrink,
            )
            for coarse, shrink in ((True, factor), (False, 1))
        }

    def information(self, transform: RigidTransform, *, coarse: bool) -> float | None:
        """Give the mutual information, in bits.

        Parameters
        ----------
        transform : RigidTransform
            From moving to fixed.
        coarse : bool
            Whether coarse copies are compared.

        Returns
        -------
        float or None
            None where the images do not overlap.
        """
        method = self._method(coarse, transform)
        method.SetInitialTransform(self._itk.VersorRigid3DTransform())
        _, _, fixed, _, _ = self._levels[coarse]
        try:
            value = float(method.MetricEvaluate(fixed, self._moved(coarse, transform)))
        except RuntimeError:  # all samples lie outside of the moving image
            return None
        return -value / math.log(2) if abs(value) < _MOST else None

    def follow(self, start: RigidTransform, *, coarse: bool) -> RigidTransform:
        """Improve a transform until the mutual information grows no more.

        Parameters
        ----------
        start : RigidTransform
            From moving to fixed, roughly.
        coarse : bool
            Whether coarse copies are compared.

        Returns
        -------
        RigidTransform
            The better one.
        """
        _, _, fixed, _, shrink = self._levels[coarse]
        voxel = self._voxel * shrink
        method = self._method(coarse, start)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=2 * voxel, minStep=0.01 * voxel, numberOfIterations=150,
            relaxationFactor=0.6, gradientMagnitudeTolerance=1e-9,
        )  # fmt: skip
        method.SetOptimizerScalesFromPhysicalShift()
        rotation = self._itk.VersorRigid3DTransform()
        rotation.SetCenter(self._centre[::-1].tolist())
        method.SetInitialTransform(rotation, inPlace=True)
        try:
            method.Execute(fixed, self._moved(coarse, start))
        except RuntimeError:  # it was led astray, out of the moving image
            return start
        return start.then(_from_itk(rotation))

    def _moved(self, coarse: bool, transform: RigidTransform) -> Any:
        """Give the moving image where a transform puts it.

        The optimiser then looks for what is left: its three numbers have no slope at half a turn.
        """
        return _moved(self._itk.Image(self._levels[coarse][0]), transform)

    def _method(self, coarse: bool, transform: RigidTransform) -> Any:
        _, moving_mask, fixed, fixed_mask, _ = self._levels[coarse]
        method = self._itk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(_BINS)
        method.SetMetricFixedMask(fixed_mask)
        method.SetMetricMovingMask(_moved(self._itk.Image(moving_mask), transform))
        n_voxels = fixed.GetNumberOfPixels()
        if n_voxels > _SAMPLES:
            method.SetMetricSamplingStrategy(method.REGULAR)
            method.SetMetricSamplingPercentage(_SAMPLES / n_voxels, self._seed)
        method.SetInterpolator(self._itk.sitkLinear)
        # sums of floats depend on how they are shared out: one thread gives the same everywhere
        method.SetNumberOfThreads(1)
        return method

    def _images(self, seen: Survey, mask: NDArray[np.bool_], shrink: int) -> tuple[Any, Any]:
        """Give image and mask for SimpleITK; smoothed before they are shrunk."""
        itk = self._itk
        array = seen.image.read()
        # what was not seen is masked; next to it interpolation must not meet NaN
        filled = np.nan_to_num(array, nan=float(np.nanmedian(array)))
        image, inside = (
            _placed(itk.GetImageFromArray(voxels), seen.image.grid)
            for voxels in (filled, mask.astype(np.uint8))
        )
        if shrink > 1:
            image = itk.Shrink(itk.DiscreteGaussian(image, (0.5 * shrink) ** 2, 32, 0.01, False),
                               [shrink] * 3)  # fmt: skip
            inside = itk.Shrink(inside, [shrink] * 3)
        return image, inside


def _from_itk(rotation: Any) -> RigidTransform:
    """Give the inverse of SimpleITK's transform, which goes from fixed to moving, in (x, y, z)."""
    # rounding in hundreds of steps: back to the nearest rotation
    left, _, right = np.linalg.svd(np.reshape(rotation.GetMatrix(), (3, 3))[::-1, ::-1])
    matrix = left @ right
    centre = np.array(rotation.GetCenter())[::-1]
    shift = centre + np.array(rotation.GetTranslation())[::-1] - matrix @ centre
    z, y, x = shift.tolist()
    return RigidTransform(tuple(matrix.ravel().tolist()), (z, y, x)).inverse()


def _moved(image: Any, transform: RigidTransform) -> Any:
    origin = transform.apply(np.array(image.GetOrigin())[::-1])
    direction = transform.matrix[::-1, ::-1] @ np.reshape(image.GetDirection(), (3, 3))
    image.SetOrigin(origin[::-1].tolist())
    image.SetDirection(direction.ravel().tolist())
    return image


def _placed(image: Any, grid: Grid) -> Any:
    image.SetSpacing(grid.voxel_size[::-1])
    image.SetOrigin(grid.origin[::-1])
    image.SetDirection(np.reshape(grid.direction, (3, 3))[::-1, ::-1].ravel().tolist())
    return image
