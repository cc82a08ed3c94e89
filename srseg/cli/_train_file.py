"""The model file that ``srseg train`` makes, and what lies beside it until it is done."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srseg.cli._output import note


@dataclass(frozen=True)
class ModelFile:
    """Where the model goes, and what may be replaced by what.

    Parameters
    ----------
    path : Path
        The model file.
    replace : bool
        Whether what is there may be replaced when training has reached its end.
    own : bool
        Whether what is there, if anything, is of this training, and is replaced by what is better
        when it is stopped again; a model of another one stays until the end.
    """

    path: Path
    replace: bool
    own: bool

    @property
    def checkpoint(self) -> Path:
        """What training goes on from."""
        return self.path.parent / f"{self.path.name}.checkpoint"

    @property
    def _stopped(self) -> Path:
        return self.path.parent / f"{self.path.name}.stopped"

    def keep_best(self, segmenter: Any) -> None:
        """Save the best model so far, where training was stopped after its first iteration."""
        from srseg.estimators import VolumeSegmenter

        if not isinstance(segmenter, VolumeSegmenter):
            # what it was trained for so far is known to its checkpoint alone
            kept = self.checkpoint.exists()
            note(
                f"what was done is kept in {self.checkpoint}, and the same command goes on there"
                if kept
                else "nothing is kept of what was done; the same command begins at the beginning"
            )
            return
        if not (hasattr(segmenter, "network_") and segmenter.n_iter_):
            return
        where = self.path if self.own else self._stopped
        segmenter.save(where, overwrite=True)
        text = f"the best model so far, of iteration {segmenter.history_.best_iter}, is kept in"
        if not self.own:
            note(f"{self.path} is of another training and stays until this one is done")
        note(f"{text} {where}")

    def drop_what_is_done(self) -> None:
        """Remove the checkpoint of the very training that the finished model is of.

        A kill between the two leaves it; that of another training stays.
        """
        from srseg.errors import ModelFileError, StorageError
        from srseg.estimators import load_model
        from srseg.training import Checkpoint, kept_history

        try:
            done = kept_history(self.checkpoint)
            if done is None or not done.records:
                return
            made = getattr(load_model(self.path), "history_", None)
            if made is None or (made.n_iter, made.to_dict()["records"]) != (
                done.n_iter, done.to_dict()["records"],
            ):  # fmt: skip
                return
            with Checkpoint(self.checkpoint, {}).held():
                self.checkpoint.unlink()
        except (ModelFileError, StorageError):
            return  # another one, damaged, or in use: it is not ours to remove

    def finish(self, segmenter: Any) -> None:
        """Save the model, and take away what only going on needed."""
        segmenter.save(self.path, overwrite=self.replace)
        self.checkpoint.unlink(missing_ok=True)
        if _is_stopped(self._stopped):
            self._stopped.unlink()


def model_file(path: Path, *, overwrite: bool, restart: bool) -> ModelFile:
    """Refuse to replace a model, unless it is of a training that was stopped and goes on."""
    from srseg.errors import StorageError
    from srseg.storage import remove_abandoned

    found = ModelFile(path, overwrite, not path.exists())
    goes_on = found.checkpoint.exists() and _is_stopped(path)
    if path.exists() and not overwrite and not goes_on:
        remove_abandoned(path)
        found.drop_what_is_done()
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if path.is_dir():
        raise StorageError(f"{path} is a folder; choose another --out")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise StorageError(f"{path}: the folder {path.parent} cannot be written to")
    # begun anew beside a stopped one, training keeps its best apart from it, also the next time
    own = found.own or (goes_on and not restart and not found._stopped.exists())
    return ModelFile(path, overwrite or goes_on, own)


def _is_stopped(path: Path) -> bool:
    """Tell whether there is a model of a training that was stopped."""
    from srseg.errors import ModelFileError
    from srseg.estimators import load_model

    try:
        history = getattr(load_model(path), "history_", None) if path.is_file() else None
        return bool(getattr(history, "stopped", False))
    except ModelFileError:
        return False
