"""Predicting and scoring volumes, shared by everything that predicts slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.errors import GridError, LabelError, ParameterError
from srseg.estimators._inputs import read_inputs
from srseg.estimators._parameters import bytes_of
from srseg.estimators._prediction import Prediction
from srseg.labels import UNLABELLED
from srseg.metrics import confusion, summarize
from srseg.preprocessing import labels_on_grid
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.labels import LabelTable
    from srseg.planes import Plane
    from srseg.volumes import Grid, Sample


class VotingMixin:
    """Gives ``predict``, ``predict_proba`` and ``score`` to what can fuse planes.

    A class that uses it offers `_voters`: the slice segmenter, the planes and the voting.
    """

    def _voters(self) -> tuple[SliceSegmenter, Sequence[Plane], Any]:
        raise NotImplementedError

    def predict(self, X: Any, *, grid: Literal["model", "scan"] = "model") -> Any:
        """Label every voxel.

        Parameters
        ----------
        X : Sample, Volume, array of shape (Z, Y, X), or sequence of them
            The scans. Plain arrays are taken to have the model's voxel size; samples and volumes
            are resampled to it.
        grid : {"model", "scan"}, default="model"
            Where the labels lie: on the scan's space with the model's voxel size, or on the scan's
            own voxels, each of which takes the nearest label.

        Returns
        -------
        ndarray of shape (Z, Y, X) uint8, Volume, or a list of them
            Label values: arrays for arrays, volumes for samples and volumes; a list (an array of
            shape (n, Z, Y, X) for an array of four axes) for several. Outside of a scan's field of
            view nobody saw anything: 255 (unlabelled).

        Warns
        -----
        UserWarning
            If voxel size, energy or histogram of a scan are outside of what the model has seen.
        """
        if grid not in ("model", "scan"):
            raise ParameterError(f"grid is 'model' or 'scan', found {grid!r}")
        segmenter, _, _ = self._voters()
        results: list[Any] = []
        inputs = read_inputs(X, voxel_size=segmenter.voxel_size_)
        for sample in inputs.samples:
            with self.prepare_prediction(sample, grid=grid) as prediction:
                prediction.run()
                labels = prediction.labels
                values = labels.read()
            if inputs.arrays:
                results.append(values)
            else:
                results.append(Volume(values, labels.grid, table=labels.table))
        return _in_the_form_of(X, results, inputs.single)

    def predict_proba(self, X: Any) -> Any:
        """Give the fused probability of each class at every voxel.

        Parameters
        ----------
        X : Sample, Volume, array of shape (Z, Y, X), or sequence of them
            The scans, as for `predict`.

        Returns
        -------
        ndarray of shape (K, Z, Y, X) float32, or a list of them
            Mean probabilities (soft voting) or shares of votes (hard), on the model's grid; 0 for
            every class outside of a scan's field of view.
        """
        segmenter, _, _ = self._voters()
        results: list[Any] = []
        inputs = read_inputs(X, voxel_size=segmenter.voxel_size_)
        for sample in inputs.samples:
            with self.prepare_prediction(sample) as prediction:
                prediction.run()
                results.append(prediction.read_probabilities(0, prediction.grid.shape[0]))
        return _in_the_form_of(X, results, inputs.single)

    def score(self, X: Any, y: Any = None) -> float:
        """Give the mean IoU, background left out (paper, Eq. 6).

        A class absent from both truth and prediction of a sample is left out there; the mean is
        over samples, then over classes. Voxels outside of a scan's field of view do not count.

        Parameters
        ----------
        X : Sample, Volume, array of shape (Z, Y, X), or sequence of them
            The scans.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            The truth; without, each sample's target label set.

        Returns
        -------
        float
            Mean IoU in [0, 1].
        """
        segmenter, _, _ = self._voters()
        inputs = read_inputs(X, y, voxel_size=segmenter.voxel_size_, labelled=True)
        counts = [self._count(sample) for sample in inputs.samples]
        return float(summarize(np.stack(counts)).mean)

    def prepare_prediction(
        self,
        sample: Sample,
        *,
        grid: Literal["model", "scan"] = "model",
        max_memory: int | str | None = None,
        scratch: Path | str | None = None,
        restart: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> Prediction:
        """Prepare labelling a scan: to see the plan, to go on later, to read the result in parts.

        Parameters
        ----------
        sample : Sample
            The scan.
        grid : {"model", "scan"}, default="model"
            Where the labels lie, as for `predict`.
        max_memory : int or str, optional
            Memory that this process may have, in bytes or as ``"6GB"``; the ensemble's own where it
            is None.
        scratch : path, optional
            A folder for this prediction alone: what is done is kept there, and the same prediction
            goes on where it was stopped or killed.
        restart : bool, default=False
            Whether what lies in the scratch folder is thrown away.
        identity : mapping, optional
            More facts that must be the same for a prediction to go on, plain data. With a scratch
            folder, a plugin's estimator needs one that names the model, such as
            ``{"model file": checksum}``.

        Returns
        -------
        Prediction
            To be used in a ``with`` block.

        Raises
        ------
        ParameterError
            If there is a scratch folder, and nothing tells the model from others.
        NotEnoughMemoryError
            When its plan is made, if the memory cannot do.
        StorageError
            When it runs, if what lies in the scratch folder is of something else.
        """
        segmenter, planes, voting = self._voters()
        if max_memory is None:
            max_memory = getattr(self, "max_memory", None)
        return Prediction(
            segmenter,
            [(planes, voting)],
            sample,
            grid=grid,
            max_memory=bytes_of(max_memory),
            scratch=None if scratch is None else Path(scratch),
            restart=restart,
            identity=identity,
        )

    def _count(self, sample: Sample) -> NDArray[np.int64]:
        """Give the confusion counts of one sample, and let go of its votes."""
        with self.prepare_prediction(sample) as prediction:
            table = prediction.table
            # the truth first: what is wrong with it is found before hours of prediction
            slabs = _seen_truth(sample, prediction)
            if not sum(int((truth != UNLABELLED).any()) for _, truth in slabs):
                raise LabelError(
                    f"label set {sample.target} of sample {sample.name} has no labelled voxel to "
                    "score against in its field of view"
                )
            prediction.run(warn=False)  # scores tell by themselves how good labels are
            counts = np.zeros((len(table), len(table)), np.int64)
            found = prediction.labels.slabs()
            for (_, values), (_, truth) in zip(found, _seen_truth(sample, prediction), strict=True):
                index = table.to_index(values, where="the prediction")
                counts += confusion(truth, index, len(table))
        return counts


def predict_together(ensembles: Sequence[VotingMixin], sample: Sample) -> list[Volume]:
    """Label one sample by several ensembles of one estimator, predicting each plane once.

    Parameters
    ----------
    ensembles : sequence of fitted MultiAxisEnsemble
        They differ in planes and voting, and share their fitted estimator.
    sample : Sample
        The sample.

    Returns
    -------
    list of Volume
        The labels of each ensemble, the same as its own `predict` gives.

    Raises
    ------
    ParameterError
        If the ensembles do not share one fitted estimator.
    """
    voters = [ensemble._voters() for ensemble in ensembles]
    segmenter = voters[0][0]
    if any(other is not segmenter for other, _, _ in voters):
        raise ParameterError(
            "predict_together needs ensembles of one fitted estimator; wrap it once in a "
            "FrozenEstimator and give that to each of them"
        )
    choices = [(planes, voting) for _, planes, voting in voters]
    with Prediction(segmenter, choices, sample) as prediction:
        prediction.run()
        return [
            Volume(labels.read(), labels.grid, table=labels.table)
            for labels in prediction.all_labels()
        ]


def truth_on_grid(sample: Sample, grid: Grid, table: LabelTable) -> NDArray[np.uint8]:
    """Give a sample's target labels on a grid, as positions in a label table.

    Parameters
    ----------
    sample : Sample
        The sample.
    grid : Grid
        Where the classes are wanted.
    table : LabelTable
        The table; one that the labels bring along must be the same.

    Returns
    -------
    ndarray of uint8
        Positions in the table; 255 where unlabelled.
    """
    classes = np.empty(grid.shape, np.uint8)
    for start, truth in _truth_slabs(sample, grid, table):
        classes[start : start + len(truth)] = truth
    return classes


def _truth_slabs(
    sample: Sample, grid: Grid, table: LabelTable
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    labels = sample.labels()
    where = f"label set {sample.target} of sample {sample.name}"
    if labels.table is not None:
        table.require_same(labels.table, where=where)
    try:
        placed = labels_on_grid(labels, grid)
    except GridError as error:
        raise GridError(f"{where}: {error}") from None
    for start, values in placed.slabs():
        try:
            yield start, table.to_index(values, where=where)
        except LabelError as error:
            if labels.table is None:
                raise LabelError(f"{error} (pass labels= to say which classes there are)") from None
            raise


def _seen_truth(sample: Sample, prediction: Prediction) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Give the truth slab by slab, unlabelled where the scan saw nothing."""
    for start, truth in _truth_slabs(sample, prediction.grid, prediction.table):
        seen = prediction.seen(start, start + len(truth))
        if seen is not None:
            np.copyto(truth, UNLABELLED, where=~seen)
        yield start, truth


def _in_the_form_of(X: Any, results: list[Any], single: bool) -> Any:
    if single:
        return results[0]
    if isinstance(X, np.ndarray) and X.ndim == 4:
        return np.stack(results)
    return results
