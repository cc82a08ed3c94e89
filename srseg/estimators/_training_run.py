"""Training the network of a segmenter: from samples to weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.backbones import create_backbone
from srseg.errors import ParameterError, TrainingError
from srseg.estimators._domain import Domain
from srseg.estimators._identity import model_hash
from srseg.estimators._parameters import bytes_of
from srseg.estimators._randomness import seeded
from srseg.estimators._training_data import load_labelled
from srseg.estimators._training_setup import set_up
from srseg.estimators._volume_store import VolumeStore
from srseg.planes import standard_planes
from srseg.preprocessing import LabelCleaning
from srseg.training import Augmentation, PatchSampler, ValidationSlices, get_loss, train_network

if TYPE_CHECKING:
    import torch

    from srseg.estimators._segmenter import VolumeSegmenter
    from srseg.labels import LabelTable
    from srseg.training import History


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
    subjects : list of str
        Subjects of the samples that were trained on, now or before, each once.
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
    subjects: list[str]
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
    found = set_up(segmenter, X, y, sample_weight)
    training, held_out, table = found.training, found.held_out, found.table
    with seeded(found.seeds[1], found.processes.device):
        network = build_network(segmenter, table)
        if found.start is not None:
            network.load_state_dict(found.start.network_.state_dict())
        store = VolumeStore(
            [*training, *held_out], found.voxel_size, bytes_of(segmenter.max_memory),
            segmenter.scratch, found.processes.n_here,
        )  # fmt: skip
        volumes, judged = load_labelled(
            training, held_out, found.voxel_size, segmenter.clip, table, found.weights, store,
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
            seed=found.seeds[2],
            draw=segmenter.draw,
            boundary=segmenter.ignore_boundary,
        )
        images = ((volume.image, volume.seen) for volume in volumes)
        domain = Domain.of((sample, *image) for sample, image in zip(training, images, strict=True))
        history = train_network(
            network,
            sampler,
            found.recipe,
            n_classes=len(table),
            loss=get_loss(found.recipe.loss, label_smoothing=segmenter.label_smoothing),
            validation=validation,
            device=found.processes.device,
            precision=found.precision,
            checkpoint=found.checkpoint,
            seed=found.seeds[1],
        )
    _require_learned(history, segmenter.ignore_boundary)
    start = found.start
    before = ([], []) if start is None else (start.training_samples_, start.training_subjects_)
    return Trained(
        network,
        table,
        found.voxel_size,
        domain if start is None else domain | start.domain_,
        history,
        list(dict.fromkeys([*before[0], *(sample.name for sample in training)])),
        list(dict.fromkeys(sample.name for sample in held_out)),
        list(dict.fromkeys([*before[1], *(sample.subject for sample in training)])),
        None if start is None else model_hash(start, {}),
    )


def _require_learned(history: History, boundary: float) -> None:
    """Refuse a network that learned nothing, when training has come to its end."""
    if history.stopped or not all(math.isnan(record["loss"]) for record in history.records):
        return
    why = (
        f"all lay within ignore_boundary={boundary:g} pixels of another label; give a smaller one"
        if boundary
        else "label more, or draw more patches"
    )
    raise TrainingError(
        f"none of the patches had a labelled pixel, so that nothing was learned: {why}"
    )


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


def _cleaning(clean_labels: bool | LabelCleaning, table: LabelTable) -> LabelCleaning | None:
    if isinstance(clean_labels, LabelCleaning):
        return clean_labels.for_table(table)
    return LabelCleaning().for_table(table) if clean_labels else None


def _augmentation(augment: bool | Augmentation) -> Augmentation:
    if isinstance(augment, Augmentation):
        return augment
    return Augmentation() if augment else Augmentation.none()
