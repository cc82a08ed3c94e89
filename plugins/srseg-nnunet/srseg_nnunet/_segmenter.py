"""nnU-Net as an estimator."""

from __future__ import annotations

import math
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.estimators import BaseSegmenter
from srseg.inference import choose_device
from srseg.machine import scratch_folder
from srseg_nnunet._cases import DATASET, write_cases
from srseg_nnunet._network import Design, load_weights, weights_of
from srseg_nnunet._package import import_nnunet, its_environment, seeded
from srseg_nnunet._parameters import check_parameters, checkpoint_of
from srseg_nnunet._planning import plan
from srseg_nnunet._predicting import Predictor
from srseg_nnunet._training import make_trainer, train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.training import LabelledVolume

_BYTES = 8  # for each voxel and plane: grey values and labels, twice in part, and places of classes


class NNUNetSegmenter(BaseSegmenter):
    """nnU-Net's 2D configuration, planned, trained and predicted by its own package.

    Fingerprint, plans, preprocessing, augmentation, loss (Dice and cross-entropy with deep
    supervision), optimizer, polynomial rate, blending and mirroring are nnU-Net's [1]_. It trains
    on all that it is given (its fold ``all``): what it is judged by is held out by whoever calls.

    Parameters
    ----------
    max_iter : int, default=250000
        Iterations; the default is nnU-Net's own, 1000 epochs of 250, and takes hours on a GPU.
    input_size : int, optional
        Edge of the training patches in pixels, 16 or more; what nnU-Net plans where it is None.
        nnU-Net rounds it up to what its network can halve, and reduces what does not fit into its
        memory target of 8 GB.
    width : int, optional
        Channels of the first stage, doubled per stage up to 512; 32 where it is None.
    batch_size : int, optional
        Patches of an iteration; what nnU-Net plans where it is None.
    training_planes : {1, 3}, default=3
        Whether slices along all three axes are trained on, for planes that are fused, or along the
        first axis alone, as nnU-Net does.
    mirror : bool, default=True
        Whether each patch is predicted in its four mirrorings, as nnU-Net does; four times as fast
        without.
    n_jobs : int, default=0
        Processes that draw patches beside the network; 0 draws them in between. With a GPU some 8
        keep it busy. A training that was stopped goes on with other patches where this is not 0.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own, which must agree.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    device : {"auto", "cpu", "cuda", …}, default="auto"
        Where to train and predict; of several GPUs nnU-Net takes the first that is visible.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    checkpoint : path, optional
        A file that `fit` writes now and then, and goes on from if it is there. One of another
        training is refused. It stays when `fit` is done.
    checkpoint_every : float, default=10.0
        Minutes between two times that it is written.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what nnU-Net writes while it trains, up to 8 bytes for each voxel and plane;
        it is removed at the end.
    random_state : int, RandomState or None, default=None
        Makes training repeatable, on the CPU and with the same `n_jobs`.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network, in evaluation mode.
    plans_ : dict
        nnU-Net's plans with the 2D configuration.
    losses_ : ndarray of shape (n_iter_,), float32
        The loss of each iteration.
    n_iter_ : int
        Iterations done.
    label_table_, classes_, voxel_size_, clip_, domain_, training_samples_, … : object
        As of every :class:`srseg.estimators.BaseSegmenter`.

    Notes
    -----
    Grey values are clipped and scaled by percentiles of each scan before nnU-Net sees them, as for
    every segmenter of srseg. It is told that its channel is ``CT``, so that it centres and scales
    by mean and deviation of all training scans together, which its plans keep. Its usual way, by
    those of the volume at hand, needs the volume where slices are predicted.

    References
    ----------
    .. [1] F. Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical
       image segmentation", Nature Methods 18, 203-211 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[4:12, 4:12, 4:12] = 1
    >>> nnunet = NNUNetSegmenter(max_iter=1, input_size=16, width=2, random_state=0)
    >>> nnunet.fit([labels * 9.0], [labels]).predict(labels * 9.0).shape
    (16, 16, 16)
    """

    network_: torch.nn.Module
    plans_: dict[str, Any]
    losses_: NDArray[np.float32]
    n_iter_: int

    stride = 1  # the predictor pads
    reach = None  # instance norm: each pixel of a patch sees all of it

    def __init__(
        self,
        *,
        max_iter: int = 250_000,
        input_size: int | None = None,
        width: int | None = None,
        batch_size: int | None = None,
        training_planes: int = 3,
        mirror: bool = True,
        n_jobs: int = 0,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        device: str = "auto",
        labels: LabelTable | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 10.0,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.input_size = input_size
        self.width = width
        self.batch_size = batch_size
        self.training_planes = training_planes
        self.mirror = mirror
        self.n_jobs = n_jobs
        self.voxel_size = voxel_size
        self.clip = clip
        self.device = device
        self.labels = labels
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Give parameters with which it is fitted within a second on tiny volumes.

        Returns
        -------
        dict of str to object
            Parameters by name.
        """
        return {"max_iter": 2, "width": 2, "batch_size": 2, "device": "cpu"}

    def check(self) -> None:
        """Refuse parameters that cannot work.

        Raises
        ------
        ParameterError
            If one cannot; the message names it and what is allowed.
        """
        check_parameters(self)

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:
        """Train on volumes.

        Parameters
        ----------
        volumes : sequence of LabelledVolume
            Grey values in [0, 1] with the class of each voxel.
        rng : numpy.random.Generator
            What the seed is drawn from.

        Raises
        ------
        TrainingError
            If the loss is no longer finite.
        """
        n_classes = len(self.label_table_)
        parts = import_nnunet()
        device = choose_device(self.device)
        seed = int(rng.integers(2**31))
        voxels = sum(math.prod(volume.image.shape) for volume in volumes)
        place = scratch_folder(_BYTES * self.training_planes * voxels, self.scratch)
        with tempfile.TemporaryDirectory(
            prefix="srseg-nnunet-", dir=place, ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            written = write_cases(
                volumes, self.training_planes, n_classes, self.voxel_size_,
                folder / "raw" / DATASET,
            )  # fmt: skip
            checkpoint = checkpoint_of(self, written, seed, device)
            with (
                nullcontext() if checkpoint is None else checkpoint.held(),
                seeded(seed, device),
                its_environment(folder, processes=1),
            ):
                if checkpoint is not None:
                    checkpoint.check()
                plans = plan(
                    parts, folder, written,
                    width=self.width, input_size=self.input_size, batch_size=self.batch_size,
                )  # fmt: skip
                trainer = make_trainer(
                    parts, plans, written.description, int(self.max_iter), device
                )
                losses = train(trainer, parts, written.cases, int(self.n_jobs), checkpoint)
        self.plans_ = plans
        self.losses_ = np.array(losses, np.float32)
        self.n_iter_ = len(losses)
        self.network_ = _network(
            plans, {k: v.cpu() for k, v in weights_of(trainer.network).items()}, n_classes
        )

    def predict_slices_proba(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Label slices.

        Parameters
        ----------
        slices : ndarray of shape (n, H, W), float32
            Grey values in [0, 1].

        Returns
        -------
        ndarray of shape (n, K, H, W), float32
            Probabilities.
        """
        device = choose_device(self.device)
        made = vars(self).get("_made")
        if made is None or made[0] != (device, self.mirror, id(self.network_)):
            parts, n_classes = import_nnunet(), len(self.label_table_)
            network = self.network_
            if device.type != "cpu":  # the model itself stays where it can be kept
                network = _network(self.plans_, weights_of(network), n_classes)
            predictor = Predictor(
                parts, Design(self.plans_), network, self.plans_, n_classes, device,
                mirror=bool(self.mirror),
            )  # fmt: skip
            self._made = made = ((device, self.mirror, id(self.network_)), predictor)
        probabilities: NDArray[np.float32] = made[1](slices)
        return probabilities

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what was learned, for a file.

        Returns
        -------
        arrays : dict of str to Tensor or ndarray
            The network's weights, and the losses.
        facts : dict of str to object
            nnU-Net's plans.
        """
        return {**weights_of(self.network_), "losses": self.losses_}, {"plans": self.plans_}

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave, checked: nothing that a file names is imported or run.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The arrays.
        facts : mapping of str to object
            Plain data.

        Raises
        ------
        ValueError
            If they are not those of such a network.
        """
        weights = {name: torch.from_numpy(np.asarray(a)) for name, a in arrays.items()}
        losses, plans = weights.pop("losses", None), facts.get("plans")
        if losses is None or losses.ndim != 1 or not isinstance(plans, dict):
            raise ValueError("a model of nnU-Net has plans and losses, and this has not")
        self.network_ = _network(plans, weights, len(self.label_table_))
        self.plans_ = plans
        self.losses_ = losses.numpy()
        self.n_iter_ = len(self.losses_)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_made"}


def _network(plans: Mapping[str, Any], weights: Mapping[str, Any], n_classes: int) -> Any:
    network = Design(plans).build(import_nnunet(), n_classes)
    load_weights(network, weights)
    return network
