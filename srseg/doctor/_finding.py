"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["ok", "better", "broken"]

STATES: tuple[State, ...] = ("ok", "better", "broken")
"""How something is: well, could be better, or broken (something will not work)."""

REINSTALL = "install srseg again in a new virtual environment"
"""What to do about packages that are missing or broken."""

BUSY = "try again when the machine and its disks are less busy"
"""What to do about what did not answer in time."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    topic : str
        What was looked at, for example ``"memory"``.
    state : {"ok", "better", "broken"}
        How it is: well, could be better, or broken (something will not work).
    text : str
        What was found, in one line.
    remedy : str, default=""
        What to do, in one line; empty where nothing is to be done.
    facts : mapping, default={}
        The same as plain data, for scripts: bytes, numbers, names.
    """

    topic: str
    state: State
    text: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as plain data for JSON.

        Returns
        -------
        dict
            Keys ``topic``, ``state``, ``text``, ``remedy``, ``facts``.
        """
        return {
            "topic": self.topic,
            "state": self.state,
            "text": self.text,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }


def one_line(text: object) -> str:
    """Bring what an error says onto one line that can be read."""
    words = " ".join(str(text).split())
    return words if len(words) <= 300 else f"{words[:299]}…"


def size(n_bytes: float) -> str:
    """Give a number of bytes for reading: ``26.8 GB``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.3g} {unit}"
