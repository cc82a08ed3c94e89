"""Which class of a label table plays which part in an implant number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srseg.errors import LabelError, UnknownNameError
from srseg.quantification._classes import find_class

if TYPE_CHECKING:
    from srseg.labels import LabelTable


@dataclass(frozen=True)
class ResolvedRoles:
    """The values of the classes that play a part.

    Parameters
    ----------
    bone, layer : int or None
        Value of the bone, and of the degradation layer; None where the table has no such class.
    residual : int
        Value of the metal that is left.
    """

    bone: int | None
    layer: int | None
    residual: int

    @property
    def implant(self) -> tuple[int, ...]:
        """The values that are implant: residual material and degradation layer."""
        return (self.residual,) if self.layer is None else (self.residual, self.layer)


@dataclass(frozen=True)
class Roles:
    """Which classes are bone, degradation layer and residual material.

    The implant is the degradation layer and the residual material together.

    Parameters
    ----------
    bone : str, int or None, default="bone"
        Name, abbreviation or value of the class; None where the table has none.
    layer : str, int or None, default="degradation layer"
        The same for the degradation layer.
    residual : str or int, default="residual material"
        The same for the residual material.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> Roles().resolve(DEFAULT_LABELS)
    ResolvedRoles(bone=1, layer=2, residual=3)
    >>> Roles(layer=None, residual="RM").resolve(DEFAULT_LABELS).implant
    (3,)
    """

    bone: str | int | None = "bone"
    layer: str | int | None = "degradation layer"
    residual: str | int = "residual material"

    def resolve(self, table: LabelTable) -> ResolvedRoles:
        """Find the classes in a table.

        Parameters
        ----------
        table : LabelTable
            The classes of the labels.

        Returns
        -------
        ResolvedRoles
            Their values.

        Raises
        ------
        LabelError
            If the table lacks a class, or one class is to play two parts, or the background one.
        """
        bone, layer = (
            None if wanted is None else _find(table, wanted, role)
            for role, wanted in (("bone", self.bone), ("layer", self.layer))
        )
        residual = _find(table, self.residual, "residual")
        given = [value for value in (bone, layer, residual) if value is not None]
        if len(set(given)) < len(given):
            raise LabelError(
                f"one class cannot be two of bone, layer and residual, found {self!r}; "
                f"{_listed(table)}"
            )
        return ResolvedRoles(bone, layer, residual)


def _find(table: LabelTable, wanted: str | int, role: str) -> int:
    try:
        entry = find_class(table, wanted)
    except UnknownNameError:
        none = f"; give {role}=None (--{role} none) where there is no such class"
        advice = "" if role == "residual" else none
        raise LabelError(
            f"no class {wanted!r} for the role {role!r}; {_listed(table)}{advice}"
        ) from None
    if entry == table.classes[0]:
        raise LabelError(
            f"the role {role!r} cannot be the background {entry.name!r}; {_listed(table)}"
        )
    return entry.value


def _listed(table: LabelTable) -> str:
    return "the label table has " + ", ".join(f"{c.value} ({c.name})" for c in table)
