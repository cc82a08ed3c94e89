"""nnU-Net's package without its side effects: prints, folders by environment, chance of its own."""

from __future__ import annotations

import contextlib
import io
import os
import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("raw", "preprocessed", "results")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what nnU-Net prints from the standard output, which belongs to whoever calls."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # of libraries that it imports, and of futures of torch
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def import_nnunet() -> Any:
    """Import the parts of nnU-Net that are used; matplotlib keeps the backend that it has.

    Returns
    -------
    module
        `srseg_nnunet._parts`.
    """
    import matplotlib

    backend = matplotlib.get_backend(auto_select=False)
    with quietly():
        from srseg_nnunet import _parts
    if backend is not None:
        matplotlib.use(backend)  # the log of nnU-Net sets another
    return _parts


@contextlib.contextmanager
def its_environment(folder: Path, processes: int) -> Iterator[None]:
    """Tell nnU-Net its folders and numbers of processes, the only way it hears of them.

    Parameters
    ----------
    folder : Path
        Gets its folders.
    processes : int
        That draw patches.

    Yields
    ------
    None
        The environment is what it was when the block ends.
    """
    new = {f"nnUNet_{kind}": str(folder / kind) for kind in KINDS}
    new |= {"nnUNet_n_proc_DA": str(processes), "nnUNet_compile": "f"}
    old = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed in all three places that nnU-Net draws from, and leave them as they were.

    Parameters
    ----------
    seed : int
        The seed.
    device : torch.device
        Where a network is trained.

    Yields
    ------
    None
        The seed is in force until the block ends.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[0] if device.type == "cuda" else []):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
