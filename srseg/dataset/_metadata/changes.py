"""What would become of the metadata of samples: values as they are, and as they shall be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from srseg.dataset._layout import SampleKey
    from srseg.dataset._metadata.values import MetadataValue


@dataclass(frozen=True)
class MetadataChange:
    """One value that becomes another.

    Parameters
    ----------
    sample : str
        Name of the sample.
    subject : str
        Its subject.
    key : str
        The key, with its unit.
    old : str, int, float, bool or None
        The value so far; None where there was none.
    new : str, int, float, bool or None
        The new value; None takes the key away.
    """

    sample: str
    subject: str
    key: str
    old: MetadataValue | None
    new: MetadataValue | None


@dataclass(frozen=True)
class MetadataChanges:
    """What would change in the metadata of a dataset; nothing is written yet.

    Parameters
    ----------
    changes : tuple of MetadataChange
        In the order of the samples.
    notes : tuple of str
        What is unusual, and what was left as it is although it looks different.
    source : Path or None
        The spreadsheet it comes from.
    """

    changes: tuple[MetadataChange, ...]
    notes: tuple[str, ...] = ()
    source: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the changes as plain data for JSON.

        Returns
        -------
        dict
            Keys ``file``, ``changes`` (each with ``sample``, ``subject``, ``key``, ``old``,
            ``new``) and ``notes``.
        """
        return {
            "file": None if self.source is None else str(self.source),
            "changes": [asdict(change) for change in self.changes],
            "notes": list(self.notes),
        }


def differences(
    key: SampleKey,
    known: Mapping[str, MetadataValue],
    said: Mapping[str, MetadataValue],
    gone: Iterable[str],
) -> Iterator[MetadataChange]:
    """Give what is not yet as it is said, and what is to be taken away."""
    for name, value in said.items():
        if not same(known.get(name), value):
            yield MetadataChange(key.name, key.subject, name, known.get(name), value)
    for name in gone:
        if name in known:
            yield MetadataChange(key.name, key.subject, name, known[name], None)


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal; a spreadsheet shows some nine digits of a number."""
    numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other)]
    if all(numbers) and (isinstance(one, float) or isinstance(other, float)):
        return math.isclose(one, other, rel_tol=1e-8)  # type: ignore[arg-type]
    return one == other and isinstance(one, bool) == isinstance(other, bool)
