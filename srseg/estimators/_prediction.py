"""Labelling one scan: planned, run in bounded memory, read in parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from srseg.errors import ParameterError
from srseg.estimators._domain import warn_if_foreign
from srseg.estimators._identity import prediction_facts
from srseg.estimators._predicted_scan import PredictedScan
from srseg.estimators._predictors import predictors_of
from srseg.estimators._seen_boxes import SeenBoxes
from srseg.inference import PlanePrediction, kept_identity
from srseg.labels import UNLABELLED
from srseg.planes import WANTED
from srseg.preprocessing import labels_everywhere, seen_blocks
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.inference import Fused, PredictionPlan, Stages
    from srseg.labels import LabelTable
    from srseg.planes import Plane
    from srseg.volumes import Grid, Region, Sample


class Prediction:
    """A scan that is being labelled; use it in a ``with`` block.

    Nothing of the scan's size need be in memory: labels, probabilities and disagreement are
    computed from the votes as they are read. Where the votes are in memory, so is a copy of 2 bytes
    a voxel of a scan that is not kept prepared: one that is resampled, or read from a file. What is
    read of the result comes on top of it.

    A process that was forked after its parent predicted must not predict: the threads of torch and
    OpenVINO are gone in it. Start workers by ``multiprocessing.get_context("spawn")``.

    Parameters
    ----------
    segmenter : SliceSegmenter
        What predicts slices.
    choices : sequence of (planes, voting)
        What is fused.
    sample : Sample
        The scan.
    grid : {"model", "scan"}, default="model"
        Where the labels lie.
    max_memory : int, optional
        Bytes that this process may have.
    scratch : path, optional
        A folder for this prediction alone, where it goes on after it was stopped.
    restart : bool, default=False
        Whether what lies in the scratch folder is thrown away.
    identity : mapping, optional
        More facts that must be the same for a prediction to go on, plain data. Where a scratch
        folder is used with an estimator whose weights srseg does not know (a plugin's), one of them
        names the model: its name begins with ``model``.

    Raises
    ------
    ParameterError
        If there is a scratch folder and nothing names the model, or `identity` names something that
        srseg finds out by itself.

    See Also
    --------
    srseg.MultiAxisEnsemble.prepare_prediction : Makes one.
    """

    def __init__(
        self,
        segmenter: SliceSegmenter,
        choices: Sequence[tuple[Sequence[Plane], Any]],
        sample: Sample,
        *,
        grid: Literal["model", "scan"] = "model",
        max_memory: int | None = None,
        scratch: Path | None = None,
        restart: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.table: LabelTable = segmenter.label_table_
        self._segmenter = segmenter
        self._sample = sample
        self._on = grid
        self._scratch = None if scratch is None else Path(scratch)
        self._restart = restart
        self._scan = PredictedScan(sample, segmenter.voxel_size_, segmenter.clip_)
        self.grid: Grid = self._scan.shown.grid
        self._identity: dict[str, Any] = {}
        if scratch is not None:
            self._identity = prediction_facts(
                segmenter, sample, self._scan.shown, self._scan.kept, identity or {}
            )
        kept = {} if scratch is None or restart else kept_identity(Path(scratch)) or {}
        predictors = predictors_of(segmenter, len(self.table), kept.get("runtime"))
        self._predictor = predictors[0]
        self._planes = PlanePrediction(
            predictors,
            self.grid.shape,
            choices,
            n_classes=len(self.table),
            stride=segmenter.stride,
            reach=segmenter.reach,
            wanted=seen_blocks(self._scan.shown, sample.scan_grid, WANTED),
            beside=0 if self._scan.cheap else 2 * self.grid.n_voxels,
            max_memory=max_memory,
            scratch=self._scratch,
            identity=self._identity,
            restart=restart,
        )
        self._fused: list[Fused] = []

    @property
    def plan(self) -> PredictionPlan:
        """How it is done and what it takes; the network is tried when it is first asked for."""
        return self._planes.plan

    @property
    def runtime(self) -> str:
        """What runs the network, known for sure when it has run."""
        return str(self._predictor.runtime)

    @property
    def resumes(self) -> bool:
        """Whether the scratch folder holds a prediction that may go on."""
        return self._planes.resumes

    @property
    def stages(self) -> Stages:
        """Where the time went."""
        return self._planes.stages

    def run(self, *, warn: bool = True) -> None:
        """Predict what is not done yet; once all is done, nothing.

        Parameters
        ----------
        warn : bool, default=True
            Whether a scan is compared with those that the model has seen.

        Raises
        ------
        Stopped
            Where it was asked to stop; with a scratch folder, the same prediction goes on later.
        """
        if self._fused:
            return
        self._planes.open()
        image = self._scan.prepared(self._planes.folder, self._identity, restart=self._restart)
        if warn:
            warn_if_foreign(self._segmenter, self._sample, image)

        def read(region: Region) -> NDArray[np.float32]:
            block: NDArray[np.float32] = image.read(region).astype(np.float32, copy=False)
            return block

        self._fused = self._planes.run(read)

    @property
    def labels(self) -> Volume:
        """The labels, read from the votes; 255 outside of the scan's field of view."""
        return self.all_labels()[0]

    def all_labels(self) -> list[Volume]:
        """Give the labels of each choice of planes and voting.

        Returns
        -------
        list of Volume
            Read from the votes; 255 outside of the scan's field of view.
        """
        return [self._placed(fused) for fused in self._require_run()]

    @property
    def entropy(self) -> Volume:
        """How undecided the planes are, uint8: 0 is certain, 255 is all classes alike.

        Outside of the scan's field of view it is 0 and means nothing.
        """
        return self._map(self._require_run()[0].entropy_in)

    @property
    def margin(self) -> Volume:
        """Lead of the most probable class over the second, uint8: 255 is certain, 0 is a tie.

        Outside of the scan's field of view it is 0 and means nothing.
        """
        return self._map(self._require_run()[0].margin_in)

    def read_probabilities(self, start: int, stop: int, choice: int = 0) -> NDArray[np.float32]:
        """Give the fused probabilities of some slices, on the model's grid.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.
        choice : int, default=0
            Which of the choices of planes and voting.

        Returns
        -------
        ndarray of shape (K, stop - start, Y, X), float32
            They add up to 1; 0 for every class outside of the scan's field of view.
        """
        shares = self._require_run()[choice].probabilities(start, stop)
        seen = self.seen(start, stop)
        if seen is not None:
            shares *= seen
        return shares

    def discard(self) -> None:
        """Remove the scratch folder, once the labels stand elsewhere."""
        self._fused = []
        self._scan.close(discard=True)
        self._planes.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._fused = []
        self._scan.close()
        self._planes.close()

    def _require_run(self) -> list[Fused]:
        if not self._fused:
            raise ParameterError(
                "there is nothing to read yet, or no more; call run() first, and read the result "
                "inside of the with block, before discard()"
            )
        return self._fused

    def _placed(self, fused: Fused) -> Volume:
        def values(region: Region) -> NDArray[np.uint8]:
            return self.table.to_values(fused.classes_in(region))

        source = SeenBoxes(values, self._scan.seen, UNLABELLED, self.grid.shape)
        labels = Volume(source, self.grid, table=self.table)
        return labels if self._on == "model" else labels_everywhere(labels, self._sample.scan_grid)

    def _map(self, measure: Callable[[Region], NDArray[np.uint8]]) -> Volume:
        return Volume(SeenBoxes(measure, self._scan.seen, 0, self.grid.shape), self.grid)

    def seen(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Tell which voxels of some slices the scan saw.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of bool or None
            Of shape (stop - start, Y, X), or (1, Y, X); None where every voxel was seen.
        """
        _, rows, columns = self.grid.shape
        return self._scan.seen((slice(start, stop), slice(0, rows), slice(0, columns)))
