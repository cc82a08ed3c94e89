"""Which class of a table is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.errors import UnknownNameError

if TYPE_CHECKING:
    from srseg.labels import LabelClass, LabelTable


def find_class(table: LabelTable, wanted: str | int) -> LabelClass:
    """Find a class by its name, abbreviation or value.

    Parameters
    ----------
    table : LabelTable
        The classes there are.
    wanted : str or int
        Which is meant; capital letters do not matter.

    Returns
    -------
    LabelClass
        The class.

    Raises
    ------
    UnknownNameError
        If the table has none such; lists what it has.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> find_class(DEFAULT_LABELS, "dl").name
    'degradation layer'
    """
    text = str(wanted).strip().lower()
    for one in table:
        known = {one.name.lower(), one.key, one.abbreviation.lower(), str(one.value)} - {""}
        if text in known:
            return one
    listed = ", ".join(f"{c.name} ({c.abbreviation}, {c.value})" for c in table)
    raise UnknownNameError(f"the label table has no class {wanted!r}; it has: {listed}")
