"""One volume, its planes and one network: planned, predicted, and answered for."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from srseg.errors import NotEnoughMemoryError, ParameterError, SRSegError
from srseg.inference._ballot import Ballot, Voting
from srseg.inference._block import BlockPredictor
from srseg.inference._engine import Poll, batch_of, predict_planes
from srseg.inference._fused import Fused
from srseg.inference._planner import plan_prediction
from srseg.inference._scratch_votes import ScratchVotes
from srseg.inference._stages import Stages
from srseg.inference._votes import MemoryVotes, Votes
from srseg.machine import return_freed_memory, scratch_folder
from srseg.planes import Cut
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from srseg.inference._engine import Read
    from srseg.inference._plan import PredictionPlan
    from srseg.inference._trial import MeasuredPredictor
    from srseg.planes import Plane


def kept_identity(scratch: Path) -> dict[str, Any] | None:
    """Tell what the votes in a scratch folder belong to.

    Parameters
    ----------
    scratch : path
        The folder.

    Returns
    -------
    dict or None
        Plain data; None where there are no votes, or nobody can read what they are of.
    """
    try:
        kept = read_json(scratch / "srseg-votes.json").get("Identity")
    except SRSegError:
        return None
    return kept if isinstance(kept, dict) else None


class PlanePrediction:
    """Label a volume with one network along several planes, in bounded memory.

    Use it in a ``with`` block: leaving it lets go of the votes. With a scratch folder, what was
    done stays there, and the same prediction goes on where it was stopped or killed.

    Parameters
    ----------
    predictors : sequence of MeasuredPredictor
        The network, once for each device.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    choices : sequence of (planes, voting)
        What is fused; each plane is predicted once, however many choices have it.
    n_classes : int
        Number of classes K.
    stride : int, default=1
        What height and width of slices are a multiple of.
    reach : int, optional
        How far a pixel can influence another, in pixels; None for the whole slice.
    wanted : ndarray of bool, optional
        Where labels are wanted, in blocks of ``srseg.planes.WANTED`` voxels; everywhere where it is
        None.
    beside : int, default=0
        Bytes of a copy of the scan that is made, in memory or in the scratch folder as the votes.
    max_memory : int, optional
        Bytes that this process may have; what is free, where it is None.
    scratch : path, optional
        A folder for this prediction alone, made if it is not there; for a single choice.
    identity : mapping, optional
        What the prediction is of (scan, model): plain data, compared before it goes on.
    restart : bool, default=False
        Whether what lies in the scratch folder is thrown away.

    Attributes
    ----------
    cuts : list of Cut
        The planes through the volume.
    stages : Stages
        Where the time went.
    folder : Path or None
        The scratch folder in use; None where the votes lie in memory, and before `open`.

    Raises
    ------
    ParameterError
        If there are several choices and a scratch folder.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.inference import FunctionPredictor
    >>> from srseg.planes import standard_planes
    >>> image = np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5)
    >>> half = FunctionPredictor(lambda x: np.stack([1 - x, x], axis=1), n_classes=2)
    >>> with PlanePrediction(
    ...     [half], image.shape, [(standard_planes(3), "soft")], n_classes=2
    ... ) as prediction:
    ...     fused, = prediction.run(lambda box: image[box])
    ...     bool((fused.classes(0, 3) == (image > 0.5)).all())
    True
    """

    def __init__(
        self,
        predictors: Sequence[MeasuredPredictor],
        shape: tuple[int, int, int],
        choices: Sequence[tuple[Sequence[Plane], Voting]],
        *,
        n_classes: int,
        stride: int = 1,
        reach: int | None = None,
        wanted: NDArray[np.bool_] | None = None,
        beside: int = 0,
        max_memory: int | None = None,
        scratch: Path | None = None,
        identity: Mapping[str, Any] | None = None,
        restart: bool = False,
    ) -> None:
        if scratch is not None and len(choices) != 1:
            raise ParameterError(
                f"a scratch folder is for one choice of planes and voting, found {len(choices)}"
            )
        self.shape = shape
        self.stages = Stages()
        self.folder: Path | None = None
        self._predictors = predictors
        self._beside = beside
        self._max_memory = max_memory
        self._scratch = scratch
        self._restart = restart
        self._exit = ExitStack()
        self._choices = [
            (tuple(planes), Ballot(n_classes, len(planes), voting)) for planes, voting in choices
        ]
        planes = dict.fromkeys(plane for planes, _ in self._choices for plane in planes)
        first = predictors[0]
        self.cuts: list[Cut] = (
            [first.cut(shape, wanted)]  # boxes have no planes
            if isinstance(first, BlockPredictor)
            else [Cut(plane, shape, stride=stride, reach=reach, wanted=wanted) for plane in planes]
        )
        self._identity = dict(identity or {})
        self._kept = None if scratch is None or restart else kept_identity(scratch)
        self._plan: PredictionPlan | None = None
        self._guess: PredictionPlan | None = None
        self._votes: list[Votes] = []
        self._opened: PredictionPlan | None = None
        self._begun = False
        self._fused: list[Fused] = []

    @property
    def resumes(self) -> bool:
        """Whether the scratch folder holds a prediction that may go on."""
        return self._kept is not None

    @property
    def plan(self) -> PredictionPlan:
        """How it is done and what it takes; the network is tried when it is first asked for."""
        if self._plan is None:
            return_freed_memory()
            self._plan = self._planned(trial=True)
        return self._plan

    @property
    def _layout(self) -> PredictionPlan:
        """The plan, for which a guess will do where nobody asked for it and memory is not short."""
        if self._plan is not None or self._max_memory is not None:
            return self.plan
        if self._guess is None:
            try:
                self._guess = self._planned(trial=False)
            except NotEnoughMemoryError:  # it may well need less than is guessed
                return self.plan
        return self._guess

    def _planned(self, *, trial: bool) -> PredictionPlan:
        # what is decided by the memory at hand stays as it was begun
        kept = self._kept if self._kept is not None and self._goes_on(self._kept) else {}
        return plan_prediction(
            self.cuts,
            self._choices,
            self._predictors[0],
            limit=self._max_memory,
            in_scratch=True if self._scratch is not None else None,
            beside=self._beside,
            thickness=kept.get("thickness"),
            edge=kept.get("edge"),
            trial=trial,
        )

    def open(self) -> None:
        """Make ready for the votes: in the scratch folder what was there is checked.

        Raises
        ------
        StorageError
            If there is not enough space, or what lies in the scratch folder cannot go on.
        """
        if self._votes:
            return
        return_freed_memory()
        plan = self._opened = self._layout
        ballots = [ballot for _, ballot in self._choices]
        if plan.votes_in_memory:
            device = self._votes_device(plan)
            self._votes += [MemoryVotes(b, self.shape, plan.edge, device) for b in ballots]
            return
        self.folder = self._scratch or self._own_folder(plan.scratch)
        opened: list[Votes] = []
        for number, ballot in enumerate(ballots):
            # by a name of ours: a copy of the scan refuses a folder with files of others
            folder = self.folder if self._scratch else self.folder / f"srseg-choice-{number}"
            votes = ScratchVotes.open(
                folder, self._facts(plan), ballot, self.shape, plan.edge, restart=self._restart
            )
            opened.append(self._exit.enter_context(votes))
        self._votes = opened  # all of them, or none

    def run(self, read: Read) -> list[Fused]:
        """Predict what is not done yet.

        Parameters
        ----------
        read : callable
            Gives a box of the normalised volume: a tuple of three slices to float32 (z, y, x).

        Returns
        -------
        list of Fused
            What the planes say, for each choice.

        Raises
        ------
        ParameterError
            If it was stopped before, and its votes lay in memory.
        """
        if self._fused:
            return self._fused
        self.open()
        assert self._opened is not None  # noqa: S101 - just opened
        if self._begun and self._opened.votes_in_memory:
            raise ParameterError(
                "this prediction was stopped, and what was done lay in memory; prepare it anew, or "
                "with a scratch folder, where it can go on"
            )
        self._begun = True
        polls = [
            Poll(planes, votes)
            for (planes, _), votes in zip(self._choices, self._votes, strict=True)
        ]
        predict_planes(
            self._predictors, read, self.cuts, polls,
            thickness=self._opened.thickness, stages=self.stages,
        )  # fmt: skip
        self._fused = [Fused(votes) for votes in self._votes]
        return self._fused

    def discard(self) -> None:
        """Remove the scratch folder: the result stands elsewhere."""
        for votes in self._votes:
            if isinstance(votes, ScratchVotes):
                votes.discard()

    def close(self) -> None:
        """Let go of the votes; those in a scratch folder stay there."""
        if self._scratch is None:
            with suppress(OSError):  # their folder is removed as far as it can be
                self.discard()  # nobody goes on with them: they need not reach the disk
        self._votes, self._fused = [], []
        self._exit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _own_folder(self, n_bytes: int) -> Path:
        """Give a folder for a prediction that nobody goes on with, with space for all choices."""
        folder = Path(tempfile.mkdtemp(prefix="srseg-votes-", dir=scratch_folder(n_bytes)))
        self._exit.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _votes_device(self, plan: PredictionPlan) -> torch.device:
        """Votes lie beside the network where there is room for twice of them."""
        device = self._predictors[0].device
        if device.type == "cuda" and plan.votes_in_memory:
            free, _ = torch.cuda.mem_get_info(device)
            per_voxel = sum(ballot.channels * ballot.dtype.itemsize for _, ballot in self._choices)
            if free > 2 * per_voxel * math.prod(self.shape):
                return device
        return torch.device("cpu")

    def _goes_on(self, kept: Mapping[str, Any]) -> bool:
        """Whether votes are of this prediction, but for what a plan decides."""
        ours = json.loads(json.dumps(self._facts_of_all()))
        return all(kept.get(name) == value for name, value in ours.items())

    def _facts_of_all(self) -> dict[str, Any]:
        first = self._predictors[0]
        return {
            **self._identity,
            "planes": [cut.plane.name for cut in self.cuts],
            "device": str(first.device),
            "runtime": first.runtime,
            "precision": first.precision,
            "batch": [batch_of(first, cut) for cut in self.cuts],
        }

    def _facts(self, plan: PredictionPlan) -> dict[str, Any]:
        """Say what must be the same for slabs to be added to those that are there."""
        return {**self._facts_of_all(), "thickness": plan.thickness, "pixels": plan.pixels}
