"""Labels that grow from where the grey value tells the class, up to the edges between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg_classical._brightness import check_whole, radius_of, smoothed
from srseg_classical._flood import NOBODY, flooded
from srseg_classical._markers import MarkerSegmenter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelTable


class WatershedSegmenter(MarkerSegmenter):
    """A watershed from markers: sure voxels grow over the gradient until they meet.

    Learned are the shares of the classes at each grey value, and how steep the scans are. A voxel
    is a marker where one class has a share of `certainty` at its grey value, and the gradient is
    among the `flat` share of all. The markers flood the magnitude of the gradient; what no flood
    reaches within `steps` voxels takes the most likely class of its grey value.

    A class that has nowhere a share of `certainty`, because others are of the same grey values, has
    no markers, is hardly ever predicted, and is named in a warning. Probabilities are 1 for the
    class of a voxel: a watershed has no doubts.

    Parameters
    ----------
    certainty : float, default=0.6
        Share of its class at the grey value of a marker, of 0.5 to 1.
    flat : float, default=0.6
        Share of all labelled voxels that are flat enough for a marker.
    sigma : float, default=1.0
        Standard deviation in voxels of the Gaussian that scans are smoothed with, for grey values
        and gradient; 0 for none.
    steps : int, default=16
        How many voxels a marker grows at most.
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
        The gradient magnitude that a marker has at most, per voxel.
    certainty_, sigma_, steps_ : float
        What the fit used; parameters that are set later are those of the next fit.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[:, 4:, :], labels[:, 10:, :] = 1, 2
    >>> model = WatershedSegmenter().fit([100.0 * labels], [labels])
    >>> model.score([100.0 * labels], [labels])
    1.0
    """

    block_voxels = 4_000_000
    used = ("certainty", "sigma", "steps")
    steps_: int

    def __init__(
        self,
        certainty: float = 0.6,
        flat: float = 0.6,
        sigma: float = 1.0,
        steps: int = 16,
        *,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        labels: LabelTable | None = None,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
    ) -> None:
        self.certainty = certainty
        self.flat = flat
        self.sigma = sigma
        self.steps = steps
        self.voxel_size = voxel_size
        self.clip = clip
        self.labels = labels
        self.max_memory = max_memory
        self.scratch = scratch

    @property
    def reach(self) -> int:  # type: ignore[override]
        """How far a voxel can influence another: one voxel for the gradient."""
        return radius_of(self.kept("sigma")) + 1 + int(self.kept("steps"))

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        super().check()
        check_whole("steps", self.steps, 1, 100)

    def predict_block_proba(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Label a box: 1 for the class of each voxel."""
        markers, steepness, bins = self._marked(smoothed(block, self.sigma_))
        found = flooded(steepness, markers, int(self.steps_))
        np.copyto(found, self._likely()[bins], where=found == NOBODY)
        classes = np.arange(len(self.shares_), dtype=np.int8).reshape(-1, 1, 1, 1)
        return np.asarray(found == classes, np.float32)
