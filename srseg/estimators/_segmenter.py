"""A 2D network over slices, as a scikit-learn estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from srseg.estimators._inputs import read_inputs
from srseg.estimators._network_mixin import NetworkMixin
from srseg.estimators._parameters import check_parameters
from srseg.estimators._training_run import train_segmenter
from srseg.estimators._training_setup import divide, draw_seeds
from srseg.progress import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from srseg.labels import LabelTable
    from srseg.preprocessing import LabelCleaning
    from srseg.training import Augmentation
    from srseg.volumes import Sample


class VolumeSegmenter(NetworkMixin, BaseEstimator):
    """Label every voxel of a scan with a 2D network, slice by slice.

    The network is trained on random patches from slices along all three axes; `predict` labels
    slices along one plane, ``rc``. Fuse more planes with :class:`srseg.MultiAxisEnsemble`.

    Parameters
    ----------
    backbone : str or callable, default="unet"
        ``"unet"`` (the paper's), ``"smp:<architecture>/<encoder>"``, any registered name, or a
        factory called with ``n_classes``, ``width`` and ``depth``.
    width : int, default=32
        Channels of the first convolution, c0 of the paper; doubled per level.
    depth : int, default=3
        Number of encoder blocks, d of the paper.
    input_size : int, default=384
        Edge of the training patches, in pixels.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own, which must agree. Plain arrays are taken to have this voxel size.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    training_planes : {1, 3}, default=3
        Slicing sets that patches are drawn from.
    recipe : {"fast", "paper"}, default="fast"
        Schedule of training: see :func:`srseg.training.get_recipe`.
    max_iter, batch_size, learning_rate, accumulate : optional
        Override the recipe's. `accumulate` is into how many parts a batch is divided that go
        through the network one after the other, where the batch does not fit into memory.
    loss : str, optional
        What training makes small: see :func:`srseg.training.list_losses`; the recipe's where it is
        None.
    label_smoothing : float, default=0.0
        Share of each label that is given to all classes evenly; 0 to less than 1.
    draw : {"uniform", "by class"}, default="uniform"
        Whether each place of a slice is as likely as any other to be in a patch, as in the paper,
        or the middle of a patch is of each class equally often.
    ignore_boundary : float, default=0.0
        Pixels of a patch within so many pixels of another label teach nothing.
    clean_labels : bool or LabelCleaning, default=False
        Whether labels are corrected by the grey values of their scan before they are learned, near
        boundaries and where the degradation layer is cracked; label set HQ is left as it is. The
        labels of held-out samples are corrected too: scores with and without do not compare.
    source_size : int, optional
        Edge in pixels of the square of a slice that a patch shows; `input_size` where it is None,
        so that the full resolution is kept.
    augment : bool or Augmentation, default=True
        The paper's augmentation, none, or one's own.
    validation : "auto", float, int, sequence of Sample or None, default="auto"
        Samples that drive schedule and early stopping and are not trained on: a share or a number
        of subjects, drawn by `random_state`; given samples; or none. ``"auto"`` holds out a fifth
        where there are four subjects or more, else none.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        How networks compute; auto takes bf16 where the processor has it.
    device : str, default="auto"
        Where to train and predict.
    runtime : {"auto", "torch", "compile", "openvino"}, default="auto"
        What runs the network when scans are predicted: see
        :func:`srseg.inference.choose_runtime`.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    start_from : VolumeSegmenter or path, optional
        A fitted segmenter (in a FrozenEstimator where this one is cloned) or a model file that is
        trained on: its weights, label table, clip and voxel size are kept, and must be this one's.
    checkpoint : path, optional
        A file that `fit` writes now and then, and goes on from if it is there, as if it had not
        been stopped or killed. One of another training is refused. It stays when `fit` is done:
        remove it when the model is saved.
    checkpoint_every : float, default=10.0
        Minutes between two times that it is written.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take; without, 0.6 of what
        is free. What is more is read from files while training goes on.
    scratch : path, optional
        A folder for those files.
    random_state : int, RandomState or None, default=None
        Makes training repeatable.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    architecture_ : dict
        Backbone, width and depth of that network.
    clip_ : tuple of float
        Percentiles that scans are clipped to.
    label_table_ : LabelTable
        The classes, in the order of the network's outputs.
    classes_ : ndarray of shape (K,)
        Their values.
    voxel_size_ : float or None
        Edge length of the voxels it was trained on, in µm; None after training on arrays with
        ``voxel_size=None``: then it takes scans as they are.
    domain_ : Domain
        Ranges of voxel size, energy and grey values of the training scans; `predict` warns about
        scans outside of them.
    history_ : History
        Loss and validation IoU during training, and whether it was stopped before its end.
    n_iter_ : int
        Iterations done.
    training_samples_, validation_samples_ : list of str
        Names of the samples trained on and held out; what a model was trained on that this one
        started from is among them.
    training_subjects_ : list of str
        Subjects of the samples trained on, with those that a model was trained on that this one
        started from.
    started_from_ : str or None
        Checksum of the weights that `start_from` had.

    See Also
    --------
    srseg.MultiAxisEnsemble : Fuses the predictions of several planes.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg import VolumeSegmenter
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[4:12, 4:12, 4:12] = 1
    >>> scan = labels * 100.0 + np.random.default_rng(0).normal(size=labels.shape)
    >>> segmenter = VolumeSegmenter(
    ...     width=4, depth=1, input_size=16, max_iter=60, learning_rate=0.02, random_state=0
    ... )
    >>> segmenter.fit([scan], [labels]).score([scan], [labels]) > 0.7
    True
    """

    def __init__(
        self,
        backbone: str | Callable[..., torch.nn.Module] = "unet",
        *,
        width: int = 32,
        depth: int = 3,
        input_size: int = 384,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        training_planes: int = 3,
        recipe: str = "fast",
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        accumulate: int | None = None,
        loss: str | None = None,
        label_smoothing: float = 0.0,
        draw: Literal["uniform", "by class"] = "uniform",
        ignore_boundary: float = 0.0,
        clean_labels: bool | LabelCleaning = False,
        source_size: int | None = None,
        augment: bool | Augmentation = True,
        validation: Literal["auto"] | float | Sequence[Sample] | None = "auto",
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        device: str = "auto",
        runtime: Literal["auto", "torch", "compile", "openvino"] = "auto",
        labels: LabelTable | None = None,
        start_from: VolumeSegmenter | str | Path | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 10.0,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.width = width
        self.depth = depth
        self.input_size = input_size
        self.voxel_size = voxel_size
        self.clip = clip
        self.training_planes = training_planes
        self.recipe = recipe
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accumulate = accumulate
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.draw = draw
        self.ignore_boundary = ignore_boundary
        self.clean_labels = clean_labels
        self.source_size = source_size
        self.augment = augment
        self.validation = validation
        self.precision = precision
        self.device = device
        self.runtime = runtime
        self.labels = labels
        self.start_from = start_from
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VolumeSegmenter:
        """Train on labelled scans.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans. A single array of three axes is one volume. A sample may occur several times
            with different targets (``[*wf, *hq]``); it is held out as a whole.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Labels of each scan; without, each sample's target label set. 255 is ignored.
        sample_weight : sequence of float, optional
            How often slices of each scan are drawn, against those of others; 1 where it is None.

        Returns
        -------
        VolumeSegmenter
            Itself.

        Raises
        ------
        srseg.progress.Stopped
            If it was asked to stop before the end. It is fitted then, with the best weights so far,
            and goes on where there is a `checkpoint`.
        """
        found = train_segmenter(self, X, y, sample_weight)
        architecture = {"backbone": self.backbone, "width": self.width, "depth": self.depth}
        self._adopt(found.network, architecture, found.table, found.voxel_size, self.clip)
        self.history_ = found.history
        self.domain_ = found.domain
        self.n_iter_ = found.history.n_iter
        self.training_samples_ = found.training
        self.validation_samples_ = found.held_out
        self.training_subjects_ = found.subjects
        self.started_from_ = found.started_from
        if found.history.stopped:
            raise Stopped
        return self

    def divide(self, X: Any) -> tuple[list[Sample], list[Sample]]:
        """Tell which samples `fit` would train on and which it would hold out.

        Parameters
        ----------
        X : Dataset, Sample or sequence of them
            The scans.

        Returns
        -------
        training, held_out : list of Sample
            The same as in `fit` where `random_state` is an integer; no subject is in both.

        Raises
        ------
        ParameterError
            If a parameter cannot work with these samples, as in `fit`.
        """
        recipe = check_parameters(self)
        samples = read_inputs(X, voxel_size=self.voxel_size).samples
        return divide(self, samples, recipe, int(draw_seeds(self.random_state)[0]))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write weights, parameters, label table, voxel size and provenance to one file.

        Parameters
        ----------
        path : path
            The file, by custom with the suffix ``.srseg``.
        overwrite : bool, default=False
            Whether an existing file is replaced.
        """
        from srseg.estimators._model_file import save_model

        check_is_fitted(self)
        save_model(self, path, overwrite=overwrite)

    def _adopt(
        self,
        network: torch.nn.Module,
        architecture: dict[str, Any],
        table: LabelTable,
        voxel_size: float | None,
        clip: tuple[float, float],
    ) -> None:
        """Take over a trained network, and what it was trained with."""
        self.network_ = network.cpu().eval()
        self.architecture_ = architecture
        self.clip_ = (float(clip[0]), float(clip[1]))
        self.label_table_ = table
        self.classes_ = np.array(table.values)
        self.voxel_size_ = voxel_size

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False  # samples bring their labels along
        return tags
