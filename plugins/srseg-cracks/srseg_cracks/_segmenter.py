"""A segmenter that looks twice: for all classes, and then for cracks in one of them."""

from __future__ import annotations

import copy
import numbers
from typing import TYPE_CHECKING, Any, Literal, Self

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from srseg.errors import UnknownNameError
from srseg.progress import Stopped
from srseg_cracks._first import stays, unwrapped
from srseg_cracks._keeping import of_both, pack_stages, unpack_stages
from srseg_cracks._second import drawn, positions
from srseg_cracks._stages import make_stages
from srseg_cracks._two_stages import TwoStages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from srseg.estimators import VolumeSegmenter


class CrackSegmenter(TwoStages):
    """Look for cracks inside the degradation layer with a second network (paper, Discussion).

    A first segmenter labels slices as always. A second network is trained on the same scans, where
    cracks are drawn into the degradation layer of most patches, in image and label. What it says
    counts inside the layer alone: of the probability p that the first gives to the layer, and the
    probability c that the second gives to what cracks are (background), ``max(0, p + c - 1)`` goes
    from the layer to the background. All other probabilities stay as they are. They are soft, so
    that :class:`srseg.MultiAxisEnsemble` fuses them over planes.

    Parameters
    ----------
    estimator : estimator, str, path or None, default=None
        The first: any segmenter that labels slices. It is cloned and fitted; one in a
        ``sklearn.frozen.FrozenEstimator`` is taken as it is, and so is a model file
        (``"wf.srseg"``). A name is looked up as `srseg.estimators.create_segmenter` does. None is a
        `VolumeSegmenter`. What is made by name or of None has this one's backbone, width, depth,
        input_size, recipe, max_iter, batch_size, learning_rate, voxel_size, validation, device,
        precision, runtime, memory and seed, as far as its class knows them.
    cracks : float, default=0.9
        Probability that cracks are drawn into a patch that the second network learns from.
    crack_classes : tuple of (str or int), default=("degradation layer", "background")
        The class that cracks lie in, and the one that they are: names of the label table, or
        positions in it.
    clean_labels : bool, default=True
        Whether the second network learns from labels that were corrected by the grey values
        (:class:`srseg.preprocessing.LabelCleaning`): labels that miss cracks teach to miss them.
    backbone, width, depth, input_size : optional
        The second network, as for `VolumeSegmenter`.
    recipe, max_iter, batch_size, learning_rate : optional
        How it is trained, as for `VolumeSegmenter`.
    voxel_size : float, optional
        Edge length in µm of the voxels that scans are resampled to; without, that of `estimator`
        (5 where that is None).
    validation : "auto", float, int, sequence of Sample or None, default="auto"
        Samples that judge the training and are not trained on, as for `VolumeSegmenter`.
    device, precision, runtime : optional
        Where and how the second network computes.
    max_memory, scratch : optional
        Memory that the training volumes may take, and a folder for what does not fit.
    random_state : int, RandomState or None, default=None
        Makes training repeatable.

    Attributes
    ----------
    estimator_ : estimator
        The fitted first segmenter.
    crack_network_ : VolumeSegmenter
        The second; its `history_` tells how its training went.
    label_table_, classes_, voxel_size_, clip_, domain_ : object
        As for `VolumeSegmenter`; those of `estimator_`, the domain of both.
    training_samples_, validation_samples_, training_subjects_ : list of str
        Those of both.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from srseg import VolumeSegmenter
    >>> from srseg.phantoms import make_phantom
    >>> sample = make_phantom(0, (40, 40, 40), voxel_size=5.0).sample("A")
    >>> tiny = {"width": 2, "depth": 1, "input_size": 32, "max_iter": 3, "random_state": 0}
    >>> first = VolumeSegmenter(**tiny).fit([sample])
    >>> both = CrackSegmenter(FrozenEstimator(first), **tiny).fit([sample])
    >>> both.predict(sample).shape
    (40, 40, 40)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        cracks: float = 0.9,
        crack_classes: tuple[str | int, str | int] = ("degradation layer", "background"),
        clean_labels: bool = True,
        backbone: str = "unet",
        width: int = 32,
        depth: int = 3,
        input_size: int = 384,
        recipe: str = "fast",
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        voxel_size: float | None = None,
        validation: Any = "auto",
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        device: str = "auto",
        runtime: Literal["auto", "torch", "compile", "openvino"] = "auto",
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.cracks = cracks
        self.crack_classes = crack_classes
        self.clean_labels = clean_labels
        self.backbone = backbone
        self.width = width
        self.depth = depth
        self.input_size = input_size
        self.recipe = recipe
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.voxel_size = voxel_size
        self.validation = validation
        self.precision = precision
        self.device = device
        self.runtime = runtime
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Give parameters that make it quick, for checks of the contract.

        Returns
        -------
        dict
            Parameters; the checks' labels have no names.
        """
        return {
            "crack_classes": (2, 0), "width": 2, "depth": 1, "input_size": 8, "max_iter": 2,
            "batch_size": 2,
        }  # fmt: skip

    def check(self) -> None:
        """Refuse parameters that cannot work, and a first stage that is none or is not there."""
        make_stages(self, 0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the first segmenter, unless it is frozen, and then the second network.

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
        CrackSegmenter
            Itself.

        Raises
        ------
        ParameterError
            If a parameter cannot work.
        UnsupportedEstimatorError
            If `estimator` does not label slices.
        UnknownNameError
            If the label table lacks a class of the cracks.
        srseg.progress.Stopped
            If it was asked to stop. While the second network is trained, it is fitted then, with
            the best weights so far.
        """
        first, network = make_stages(self, self._seed())
        network.divide(X)  # what is wrong is found before hours of training
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        first.fit(X, y, **weights)
        bare = unwrapped(first)
        positions(self.crack_classes, bare.label_table_)
        network.set_params(
            voxel_size=bare.voxel_size_, clip=bare.clip_, labels=bare.label_table_,
            augment=drawn(self.cracks, self.crack_classes),
        )  # fmt: skip
        try:
            network.fit(X, y, **weights)
        except Stopped:
            self._adopt(bare, network)
            raise
        self._adopt(bare, network)
        return self

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what was learned, for a file.

        Returns
        -------
        arrays : dict of str to Tensor
            The weights of both, under the names of the stages.
        facts : dict of str to object
            What else a file keeps of each, and whether the first was taken as it was.
        """
        tensors, facts = pack_stages(self.estimator_, self.crack_network_)
        return tensors, {**facts, "frozen": stays(self.estimator)}

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave; what cannot be right is refused with a ValueError.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The weights.
        facts : mapping of str to object
            Plain data.
        """
        first, second = unpack_stages(arrays, facts)
        for name, value in of_both(first, second).items():
            if name in ("label_table_", "voxel_size_", "clip_") and value != getattr(self, name):
                raise ValueError(f"its two stages differ from the model in {name}")
        try:
            positions(self.crack_classes, self.label_table_)
        except UnknownNameError as error:
            raise ValueError(str(error)) from error
        self.estimator = FrozenEstimator(first) if facts["frozen"] else clone(first)
        self.estimator_, self.crack_network_ = first, second

    def packed(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Give what a file keeps.

        Returns
        -------
        document : dict
            Plain data for JSON.
        tensors : dict of str to Tensor
            Copies on the CPU.
        """
        kept = self.state()  # the first stage whole, so that its parameters need not be told twice
        plain = copy.copy(self)
        plain.estimator = None
        if not isinstance(self.validation, (str, numbers.Real, type(None))):
            plain.validation = "auto"  # samples are no part of a model; their names are kept
        plain.state = lambda: kept  # type: ignore[method-assign]
        return super(CrackSegmenter, plain).packed()

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(0, 2**31 - 1))

    def _adopt(self, first: Any, network: VolumeSegmenter) -> None:
        """Take over both stages, and what belongs to them."""
        self.estimator_, self.crack_network_ = first, network
        for name, value in of_both(first, network).items():
            setattr(self, name, value)
