"""What a training needs to know before anything large is read; it refuses what cannot work."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError
from srseg.estimators._holdout import hold_out
from srseg.estimators._inputs import read_inputs
from srseg.estimators._parameters import check_parameters
from srseg.estimators._start import (
    first_table,
    require_voxel_size,
    starting_model,
    warn_of_known,
)
from srseg.estimators._training_data import common_table, common_voxel_size
from srseg.estimators._training_identity import training_circumstances, training_identity
from srseg.estimators._training_memory import require_memory
from srseg.inference import choose_device, choose_precision
from srseg.training import Checkpoint, find_processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from srseg.estimators._segmenter import VolumeSegmenter
    from srseg.labels import LabelTable
    from srseg.training import Processes, Recipe
    from srseg.volumes import Sample


@dataclass(frozen=True)
class TrainingSetup:
    """All that is known of a training before it begins.

    Parameters
    ----------
    recipe : Recipe
        What to train by.
    start : VolumeSegmenter or None
        The model that is trained on.
    processes : Processes
        Who trains together, on which device.
    precision : str
        How the network computes.
    seeds : list of int
        Of who is held out, first weights and dropout, patches.
    training, held_out : list of Sample
        What is trained on and judged by.
    weights : list of float
        How often slices of each training sample are drawn.
    table : LabelTable
        The classes.
    voxel_size : float or None
        Edge length of the voxels, in µm.
    checkpoint : Checkpoint or None
        Where it goes on from; of this training, if it is there.
    """

    recipe: Recipe
    start: VolumeSegmenter | None
    processes: Processes
    precision: str
    seeds: list[int]
    training: list[Sample]
    held_out: list[Sample]
    weights: list[float]
    table: LabelTable
    voxel_size: float | None
    checkpoint: Checkpoint | None


def set_up(segmenter: VolumeSegmenter, X: Any, y: Any, sample_weight: Any) -> TrainingSetup:
    """Find out what `fit` with these arguments is; refuse what cannot work.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The parameters.
    X, y, sample_weight : object
        As `VolumeSegmenter.fit` takes them.

    Returns
    -------
    TrainingSetup
        Nothing is written, and of scans little is read.
    """
    recipe = check_parameters(segmenter)
    start = starting_model(segmenter)
    device = choose_device(segmenter.device)
    precision = choose_precision(segmenter.precision, device)
    inputs = read_inputs(X, y, voxel_size=segmenter.voxel_size, labelled=True)
    seeds = [int(seed) for seed in draw_seeds(segmenter.random_state)]
    training, held_out = divide(segmenter, inputs.samples, recipe, seeds[0])
    if start is not None and not inputs.arrays:  # whose names are numbers
        warn_of_known(start, held_out)
    weights = sample_weights(sample_weight, inputs.samples, training)
    table = first_table(start, segmenter.labels) or common_table([*training, *held_out])
    voxel_size = segmenter.voxel_size
    if voxel_size is None and not inputs.arrays:
        voxel_size = common_voxel_size([*training, *held_out])
    if start is not None:
        require_voxel_size(start, voxel_size)
    processes = find_processes(device)
    require_memory(segmenter, len(table))
    checkpoint = None
    if segmenter.checkpoint is not None:
        advice = {}
        if segmenter.precision == "auto":
            advice["precision"] = (
                f"precision 'auto' is {precision} on this processor; give the other one by name, "
                "--precision (precision=), to go on with that here"
            )
        checkpoint = Checkpoint(
            segmenter.checkpoint,
            training_identity(
                segmenter, recipe, training=training, weights=weights, held_out=held_out,
                table=table, voxel_size=voxel_size, precision=precision, seeds=seeds, start=start,
            ),
            circumstances=training_circumstances(
                segmenter, [*training, *held_out], voxel_size, processes.device, processes.n
            ),
            every=segmenter.checkpoint_every,
            advice=advice,
        )  # fmt: skip
        checkpoint.check()
    return TrainingSetup(
        recipe, start, processes, precision, seeds, training, held_out, weights, table, voxel_size,
        checkpoint,
    )  # fmt: skip


def goes_on_from(
    segmenter: VolumeSegmenter, X: Any, y: Any = None, sample_weight: Any = None
) -> int | None:
    """Tell whether `fit` would go on from a checkpoint, without doing it.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        With its `checkpoint`.
    X, y, sample_weight : object
        As `VolumeSegmenter.fit` takes them.

    Returns
    -------
    int or None
        After how many iterations; None where it would begin at the beginning.

    Raises
    ------
    StorageError
        If the checkpoint is of another training, or damaged: `fit` would refuse it.
    """
    checkpoint = set_up(segmenter, X, y, sample_weight).checkpoint
    found = None if checkpoint is None else checkpoint.read()
    return None if found is None else int(found[0]["history"]["n_iter"])


def divide(
    segmenter: VolumeSegmenter, samples: Sequence[Sample], recipe: Recipe, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into those that are trained on and those that are held out.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        Says how many are held out.
    samples : sequence of Sample
        All samples.
    recipe : Recipe
        What to train by: some recipes need held-out samples.
    seed : int
        Draws the subjects.

    Returns
    -------
    training, held_out : list of Sample
        No subject is in both.
    """
    training, held_out = hold_out(samples, segmenter.validation, seed)
    if recipe.schedule == "plateau" and not held_out:
        raise ParameterError(
            f"recipe={segmenter.recipe!r} lowers its rate by the loss on held-out samples, and "
            f"validation={segmenter.validation!r} holds out none of {len(samples)}; give "
            "validation=1 (a number of subjects), samples, or recipe='fast'"
        )
    return training, held_out


def draw_seeds(random_state: Any) -> NDArray[np.int64]:
    """Draw the seeds of a training: who is held out, first weights and dropout, patches.

    Parameters
    ----------
    random_state : int, RandomState or None
        As scikit-learn takes it.

    Returns
    -------
    ndarray of shape (3,)
        The seeds.
    """
    from sklearn.utils import check_random_state

    seeds: NDArray[np.int64] = check_random_state(random_state).randint(0, 2**31 - 1, 3)
    return seeds


def sample_weights(
    given: Any, samples: Sequence[Sample], training: Sequence[Sample]
) -> list[float]:
    """Give the weights of the training samples, in their order.

    Parameters
    ----------
    given : sequence of float or None
        One for each sample; all 1 where it is None.
    samples, training : sequence of Sample
        All samples, and those of them that are trained on.

    Returns
    -------
    list of float
        One for each training sample.

    Raises
    ------
    ParameterError
        If these are no positive numbers, or not as many as samples.
    """
    if given is None:
        return [1.0] * len(training)
    try:
        found = [given[i] for i in range(len(given))]
    except (TypeError, IndexError, KeyError):
        found = [given]
    if len(found) != len(samples) or not all(_is_weight(value) for value in found):
        raise ParameterError(
            f"sample_weight is a positive number for each of the {len(samples)} scans (2 draws the "
            f"slices of a scan twice as often), found {given!r}"
        )
    subjects = {sample.subject for sample in training}
    return [
        float(weight)
        for sample, weight in zip(samples, found, strict=True)
        if sample.subject in subjects
    ]


def _is_weight(value: Any) -> bool:
    return (
        not isinstance(value, bool)
        and isinstance(value, numbers.Real)
        and 0 < float(value) < math.inf
    )
