"""Predicting and scoring volumes, shared by everything that predicts slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.errors import GridError, LabelError, ParameterError
from srseg.estimators._domain import warn_if_foreign
from srseg.estimators._inputs import read_inputs
from srseg.inference import fuse_settings
from srseg.labels import UNLABELLED
from srseg.metrics import confusion, summarize
from srseg.preprocessing import labels_everywhere, labels_on_grid, prepare, seen_voxels
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.inference import Fusion
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
        table = segmenter.label_table_
        results: list[Any] = []
        inputs = read_inputs(X, voxel_size=segmenter.voxel_size_)
        for sample in inputs.samples:
            fusion, model_grid, seen = self._fuse(sample)
            volume = _labels(fusion, model_grid, seen, table)
            if grid == "scan":
                volume = labels_everywhere(volume, sample.scan_grid)
            results.append(volume.read() if inputs.arrays else volume)
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
            fusion, grid, seen = self._fuse(sample)
            probabilities = fusion.probabilities(0, grid.shape[0])
            if seen is not None:
                probabilities *= seen
            results.append(probabilities)
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
        segmenter, planes, voting = self._voters()
        inputs = read_inputs(X, y, voxel_size=segmenter.voxel_size_, labelled=True)
        counts = [_count(segmenter, sample, planes, voting) for sample in inputs.samples]
        return float(summarize(np.stack(counts)).mean)

    def _fuse(self, sample: Sample) -> tuple[Fusion, Grid, NDArray[np.bool_] | None]:
        segmenter, planes, voting = self._voters()
        fusions, grid, seen = _fuse_settings(segmenter, sample, [(planes, voting)])
        return fusions[0], grid, seen


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
    settings = [(planes, voting) for _, planes, voting in voters]
    fusions, grid, seen = _fuse_settings(segmenter, sample, settings)
    return [_labels(fusion, grid, seen, segmenter.label_table_) for fusion in fusions]


def _labels(
    fusion: Fusion, grid: Grid, seen: NDArray[np.bool_] | None, table: LabelTable
) -> Volume:
    """Give the labels of a sample, 255 where its scan saw nothing."""
    labels = table.to_values(fusion.classes(0, grid.shape[0]))
    if seen is not None:
        np.copyto(labels, UNLABELLED, where=~seen)
    return Volume(labels, grid, table=table)


def _count(
    segmenter: SliceSegmenter, sample: Sample, planes: Sequence[Plane], voting: Any
) -> NDArray[np.int64]:
    """Give the confusion counts of one sample, and let go of its votes."""
    volume = prepared_volume(sample, segmenter.voxel_size_, segmenter.clip_)
    # the truth first: what is wrong with it is found before hours of prediction
    truth = truth_on_grid(sample, volume.grid, segmenter.label_table_)
    seen = seen_voxels(volume, sample.scan_grid)
    if seen is not None:
        np.copyto(truth, UNLABELLED, where=~seen)
    if (truth == UNLABELLED).all():
        raise LabelError(
            f"label set {sample.target} of sample {sample.name} has no labelled voxel to score "
            "against in its field of view"
        )
    image = volume.read().astype(np.float32, copy=False)
    fusion = _fuse_image(segmenter, image, [(planes, voting)])[0]
    predicted = fusion.classes(0, volume.shape[0])
    return confusion(truth, predicted, len(segmenter.label_table_))


def _fuse_settings(
    segmenter: SliceSegmenter, sample: Sample, settings: list[tuple[Sequence[Plane], Any]]
) -> tuple[list[Fusion], Grid, NDArray[np.bool_] | None]:
    volume = prepared_volume(sample, segmenter.voxel_size_, segmenter.clip_)
    image = volume.read().astype(np.float32, copy=False)
    seen = seen_voxels(volume, sample.scan_grid)
    # labels that will be used, and not scores, which tell by themselves how good labels are
    warn_if_foreign(segmenter, sample, image, seen)
    return _fuse_image(segmenter, image, settings), volume.grid, seen


def _fuse_image(
    segmenter: SliceSegmenter,
    image: NDArray[np.float32],
    settings: list[tuple[Sequence[Plane], Any]],
) -> list[Fusion]:
    return fuse_settings(
        segmenter.predict_slices_proba,
        image,
        settings,
        n_classes=len(segmenter.label_table_),
        stride=segmenter.stride,
    )


def prepared_volume(sample: Sample, voxel_size: float | None, clip: tuple[float, float]) -> Volume:
    """Give a sample's scan resampled and normalised: its kept working copy, or made now.

    Parameters
    ----------
    sample : Sample
        The sample.
    voxel_size : float or None
        Edge length of the voxels, in µm; None keeps the scan's.
    clip : tuple of float
        Percentiles to clip to.

    Returns
    -------
    Volume
        Normalised.
    """
    return sample.prepared(voxel_size, clip) or prepare(
        sample.scan, voxel_size=voxel_size, clip=clip
    )


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
    labels = sample.labels()
    where = f"label set {sample.target} of sample {sample.name}"
    if labels.table is not None:
        table.require_same(labels.table, where=where)
    try:
        values = labels_on_grid(labels, grid).read()
    except GridError as error:
        raise GridError(f"{where}: {error}") from None
    try:
        return table.to_index(values, where=where)
    except LabelError as error:
        if labels.table is None:
            raise LabelError(f"{error} (pass labels= to say which classes there are)") from None
        raise


def _in_the_form_of(X: Any, results: list[Any], single: bool) -> Any:
    if single:
        return results[0]
    if isinstance(X, np.ndarray) and X.ndim == 4:
        return np.stack(results)
    return results
