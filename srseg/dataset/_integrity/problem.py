"""Something that is wrong with a dataset, and how bad it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KINDS = (
    "damaged",
    "changed",
    "missing",
    "moved",
    "unreadable",
    "values",
    "edited",
    "duplicate",
    "orphan",
    "unfinished",
    "table",
    "extra",
    "unverified",
    "paused",
)
"""The kinds of problems, the most serious first."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Parameters
    ----------
    kind : str
        What sort of problem it is, the most serious first: ``damaged`` (a checksum does not fit),
        ``changed`` (not the file that was registered), ``missing``, ``moved`` (missing, but found
        elsewhere), ``unreadable``, ``values`` (a value that cannot be), ``edited`` (a sidecar or
        text that is not what srseg wrote: edited by hand, or damaged), ``duplicate``, ``orphan``
        (of a sample that is not registered), ``unfinished`` (left by an interrupted writer),
        ``table`` (does not say what the sidecars say), ``extra`` (a file that is nobody's),
        ``unverified`` (nothing is known to compare it with) or ``paused`` (a prediction that goes
        on with the same command); of the last two nothing is wrong.
    path : Path
        The file or folder.
    message : str
        What was found.
    advice : str
        What to do.
    """

    kind: str
    path: Path
    message: str
    advice: str

    @property
    def is_wrong(self) -> bool:
        """Whether something is to be done; what is unverified or paused is told of only."""
        return self.kind not in ("unverified", "paused")

    def to_dict(self) -> dict[str, str]:
        """Give the problem as plain data for JSON.

        Returns
        -------
        dict
            Keys ``kind``, ``path``, ``message``, ``advice``.
        """
        return {k: str(v) for k, v in asdict(self).items()}

    def __str__(self) -> str:
        # one line for each problem, whatever a file is called
        message = self.message.removeprefix(str(self.path)).removeprefix(":").strip()
        return " ".join(f"{self.kind}: {self.path}: {message}. {self.advice}".splitlines())


def by_seriousness(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems: the most serious kind first, and by path within one."""
    return sorted(problems, key=lambda problem: (KINDS.index(problem.kind), problem.path))
