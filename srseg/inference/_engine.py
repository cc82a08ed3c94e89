"""A volume through the planes, a slab at a time: read, cut, predict, bring back, add up."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from srseg.errors import PluginError
from srseg.inference._stages import Stages
from srseg.machine import ahead
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.inference._votes import Votes
    from srseg.planes import Back, Batch, Cut, Lines, Plane, Slab
    from srseg.volumes import Region

    Read = Callable[[Region], NDArray[np.float32]]

_AHEAD = 3  # batches that are cut while the network is busy with another


class Predictor(Protocol):
    """What gives probabilities for slices, on one device."""

    @property
    def device(self) -> torch.device:
        """Where slices are wanted and probabilities are given."""

    def batch_size(self, height: int, width: int) -> int:
        """Tell how many slices of a size are predicted at a time."""

    def __call__(self, slices: Tensor, /) -> Tensor:
        """Turn slices of shape (n, h, w) into probabilities of shape (n, K, h, w), float32."""


@dataclass(frozen=True)
class Poll:
    """Planes that are asked, and where their votes are counted.

    Parameters
    ----------
    planes : tuple of Plane
        The planes.
    votes : Votes
        Takes what they say of each voxel.
    """

    planes: tuple[Plane, ...]
    votes: Votes


class _Step(NamedTuple):
    """A batch of a slab of a plane."""

    plane: int
    cut: Cut
    slab: Slab
    batch: Batch


def batch_of(predictor: Predictor, cut: Cut) -> int:
    """Tell how many slices of a plane are predicted at a time.

    It depends on the plane and the predictor alone, never on memory, so that results do not.

    Parameters
    ----------
    predictor : Predictor
        What predicts them.
    cut : Cut
        The plane through the volume.

    Returns
    -------
    int
        Number of slices.
    """
    return max(1, predictor.batch_size(*cut.slice_size))


def predict_planes(
    predictors: Sequence[Predictor],
    read: Read,
    cuts: Sequence[Cut],
    polls: Sequence[Poll],
    *,
    thickness: int,
    stages: Stages | None = None,
) -> Stages:
    """Predict the slices of every plane once, and add up what they say (paper, Eqs. 4 and 5).

    Votes that can be resumed begin where they were left.

    Parameters
    ----------
    predictors : sequence of Predictor
        One for each device; batches go to them in turn, and come back in order.
    read : callable
        Gives a box of the normalised volume, float32; it is called in another thread.
    cuts : sequence of Cut
        The planes through the volume, in the order in which they are done.
    polls : sequence of Poll
        The choices of planes and voting; several share what a plane says.
    thickness : int
        Largest number of slices in a slab; rounded down to whole batches.
    stages : Stages, optional
        Where to add the times.

    Returns
    -------
    Stages
        Where the time went.

    Raises
    ------
    Stopped
        Where the work was asked to stop; slabs that were added before stay added.
    PluginError
        If the network gives something that is no number.
    """
    stages = stages or Stages()
    # several choices are never gone on with: votes in memory begin at the beginning
    first = (polls[0].votes.next_plane, polls[0].votes.next_slab)
    carry = polls[0].votes.carry
    device = predictors[0].device
    steps = list(_steps(predictors[0], cuts, thickness))
    left = [step for step in steps if (step.plane, step.slab.number) >= first]
    total, done = (sum(_pixels(step.batch) for step in some) for some in (steps, left))
    with (
        task("predicting", total) as progress,
        _Adding(stages) as adding,
        _predicted(predictors, _cut_ahead(predictors[0], left, read, stages), stages) as answers,
    ):
        if done < total:
            progress.advance(total - done, "goes on")
        back: Back | None = None
        for step, probabilities in zip(left, answers, strict=True):
            takers = [poll for poll in polls if step.cut.plane in poll.planes]
            if back is None:
                ballots = [poll.votes.ballot for poll in takers]
                back = step.cut.back(step.slab, carry, ballots, device)
            with stages.clock("back"):
                _require_finite(probabilities, step)
                back.put(step.batch, probabilities)
            stages.slices += step.batch.stop - step.batch.start
            stages.pixels += _pixels(step.batch)
            if step.batch is step.slab.batches[-1]:
                adding.wait()
                adding.begin(step, takers, back)
                carry, back = back.carry, None
                stages.slabs += 1
            progress.advance(_pixels(step.batch), step.cut.name)
    return stages


def _require_finite(probabilities: Tensor, step: _Step) -> None:
    """Refuse what would become an integer of no meaning, by the sum of the first class."""
    if not math.isfinite(float(probabilities[:, 0].sum())):
        raise PluginError(
            f"the network gave something that is no number for slices {step.batch.start} to "
            f"{step.batch.stop - 1} of {step.cut.name}: its weights are damaged, or "
            "numbers grow too large in this precision (try precision='fp32')"
        )


def _steps(predictor: Predictor, cuts: Sequence[Cut], thickness: int) -> Iterator[_Step]:
    for number, cut in enumerate(cuts):
        batch_size = batch_of(predictor, cut)
        for slab in cut.slabs(max(thickness // batch_size, 1) * batch_size, batch_size):
            for batch in slab.batches:
                yield _Step(number, cut, slab, batch)


def _pixels(batch: Batch) -> int:
    n, height, width = batch.size
    return n * height * width


def _cut_ahead(
    predictor: Predictor, steps: Sequence[_Step], read: Read, stages: Stages
) -> Iterator[Tensor]:
    """Read slabs and cut them into slices in a thread, some batches ahead."""
    lines: Lines | None = None
    slab: Slab | None = None
    device = predictor.device

    def cut(step: _Step) -> Tensor:
        nonlocal lines, slab
        if slab is not step.slab:
            lines = None  # one slab's voxels at a time
            with stages.clock("read"):
                lines = step.cut.read(step.slab, read, device)
            slab = step.slab
        assert lines is not None  # noqa: S101 - read above
        with stages.clock("cut"):
            return lines.slices(step.batch)

    return ahead(cut, steps, threads=1, depth=_AHEAD)


@contextmanager
def _predicted(
    predictors: Sequence[Predictor], slices: Iterator[Tensor], stages: Stages
) -> Iterator[Iterator[Tensor]]:
    """Run batches through one network, or through one on each device in turn."""

    def wait() -> Tensor | None:
        with stages.clock("waited"):
            return next(slices, None)

    def one() -> Iterator[Tensor]:
        while (batch := wait()) is not None:
            with stages.clock("network"):
                answer = predictors[0](batch)
            yield answer

    def several() -> Iterator[Tensor]:
        # a thread for each device, which knows no other
        pools = [ThreadPoolExecutor(1, f"srseg-{p.device}") for p in predictors]
        waiting: deque[Future[Tensor]] = deque()
        home = predictors[0].device
        try:
            number = 0
            while (batch := wait()) is not None:
                turn = number % len(predictors)
                waiting.append(pools[turn].submit(predictors[turn], batch))
                number += 1
                if len(waiting) > len(predictors):
                    with stages.clock("network"):
                        answer = waiting.popleft().result()
                    yield answer.to(home)
            while waiting:
                with stages.clock("network"):
                    answer = waiting.popleft().result()
                yield answer.to(home)
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)

    answers = one() if len(predictors) == 1 else several()
    try:
        yield answers
    finally:
        for generator in (answers, slices):
            generator.close()  # type: ignore[attr-defined]


class _Adding:
    """Adds the votes of a slab in a thread, while the next slab is predicted."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._pool = ThreadPoolExecutor(1, "srseg-add")
        self._pending: Future[None] | None = None

    def begin(self, step: _Step, polls: Sequence[Poll], back: Back) -> None:
        def add() -> None:
            with self._stages.clock("add"):
                for poll, part in zip(polls, back.parts, strict=True):
                    poll.votes.add(step.plane, step.slab, back, part)

        self._pending = self._pool.submit(add)

    def wait(self) -> None:
        """Wait for the slab before, whose failure is ours."""
        pending, self._pending = self._pending, None
        if pending is not None:
            with self._stages.clock("waited"):
                pending.result()

    def __enter__(self) -> _Adding:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # a slab that is being added is finished, whatever happened meanwhile
        self._pool.shutdown(wait=True)
        pending, self._pending = self._pending, None
        failure = None if pending is None else pending.exception()
        if failure is None:
            return
        if isinstance(error, Exception):
            error.add_note(f"The votes before could not be added either: {failure}")
        else:  # also where it was asked to stop: to go on later would fail again
            raise failure
