"""Labels that random walkers spread: from what somebody labelled, or from sure voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.estimators import BaseSegmenter, read_inputs
from srseg.preprocessing import model_grid
from srseg.progress import task
from srseg.volumes import Volume
from srseg_classical._boxes import boxes_of, inside, read_image, widened
from srseg_classical._brightness import check_number, check_whole, radius_of, smoothed
from srseg_classical._markers import MarkerSegmenter, require_few
from srseg_classical._walk import NOBODY, OUTSIDE, walked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.training import LabelledVolume

_EDGE = 64


class RandomWalkerSegmenter(MarkerSegmenter):
    """A random walker [1]_: each voxel takes the class whose seeds a walker from it finds first.

    It does two things, and only the second one learns anything:

    `complete`
        spreads the labels of a scan over that scan: a few slices or strokes become dense labels, to
        train a network on, as Bockelmann et al. [2]_ did. It needs no `fit`.
    `fit` and `predict`
        label other scans. They bring no seeds along, so that these are found as those of
        `WatershedSegmenter` are, by what each grey value tells: voxels where one class has a share
        of `certainty`, and the gradient is among the `flat` share of all. What no walker leaves for
        takes the shares of its grey value.

    Walkers are followed in boxes with `margin` voxels about them; those that go further come home
    as if the volume ended there, so that beside a box's border probabilities are those of the whole
    volume only as far as seeds lie closer than the margin.

    Parameters
    ----------
    beta : float, default=100.0
        How hard it is to cross an edge: a step between voxels whose grey values differ by d (of the
        1 between the percentiles of `clip`) has the weight exp(-beta d²).
    sigma : float, default=0.5
        Standard deviation in voxels of the Gaussian that scans are smoothed with; 0 for none.
    certainty : float, default=0.6
        Share of its class at the grey value of a seed that `predict` finds, of 0.5 to 1.
    flat : float, default=0.6
        Share of all labelled voxels that are flat enough for a seed that `predict` finds.
    margin : int, default=16
        Voxels about each box.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what does not fit.

    Attributes
    ----------
    shares_ : ndarray of shape (K, 256)
        Share of each class at each grey value.
    steepest_ : float
        The gradient magnitude that a seed has at most, per voxel.
    beta_, certainty_, margin_, sigma_ : float
        What the fit used; parameters that are set later are those of `complete` and the next fit.

    References
    ----------
    .. [1] L. Grady, "Random walks for image segmentation", IEEE Trans. Pattern Anal. Mach. Intell.
       28, 2006.
    .. [2] N. Bockelmann et al., "Sparse annotations with random walks for U-Net segmentation of
       biodegradable bone implants in synchrotron microtomograms", MIDL 2019.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.zeros((20, 20, 20), np.uint8)
    >>> truth[:, 5:, :], truth[:, 12:, :] = 1, 2
    >>> sparse = np.full_like(truth, 255)
    >>> sparse[::6] = truth[::6]
    >>> dense = RandomWalkerSegmenter(sigma=0).complete(100.0 * truth, sparse)
    >>> bool((dense == truth).all())
    True
    """

    block_voxels = 1_000_000
    used = ("beta", "certainty", "margin", "sigma")
    beta_: float
    margin_: int

    def __init__(
        self,
        beta: float = 100.0,
        sigma: float = 0.5,
        certainty: float = 0.6,
        flat: float = 0.6,
        margin: int = 16,
        *,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        labels: LabelTable | None = None,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
    ) -> None:
        self.beta = beta
        self.sigma = sigma
        self.certainty = certainty
        self.flat = flat
        self.margin = margin
        self.voxel_size = voxel_size
        self.clip = clip
        self.labels = labels
        self.max_memory = max_memory
        self.scratch = scratch

    @property
    def reach(self) -> int:  # type: ignore[override]
        """How far a voxel can influence another."""
        return radius_of(self.kept("sigma")) + int(self.kept("margin"))

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        super().check()
        check_number("beta", self.beta, 0, 1e6)
        check_whole("margin", self.margin, 1, 100)

    def complete(self, X: Any, y: Any = None) -> Any:
        """Spread the labels of scans over what is not labelled (255) of them.

        Voxels that have a label keep it. Where no seed is within reach of a walker, within the
        margin of a box, a voxel stays unlabelled, and so does what lies outside of the field of
        view.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Their labels; without, each sample's target label set.

        Returns
        -------
        ndarray of shape (Z, Y, X) uint8, Volume, or a list of them
            Label values: arrays for arrays, for samples volumes on the scan's space with
            `voxel_size`.
        """
        inputs = read_inputs(X, y, voxel_size=self.voxel_size, labelled=True)
        found: list[Any] = []
        for sample in inputs.samples:
            spread = _Spread(self).fit([sample])
            values: Any = spread.completed
            if not inputs.arrays:
                grid = sample.scan_grid
                grid = model_grid(grid, self.voxel_size or grid.voxel_size[0])
                values = Volume(values, grid, table=spread.label_table_)
            found.append(values)
        return found[0] if inputs.single else found

    def predict_block_proba(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probability that a walker from each voxel of a box finds each class first."""
        smooth = smoothed(block, self.sigma_)
        markers, _, bins = self._marked(smooth)
        found = walked(smooth, markers, len(self.shares_), self.beta_)
        np.copyto(found, self.shares_[:, bins], where=found.sum(0) == 0)
        return found


class _Spread(BaseSegmenter):
    """Reads one scan with its labels as `fit` does, and spreads them instead of learning."""

    def __init__(self, walker: RandomWalkerSegmenter) -> None:
        self.walker = walker
        for name in ("voxel_size", "clip", "labels", "max_memory", "scratch"):
            setattr(self, name, getattr(walker, name))
        self.completed: NDArray[np.uint8]

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        self.walker.check()

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:  # noqa: ARG002
        """Spread the labels of the one volume."""
        require_few(len(self.label_table_))
        (volume,) = volumes
        shape, walker = volume.image.shape, self.walker
        completed = np.empty(shape, np.uint8)
        values = np.array([*self.label_table_.values, *[255] * (256 - len(self.label_table_))])
        values = values.astype(np.uint8)
        boxes, reach = boxes_of(shape, _EDGE), radius_of(walker.sigma) + int(walker.margin)
        with task("spreading labels", len(boxes)) as progress:
            for box in boxes:
                outer = widened(box, shape, reach)
                classes = np.asarray(volume.classes[outer])
                seeds = np.where(classes == 255, NOBODY, classes).astype(np.int8)
                if volume.seen is not None:
                    seen = np.broadcast_to(volume.seen, shape)[outer]
                    seeds[~seen] = OUTSIDE
                own = inside(box, outer)
                result = classes[own].copy()
                if (seeds[own] == NOBODY).any():
                    smooth = smoothed(read_image(volume.image, outer), walker.sigma)
                    shares = walked(smooth, seeds, len(self.label_table_), walker.beta)
                    shares = shares[:, *own]
                    spread = (seeds[own] == NOBODY) & (shares.sum(0) > 0)
                    result[spread] = shares.argmax(0)[spread]
                completed[box] = values[result]
                progress.advance(1, volume.name)
        self.completed = completed
