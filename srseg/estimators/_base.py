"""What segmenters other than the network's are made of, those of plugins above all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from srseg.estimators._domain import Domain
from srseg.estimators._holdout import hold_out
from srseg.estimators._inputs import read_inputs
from srseg.estimators._kept_mixin import KeptMixin, is_fitted
from srseg.estimators._parameters import bytes_of, check_common
from srseg.estimators._training_data import common_table, common_voxel_size, load_labelled
from srseg.estimators._training_setup import sample_weights
from srseg.estimators._volume_store import VolumeStore
from srseg.estimators._voting import VotingMixin
from srseg.planes import standard_planes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.labels import LabelTable
    from srseg.planes import Plane
    from srseg.training import LabelledVolume


class BaseSegmenter(KeptMixin, VotingMixin, BaseEstimator):
    """A segmenter of one's own: say how to learn from volumes, and how to label a part of one.

    A class made of it has ``__init__`` with parameters by keyword, stored as they are, as
    scikit-learn wants it; `learn`; and one of two ways to predict. With

    ``predict_block_proba(block)``
        a box of the scan, float32 of shape (Z, Y, X), is turned into probabilities of shape
        (K, Z, Y, X); it is labelled once, block by block, each with `reach` voxels about it and
        of some `block_voxels` in all. With a second parameter ``wanted=None`` it is told which
        slices of the block are labelled, and need not work for the rest;

    ``predict_slices_proba(slices)``
        slices of shape (n, H, W) are turned into (n, K, H, W), as networks do it, and
        :class:`srseg.MultiAxisEnsemble` fuses several planes; H and W are multiples of `stride`.

    Everything else is here: reading what users give as X and y, resampling and normalisation,
    `predict`, `predict_proba` and `score` in bounded memory, and files.

    Of these parameters a class lists in its own ``__init__`` those that its users may set, under
    these names; it takes them to be as here where it does not. One that also has ``validation``, as
    :class:`srseg.VolumeSegmenter` has it, is given the volumes of those samples that are held out
    in ``learn(volumes, rng, held_out)``.

    Parameters
    ----------
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own, which must agree. Plain arrays are taken to have this voxel size.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what does not fit.
    random_state : int, RandomState or None, default=None
        Makes fitting repeatable.

    Attributes
    ----------
    label_table_ : LabelTable
        The classes, in the order of the probabilities.
    classes_ : ndarray of shape (K,)
        Their values.
    voxel_size_ : float or None
        Edge length of the voxels it was fitted on, in µm.
    clip_ : tuple of float
        Percentiles that scans are clipped to.
    domain_ : Domain
        Ranges of what the training scans are like; `predict` warns about others.
    training_samples_, validation_samples_ : list of str
        Names of the samples fitted on, and of those that judged it.
    training_subjects_ : list of str
        Subjects of the samples fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> class Brighter(BaseSegmenter):
    ...     def __init__(self, level=0.5):
    ...         self.level = level
    ...
    ...     reach = 0
    ...
    ...     def learn(self, volumes, rng):
    ...         pass
    ...
    ...     def predict_block_proba(self, block):
    ...         return np.stack([block <= self.level, block > self.level]).astype(np.float32)
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[4:12, 4:12, 4:12] = 1
    >>> Brighter(level=0.4).fit([labels * 100.0], [labels]).score([labels * 100.0], [labels])
    1.0
    """

    label_table_: LabelTable
    classes_: Any
    voxel_size_: float | None
    clip_: tuple[float, float]
    domain_: Domain
    training_samples_: list[str]
    validation_samples_: list[str]
    training_subjects_: list[str]

    stride: int = 1
    """Height and width of slices are a multiple of this, or where in the volume blocks begin."""
    reach: int | None = None
    """How far a voxel can influence another, in voxels; None for all of a slice or a volume."""

    def __init__(
        self,
        *,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        labels: LabelTable | None = None,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.voxel_size = voxel_size
        self.clip = clip
        self.labels = labels
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Give parameters with which it is fitted within seconds on volumes of some 16 voxels.

        ``srseg plugins check`` takes these.

        Returns
        -------
        dict of str to object
            Parameters by name; without any, those that it has by default.
        """
        return {}

    def check(self) -> None:
        """Refuse parameters that cannot work, with a ParameterError; called first in `fit`."""

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:
        """Learn from volumes: store what was found in attributes that end in an underscore.

        Parameters
        ----------
        volumes : sequence of LabelledVolume
            Grey values in [0, 1] and positions in ``self.label_table_``, 255 where unlabelled;
            both are read by boxes (``volume.image[z0:z1, :, :]``), and may be larger than memory.
        rng : numpy.random.Generator
            What chance is drawn from.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it learns; give learn")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit on labelled scans.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans. A single array of three axes is one volume.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Labels of each scan; without, each sample's target label set. 255 is ignored.
        sample_weight : sequence of float, optional
            How much each scan counts against others; 1 where it is None.

        Returns
        -------
        BaseSegmenter
            Itself.
        """
        common = self._common_parameters()
        check_common(**common)
        self.check()
        voxel_size, clip = common["voxel_size"], common["clip"]
        inputs = read_inputs(X, y, voxel_size=voxel_size, labelled=True)
        samples = inputs.samples
        random = check_random_state(common["random_state"])
        seed = random.randint(0, 2**31 - 1)
        held_out: list[Any] = []
        judged_by = hasattr(self, "validation")
        if judged_by:
            samples, held_out = hold_out(samples, self.validation, random.randint(0, 2**31 - 1))
        used = [*samples, *held_out]
        weights = sample_weights(sample_weight, inputs.samples, samples)
        table = common["labels"] or common_table(used)
        if voxel_size is None and not inputs.arrays:
            voxel_size = common_voxel_size(used)
        store = VolumeStore(used, voxel_size, bytes_of(common["max_memory"]), common["scratch"])
        volumes, judges = load_labelled(samples, held_out, voxel_size, clip, table, weights, store)
        for name in [name for name in vars(self) if is_fitted(name)]:
            delattr(self, name)
        self.label_table_ = table
        self.voxel_size_ = voxel_size
        self.clip_ = (float(clip[0]), float(clip[1]))
        self.learn(volumes, np.random.default_rng(seed), *([judges] if judged_by else []))
        images = ((volume.image, volume.seen) for volume in volumes)
        self.domain_ = Domain.of((sample, *i) for sample, i in zip(samples, images, strict=True))
        self.training_samples_ = list(dict.fromkeys(sample.name for sample in samples))
        self.validation_samples_ = list(dict.fromkeys(sample.name for sample in held_out))
        self.training_subjects_ = list(dict.fromkeys(sample.subject for sample in samples))
        self.classes_ = np.array(table.values)
        return self

    @property
    def description(self) -> str:
        """How a volume is labelled, in letters: ``volume``, without planes to fuse."""
        return "volume"

    def _common_parameters(self) -> dict[str, Any]:
        return {
            "voxel_size": getattr(self, "voxel_size", 5.0),
            "clip": getattr(self, "clip", (0.5, 99.9)),
            "labels": getattr(self, "labels", None),
            "max_memory": getattr(self, "max_memory", None),
            "scratch": getattr(self, "scratch", None),
            "random_state": getattr(self, "random_state", None),
        }

    def _voters(self) -> tuple[Any, Sequence[Plane], Any]:
        check_is_fitted(self)
        return self, standard_planes(1), "soft"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False  # samples bring their labels along
        return tags
