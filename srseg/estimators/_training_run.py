"""Training the network of a segmenter: from samples to weights."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.backbones import create_backbone
from srseg.errors import ParameterError
from srseg.estimators._domain import Domain
from srseg.estimators._holdout import hold_out
from srseg.estimators._identity import model_hash
from srseg.estimators._inputs import read_inputs
from srseg.estimators._parameters import bytes_of, check_parameters
from srseg.estimators._randomness import seeded
from srseg.estimators._start import (
    first_table,
    require_voxel_size,
    starting_model,
    warn_of_known,
)
from srseg.estimators._training_data import common_table, common_voxel_size, load_labelled
from srseg.estimators._training_identity import training_circumstances, training_identity
from srseg.estimators._training_memory import require_memory
from srseg.estimators._volume_store import VolumeStore
from srseg.inference import choose_device, choose_precision
from srseg.planes import standard_planes
from srseg.preprocessing import LabelCleaning
from srseg.training import (
    Augmentation,
    Checkpoint,
    PatchSampler,
    ValidationSlices,
    find_processes,
    get_loss,
    train_network,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from srseg.estimators._segmenter import VolumeSegmenter
    from srseg.labels import LabelTable
    from srseg.training import History, Recipe
    from srseg.volumes import Sample


@dataclass(frozen=True)
class Trained:
    """What came out of a training.

    Parameters
    ----------
    network : torch.nn.Module
        With the best weights.
    table : LabelTable
        The classes.
    voxel_size : float or None
        Edge length of the voxels, in µm.
    domain : Domain
        What scans it has seen.
    history : History
        What happened.
    training, held_out : list of str
        Names of the samples, each once; those that a model was trained on before are among them.
    started_from : str or None
        What tells the model that was trained on from others.
    """

    network: torch.nn.Module
    table: LabelTable
    voxel_size: float | None
    domain: Domain
    history: History
    training: list[str]
    held_out: list[str]
    started_from: str | None


def train_segmenter(segmenter: VolumeSegmenter, X: Any, y: Any, sample_weight: Any) -> Trained:
    """Train as the parameters of a segmenter say, and change nothing of it.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The parameters.
    X, y, sample_weight : object
        As `VolumeSegmenter.fit` takes them.

    Returns
    -------
    Trained
        The network and what belongs to it.
    """
    recipe = check_parameters(segmenter)
    start = starting_model(segmenter)
    device = choose_device(segmenter.device)
    precision = choose_precision(segmenter.precision, device)
    inputs = read_inputs(X, y, voxel_size=segmenter.voxel_size, labelled=True)
    seeds = draw_seeds(segmenter.random_state)
    training, held_out = divide(segmenter, inputs.samples, recipe, int(seeds[0]))
    if start is not None and not inputs.arrays:  # whose names are numbers
        warn_of_known(start, held_out)
    weights = _weights(sample_weight, inputs.samples, training)
    table = first_table(start, segmenter.labels) or common_table([*training, *held_out])
    voxel_size = segmenter.voxel_size
    if voxel_size is None and not inputs.arrays:
        voxel_size = common_voxel_size([*training, *held_out])
    if start is not None:
        require_voxel_size(start, voxel_size)
    processes = find_processes(device)
    device = processes.device
    require_memory(segmenter, len(table))
    checkpoint = None
    if segmenter.checkpoint is not None:
        checkpoint = Checkpoint(
            segmenter.checkpoint,
            training_identity(
                segmenter, recipe, training=training, weights=weights, held_out=held_out,
                table=table, voxel_size=voxel_size, precision=precision, seeds=seeds.tolist(),
                start=start,
            ),
            circumstances=training_circumstances(device, processes.n),
            every=segmenter.checkpoint_every,
        )  # fmt: skip
        checkpoint.check()
    with seeded(int(seeds[1]), device):
        network = build_network(segmenter, table)
        if start is not None:
            network.load_state_dict(start.network_.state_dict())
        store = VolumeStore(
            [*training, *held_out], voxel_size, bytes_of(segmenter.max_memory), segmenter.scratch,
            processes.n_here,
        )  # fmt: skip
        volumes, judged = load_labelled(
            training, held_out, voxel_size, segmenter.clip, table, weights, store,
            _cleaning(segmenter.clean_labels, table),
        )  # fmt: skip
        planes = standard_planes(segmenter.training_planes)
        validation = ValidationSlices(judged, planes, stride_of(network)) if judged else None
        del judged  # its slices are copied
        sampler = PatchSampler(
            volumes,
            planes,
            segmenter.input_size,
            _augmentation(segmenter.augment).for_table(table),
            source_size=segmenter.source_size,
            seed=int(seeds[2]),
            draw=segmenter.draw,
            boundary=segmenter.ignore_boundary,
        )
        images = ((volume.image, volume.seen) for volume in volumes)
        domain = Domain.of((sample, *image) for sample, image in zip(training, images, strict=True))
        history = train_network(
            network,
            sampler,
            recipe,
            n_classes=len(table),
            loss=get_loss(segmenter.loss, label_smoothing=segmenter.label_smoothing),
            validation=validation,
            device=device,
            precision=precision,
            checkpoint=checkpoint,
            seed=int(seeds[1]),
        )
    before = [] if start is None else start.training_samples_
    return Trained(
        network,
        table,
        voxel_size,
        domain if start is None else domain | start.domain_,
        history,
        list(dict.fromkeys([*before, *(sample.name for sample in training)])),
        list(dict.fromkeys(sample.name for sample in held_out)),
        None if start is None else model_hash(start, {}),
    )


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


def build_network(segmenter: VolumeSegmenter, table: LabelTable) -> torch.nn.Module:
    """Build a network for a segmenter, which must be able to take its patches.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The parameters.
    table : LabelTable
        The classes.

    Returns
    -------
    torch.nn.Module
        With first weights.
    """
    network = create_backbone(
        segmenter.backbone, n_classes=len(table), width=segmenter.width, depth=segmenter.depth
    )
    size, stride = segmenter.input_size, stride_of(network)
    if size % stride:
        lower = max(stride, size // stride * stride)
        raise ParameterError(
            f"input_size={size} is no multiple of the network's stride, {stride} (2^depth for the "
            f"U-Net); use {lower} or {lower + stride}"
        )
    return network


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


def stride_of(network: torch.nn.Module) -> int:
    """Tell of what height and width of slices are multiples.

    Parameters
    ----------
    network : torch.nn.Module
        The network.

    Returns
    -------
    int
        Pixels.
    """
    stride: int = network.stride  # type: ignore[assignment]
    return stride


def _weights(given: Any, samples: Sequence[Sample], training: Sequence[Sample]) -> list[float]:
    """Give the weights of the training samples, in their order."""
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


def _cleaning(clean_labels: bool | LabelCleaning, table: LabelTable) -> LabelCleaning | None:
    if isinstance(clean_labels, LabelCleaning):
        return clean_labels.for_table(table)
    return LabelCleaning().for_table(table) if clean_labels else None


def _augmentation(augment: bool | Augmentation) -> Augmentation:
    if isinstance(augment, Augmentation):
        return augment
    return Augmentation() if augment else Augmentation.none()
