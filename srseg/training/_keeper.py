"""Keeping the state of a training in its checkpoint, and taking it up from there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from srseg.errors import StorageError

if TYPE_CHECKING:
    from srseg.training._checkpoint import Checkpoint
    from srseg.training._state import TrainingState


class Keeper:
    """What a training tells when its state is worth keeping.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Where it is kept; nowhere where it is None.
    state : TrainingState
        Where the training is.
    writes : bool
        Whether this process is the one that writes.
    """

    def __init__(self, checkpoint: Checkpoint | None, state: TrainingState, writes: bool) -> None:
        self._checkpoint, self._state, self._writes = checkpoint, state, writes
        self._kept = 0  # iterations that the checkpoint has

    @property
    def due(self) -> bool:
        """Whether it is time to write it again."""
        return self._checkpoint is not None and self._checkpoint.due

    def resume(self) -> None:
        """Take up what the checkpoint holds, if there is one.

        Raises
        ------
        StorageError
            If it is of another training.
        """
        found = None if self._checkpoint is None else self._checkpoint.read()
        if self._checkpoint is None or found is None:
            return
        try:
            self._state.unpack(*found)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise StorageError(
                f"{self._checkpoint.path} does not fit this network ({reason}); begin anew with "
                "--restart (from Python: remove the file)"
            ) from error
        self._kept = self._state.history.n_iter

    def write(self) -> None:
        """Write it; what is in memory is worth more than a checkpoint that cannot be written.

        Warns
        -----
        UserWarning
            If it cannot be written.
        """
        if self._checkpoint is None or not self._writes:
            return
        done = self._state.history.n_iter
        try:
            self._checkpoint.write(*self._state.pack())
        except OSError as error:
            warnings.warn(
                f"{error.strerror or error}; of {done} iterations that were done, the checkpoint "
                f"has {self._kept}",
                stacklevel=5,
            )
        else:
            self._kept = done
