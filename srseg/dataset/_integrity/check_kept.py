"""Texts of which a copy is kept, and that are gone or half written: told of, and mended."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._kept import (
    LOCK,
    copy_of,
    drop_kept,
    half_written,
    lost_texts,
    read_whole,
    settle_kept,
)
from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE
from srseg.errors import InUseError, StorageError
from srseg.storage import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._integrity.mender import Mender
    from srseg.dataset._layout import Layout

_REPAIR = "srseg dataset check --repair"


def kept_problems(layout: Layout) -> Iterator[Problem]:
    """Find texts that are gone though a copy is there, and those whose writing was interrupted."""
    half = half_written(layout)
    if half and layout.in_use(LOCK):
        half = []  # they are being written now
    for path in half:
        yield Problem(
            "unfinished", path, "the writing of it was interrupted", f"Finish it with: {_REPAIR}."
        )
    for path in lost_texts(layout):
        if path in half:
            continue
        advice = f"Bring it back with: {_REPAIR}"
        if is_spared(layout, path):
            advice += (
                "; or, where it was deleted on purpose, say so with: srseg dataset check --accept "
                f"{shlex.quote(str(path))}"
            )
        yield Problem("missing", path, "is gone; srseg kept a copy of it", f"{advice}.")


def is_spared(layout: Layout, path: Path) -> bool:
    """Whether a dataset can do without a text: nothing of srseg reads it."""
    return path != layout.label_table and path.name != DESCRIPTION


def mend_kept(mender: Mender) -> None:
    """Finish texts whose writing was interrupted, and bring back those that are gone."""
    layout = mender.layout
    half, lost = half_written(layout), lost_texts(layout)
    if not half and not lost:
        return
    try:
        with layout.lock(LOCK, timeout=0):
            half, lost = half_written(layout), lost_texts(layout)  # who held it has finished some
            for path in half:
                mender.do(
                    "finished", path, "the writing of it was interrupted",
                    partial(settle_kept, layout, path),
                )  # fmt: skip
            for path in lost:
                if path not in half:
                    mender.do(
                        "finished", path, "was gone; it is again what srseg last wrote",
                        partial(_bring_back, layout, path),
                    )  # fmt: skip
    except InUseError as error:
        for path in (*half, *lost):
            mender.leave(path, str(error))


def forget(layout: Layout, path: Path) -> None:
    """Take it as right that a text was deleted.

    Raises
    ------
    StorageError
        If the dataset cannot do without it.
    """
    if not is_spared(layout, path):
        what = "names the classes" if path.name == LABEL_TABLE else "makes the folder what it is"
        raise StorageError(f"{path} {what} and is needed; bring it back with: {_REPAIR}")
    drop_kept(layout, path)


def _bring_back(layout: Layout, path: Path) -> None:
    write_text(path, read_whole(copy_of(layout, path)))
