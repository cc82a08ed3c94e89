"""A 3D V-Net as a segmenter."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal, Self

import torch

from srseg.estimators import BaseSegmenter
from srseg.inference import choose_device, choose_precision
from srseg.progress import Stopped
from srseg.training import History
from srseg_fcn3d._network import LARGEST, STRIDE, restore_vnet
from srseg_fcn3d._parameters import check_parameters, check_prediction
from srseg_fcn3d._training import train_vnet
from srseg_fcn3d._windows import blended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.training import LabelledVolume
    from srseg.volumes import Sample

_WANTED = 128  # voxels that a block is meant to have within its margins, along each axis


class VNetSegmenter(BaseSegmenter):
    """Label every voxel of a scan with a 3D V-Net (Milletari, Navab and Ahmadi 2016).

    MONAI's network: 45.6 million weights, 5x5x5 convolutions, four levels. It learns from boxes
    about voxels of classes that are drawn evenly, with Adam on the sum of cross-entropy and Dice,
    and labels overlapping windows of the same size, which are blended.

    Parameters
    ----------
    input_size : int, default=64
        Edge of boxes and windows in voxels, a multiple of 16 up to 512.
    max_iter : int, default=8000
        Iterations (batches).
    batch_size : int, default=2
        Boxes in a batch; with boxes of 16 voxels at least 2.
    learning_rate : float, default=1e-3
        Adam's largest; it rises over the first tenth and then falls to 0 along a cosine.
    loss : str, default="cross-entropy+dice"
        One of :func:`srseg.training.list_losses`, but not ``"boundary"``.
    dropout : float, default=0.5
        Share of channels that is dropped in the coarser levels while it is trained.
    augment : bool, default=True
        Whether boxes are flipped and turned, and brightness and contrast vary.
    overlap : float, default=0.25
        Share of a window that the next one along an axis shows again; 0 to 0.75.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    validation : "auto", float, int, sequence of Sample or None, default="auto"
        Samples that are held out, and choose the weights that are kept: as for
        :class:`srseg.VolumeSegmenter`.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        How the network computes; auto takes bf16 where the processor has it.
    device : str, default="auto"
        Where to train and predict.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    checkpoint : path, optional
        A file that `fit` writes now and then, and goes on from if it is there.
    checkpoint_every : float, default=10.0
        Minutes between two times that it is written.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what does not fit.
    random_state : int, RandomState or None, default=None
        Makes training repeatable.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    input_size_ : int
        Edge of the boxes that it was trained on.
    history_ : History
        Loss and validation IoU during training, and whether it was stopped before its end.
    n_iter_ : int
        Iterations done.

    Examples
    --------
    >>> VNetSegmenter(input_size=32).reach, VNetSegmenter(input_size=32, overlap=0.5).stride
    (32, 16)
    """

    network_: torch.nn.Module
    input_size_: int
    history_: History
    n_iter_: int

    def __init__(
        self,
        *,
        input_size: int = 64,
        max_iter: int = 8000,
        batch_size: int = 2,
        learning_rate: float = 1e-3,
        loss: str = "cross-entropy+dice",
        dropout: float = 0.5,
        augment: bool = True,
        overlap: float = 0.25,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        validation: Literal["auto"] | float | Sequence[Sample] | None = "auto",
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        device: str = "auto",
        labels: LabelTable | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 10.0,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.input_size = input_size
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.loss = loss
        self.dropout = dropout
        self.augment = augment
        self.overlap = overlap
        self.voxel_size = voxel_size
        self.clip = clip
        self.validation = validation
        self.precision = precision
        self.device = device
        self.labels = labels
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    @property
    def reach(self) -> int:  # type: ignore[override]
        """How far a voxel can influence another: a window, which would lie elsewhere at an end."""
        return self._edge

    @property
    def stride(self) -> int:  # type: ignore[override]
        """Blocks begin at multiples of this, where windows do."""
        return max(1, round(self._edge * (1 - self.overlap)))

    @property
    def block_voxels(self) -> int:
        """How many voxels a block has with its margins."""
        return int((_WANTED + 2 * self.reach) ** 3)

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Give parameters with which it is quick enough to be checked.

        Returns
        -------
        dict
            Of the smallest boxes, for two iterations.
        """
        return {"input_size": 16, "max_iter": 2, "validation": None}

    def check(self) -> None:
        """Refuse parameters that cannot work.

        Raises
        ------
        ParameterError
            If one cannot; the message names it and what is allowed.
        """
        check_parameters(self)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on labelled scans.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans. A single array of three axes is one volume.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Labels of each scan; without, each sample's target label set. 255 is ignored.
        sample_weight : sequence of float, optional
            How often boxes of each scan are drawn, against those of others; 1 where it is None.

        Returns
        -------
        VNetSegmenter
            Itself.

        Raises
        ------
        srseg.progress.Stopped
            If it was asked to stop before the end. It is fitted then, with the best weights so far,
            and goes on where there is a `checkpoint`.
        """
        super().fit(X, y, sample_weight)
        if self.history_.stopped:
            raise Stopped
        return self

    def learn(
        self,
        volumes: Sequence[LabelledVolume],
        rng: np.random.Generator,
        held_out: Sequence[LabelledVolume] = (),
    ) -> None:
        """Train the network.

        Parameters
        ----------
        volumes : sequence of LabelledVolume
            What is trained on.
        rng : numpy.random.Generator
            What chance is drawn from.
        held_out : sequence of LabelledVolume, default=()
            What judges it; without, the last weights are kept.
        """
        self.network_, self.history_ = train_vnet(self, volumes, held_out, rng)
        self.input_size_ = self.input_size
        self.n_iter_ = self.history_.n_iter

    def predict_block_proba(
        self, block: NDArray[np.float32], wanted: Sequence[slice] | None = None
    ) -> NDArray[np.float32]:
        """Give the probability of each class at each voxel of a block.

        Parameters
        ----------
        block : ndarray of shape (Z, Y, X), float32
            Normalised grey values; the block begins at a multiple of `stride`.
        wanted : sequence of slice, optional
            The part of the block that counts; all where it is None.

        Returns
        -------
        ndarray of shape (K, Z, Y, X), float32
            Probabilities; all classes alike where no window was needed.
        """
        device = choose_device(self.device)
        bf16 = choose_precision(self.precision, device) == "bf16"
        network = self.network_.to(device).eval()

        def window(values: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = network(torch.from_numpy(values)[None, None].to(device))
                found: NDArray[np.float32] = logits[0].float().softmax(0).cpu().numpy()
            return found

        return blended(window, block, len(self.label_table_), self._edge, self.stride, wanted)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give weights and history, for a file.

        Returns
        -------
        arrays : dict of str to Tensor
            The network's weights.
        facts : dict of str to object
            Plain data.
        """
        facts = {"input_size": self.input_size_, "history": self.history_.to_dict()}
        return dict(self.network_.state_dict()), facts

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The network's weights.
        facts : mapping of str to object
            Plain data.
        """
        size = facts["input_size"]
        if size not in range(STRIDE, LARGEST + 1, STRIDE):
            raise ValueError(f"boxes of {size!r} voxels: no multiple of {STRIDE} up to {LARGEST}")
        check_prediction(self)
        self.network_ = restore_vnet(len(self.label_table_), arrays)
        self.input_size_ = size
        self.history_ = History.from_dict(facts["history"])
        self.n_iter_ = self.history_.n_iter

    @property
    def _edge(self) -> int:
        return int(getattr(self, "input_size_", self.input_size))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        network = state.get("network_")
        if network is not None and next(network.parameters()).is_cuda:
            # what was pickled beside a GPU is read where there is none
            state["network_"] = copy.deepcopy(network).cpu()
        return state
