"""Which class of a dataset a segment of 3D Slicer is, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.errors import LabelError
from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from srseg.labels import LabelTable

_UNLABELLED = "unlabelled"


def values_by_name(
    segments: Iterable[str], table: LabelTable, renamed: Mapping[str, str]
) -> dict[str, int]:
    """Give the value that each segment becomes; those that are no class are left out.

    Parameters
    ----------
    segments : iterable of str
        The names in the file.
    table : LabelTable
        The classes of the dataset.
    renamed : mapping of str to str
        What other segments are: by their name the name, abbreviation or value of a class.

    Returns
    -------
    dict of str to int
        All names of classes are listed, and ``"unlabelled"``.

    Raises
    ------
    LabelError
        If a segment is to become what is no class, or the file has no segment of that name.
    """
    values = {one.name: one.value for one in table} | {_UNLABELLED: UNLABELLED}
    there = list(segments)
    for name, wanted in renamed.items():
        value = _find(wanted, table)
        if value is None:
            raise LabelError(
                f"{wanted!r} is no class of the dataset; it has "
                f"{', '.join(f'{one.value} ({one.name})' for one in table)}, and "
                f"{UNLABELLED} ({_UNLABELLED})"
            )
        if name not in there:
            raise LabelError(
                f"there is no segment {name!r} to map; the file has {', '.join(map(repr, there))}"
            )
        values[name] = value
    for name in there:
        found = _find(name, table) if name not in values else None
        # a number is the name of no class
        if found is not None and not name.isdecimal():
            values[name] = found
    return values


def _find(text: str, table: LabelTable) -> int | None:
    """Find a class by name, abbreviation or value; upper and lower case are one."""
    wanted = text.casefold()
    if wanted in (_UNLABELLED, str(UNLABELLED)):
        return UNLABELLED
    ways = (
        [one for one in table if one.name.casefold() == wanted],
        [one for one in table if one.abbreviation.casefold() == wanted],
        [one for one in table if str(one.value) == wanted],
    )
    return next((found[0].value for found in ways if found), None)
