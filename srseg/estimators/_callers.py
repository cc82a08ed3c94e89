"""Which line of the user's a warning is about."""

from __future__ import annotations

import sys

_OURS = ("srseg.", "srseg_")  # with plugins, by custom


def callers_level() -> int:
    """Give the stacklevel of the first line outside of srseg, the user's own.

    Returns
    -------
    int
        For `warnings.warn`, in the function that calls this one.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        level, frame = level + 1, frame.f_back
    return level
