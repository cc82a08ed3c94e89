"""What the values of a label volume mean.

A :class:`LabelTable` lists the classes of a study: value, name, abbreviation and colour. It travels
with every label file and every model; a volume with a value that the table lacks is refused, and no
class is ever renumbered. The four classes of the paper are the default, not a constant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["DEFAULT_LABELS", "UNLABELLED", "LabelClass", "LabelTable"]

UNLABELLED = 255
"""The value of a voxel nobody has labelled: ignored by loss, IoU and counts."""

_PIECE = 2**22  # voxels
_CACHED = 2**18  # voxels that stay in the cache of a core

# Okabe and Ito's colours, which colour-blind readers can tell apart, then Tol's muted ones
_PALETTE = (
    "#000000", "#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#0072b2", "#d55e00",
    "#88ccee", "#44aa99", "#117733", "#332288", "#ddcc77", "#999933", "#cc6677", "#882255",
)  # fmt: skip


@dataclass(frozen=True)
class LabelClass:
    """One class of a study.

    Parameters
    ----------
    value : int
        The voxel value, 0 to 254.
    name : str
        The name, for example ``"degradation layer"``.
    abbreviation : str, default=""
        A short name for table heads, for example ``"DL"``.
    color : str, default="#000000"
        The colour as ``#rrggbb``.
    """

    value: int
    name: str
    abbreviation: str = ""
    color: str = "#000000"

    @property
    def key(self) -> str:
        """The name as a key for JSON: ``"degradation layer"`` gives ``"degradation_layer"``."""
        return re.sub(r"[^0-9a-z]+", "_", self.name.lower()).strip("_") or f"class_{self.value}"

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three numbers of 0 to 255."""
        return tuple(bytes.fromhex(self.color[1:]))  # type: ignore[return-value]


class LabelTable:
    """The classes of a study, in the order of their values.

    The class of the smallest value is the background: it is predicted like any other, and left out
    of the mean IoU.

    Parameters
    ----------
    classes : iterable of LabelClass
        At least two, with distinct values of 0 to 254 and distinct names.

    Raises
    ------
    LabelError
        If there are fewer than two classes, or values or names repeat or are out of range.

    Examples
    --------
    >>> DEFAULT_LABELS.names
    ('background', 'bone', 'degradation layer', 'residual material')
    >>> DEFAULT_LABELS.to_index(np.array([0, 3, 255], np.uint8))
    array([  0,   3, 255], dtype=uint8)
    """

    def __init__(self, classes: Iterable[LabelClass]) -> None:
        self.classes = tuple(sorted(classes, key=lambda c: c.value))
        _check(self.classes)

    @classmethod
    def from_values(cls, values: Iterable[int]) -> LabelTable:
        """Make a table with names such as ``class 2`` for bare values.

        Parameters
        ----------
        values : iterable of int
            The values in use; 255 (unlabelled) is left out.

        Returns
        -------
        LabelTable
            The smallest value is called ``background``.
        """
        used = sorted({int(v) for v in values} - {UNLABELLED})
        return cls(
            LabelClass(
                v,
                f"class {v}" if i else "background",
                str(v) if i else "BG",
                _PALETTE[i % len(_PALETTE)],
            )
            for i, v in enumerate(used)
        )

    @property
    def values(self) -> tuple[int, ...]:
        """The voxel values, in ascending order."""
        return tuple(c.value for c in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the values."""
        return tuple(c.name for c in self.classes)

    @property
    def foreground(self) -> tuple[LabelClass, ...]:
        """All classes but the background."""
        return self.classes[1:]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LabelClass]:
        return iter(self.classes)

    def __eq__(self, other: object) -> bool:
        # colours and abbreviations are how a table looks, values and names are what it says
        if not isinstance(other, LabelTable):
            return NotImplemented
        return self.values == other.values and self.names == other.names

    def __hash__(self) -> int:
        return hash((self.values, self.names))

    def __repr__(self) -> str:
        return f"LabelTable({', '.join(f'{c.value}={c.name}' for c in self.classes)})"

    def check(self, labels: NDArray[Any], *, where: str = "labels") -> None:
        """Refuse labels with a value that the table lacks.

        Parameters
        ----------
        labels : ndarray of integers
            Any shape; 255 is allowed everywhere.
        where : str, default="labels"
            The name of the file or array, for the message.

        Raises
        ------
        LabelError
            If the array is not of integers or holds a value that is not in the table.
        """
        if labels.dtype.kind not in "iub":
            raise LabelError(
                f"{where}: labels must be integers, found {labels.dtype}; "
                "save the label volume as 8-bit integers"
            )
        if labels.dtype == np.uint8:
            flat = labels.reshape(-1)
            if self._has_none_but_ours(flat):
                return
            # 30 times faster than unique; piece by piece, because it widens each voxel to 8 bytes
            counts = np.zeros(256, np.int64)
            for start in range(0, flat.size, _PIECE):
                counts += np.bincount(flat[start : start + _PIECE], minlength=256)
            found = set(np.flatnonzero(counts).tolist())
        else:
            found = set(np.unique(labels).tolist())
        unknown = sorted(found - set(self.values) - {UNLABELLED})
        if unknown:
            shown = ", ".join(str(v) for v in unknown[:8]) + (" …" if len(unknown) > 8 else "")
            allowed = ", ".join(f"{c.value} ({c.name})" for c in self.classes)
            raise LabelError(
                f"{where}: value {shown} is not in the label table; allowed are {allowed} and "
                f"{UNLABELLED} (unlabelled). Correct the file, or add the class to the table"
            )

    def _has_none_but_ours(self, flat: NDArray[np.uint8]) -> bool:
        """Whether all values are in the table; for values without gaps, 20 times faster."""
        if self.values != tuple(range(len(self))):
            return False
        # one more: unlabelled, 255, becomes 0, and what is in the table is at most its length
        pieces = (flat[i : i + _CACHED] for i in range(0, flat.size, _CACHED))
        return all((piece + np.uint8(1)).max() <= len(self) for piece in pieces)

    def to_index(self, labels: NDArray[Any], *, where: str = "labels") -> NDArray[np.uint8]:
        """Give each voxel the position of its class in the table (a network's output channel).

        Parameters
        ----------
        labels : ndarray of integers
            Voxel values, any shape.
        where : str, default="labels"
            The name of the file or array, for the message.

        Returns
        -------
        ndarray of uint8, of the same shape
            0 to ``len(table) - 1``, and 255 where unlabelled.
        """
        self.check(labels, where=where)
        lookup = np.full(256, UNLABELLED, np.uint8)
        lookup[list(self.values)] = np.arange(len(self), dtype=np.uint8)
        index: NDArray[np.uint8] = lookup[labels.astype(np.uint8, copy=False)]
        return index

    def to_values(self, index: NDArray[Any]) -> NDArray[np.uint8]:
        """Turn positions in the table back into voxel values; the inverse of `to_index`.

        Parameters
        ----------
        index : ndarray of integers
            Positions in the table, any shape; 255 stays 255.

        Returns
        -------
        ndarray of uint8, of the same shape
            Voxel values.
        """
        lookup = np.full(256, UNLABELLED, np.uint8)
        lookup[: len(self)] = self.values
        # an array of bool would select, not look up
        values: NDArray[np.uint8] = lookup[index.astype(np.uint8) if index.dtype == bool else index]
        return values

    def require_same(self, other: LabelTable, *, where: str) -> None:
        """Refuse another table, naming the first difference.

        Parameters
        ----------
        other : LabelTable
            The table to compare with.
        where : str
            Whose table `other` is, for the message.

        Raises
        ------
        LabelError
            If the two tables differ in values or names.
        """
        if self != other:
            raise LabelError(
                f"{where} has another label table: {other!r} where {self!r} is expected; "
                "classes are never renumbered, so use labels and models of one table"
            )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give the rows of a ``dseg.tsv``.

        Returns
        -------
        list of dict
            Keys ``index``, ``name``, ``abbreviation``, ``color``.
        """
        return [
            {"index": c.value, "name": c.name, "abbreviation": c.abbreviation, "color": c.color}
            for c in self.classes
        ]

    @classmethod
    def from_dicts(
        cls, rows: Sequence[Mapping[str, Any]], *, where: str = "label table"
    ) -> LabelTable:
        """Read the rows of a ``dseg.tsv``; the inverse of `to_dicts`.

        Parameters
        ----------
        rows : sequence of mapping
            Keys ``index`` and ``name``, optionally ``abbreviation`` and ``color``.
        where : str, default="label table"
            The name of the file, for the message.

        Returns
        -------
        LabelTable
            The table.
        """
        try:
            return cls(
                LabelClass(
                    int(row["index"]),
                    str(row["name"]),
                    str(row.get("abbreviation") or ""),
                    str(row.get("color") or _PALETTE[i % len(_PALETTE)]),
                )
                for i, row in enumerate(rows)
            )
        except LabelError as error:
            raise LabelError(f"{where}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LabelError(
                f"{where}: cannot read the label table ({error!r}); each row needs an integer "
                "'index' and a 'name'"
            ) from None


def _check(classes: Sequence[LabelClass]) -> None:
    if len(classes) < 2:
        raise LabelError(
            f"a label table needs at least two classes (one of them background), got {len(classes)}"
        )
    if len(classes) > UNLABELLED:
        raise LabelError(
            f"a label table has at most {UNLABELLED} classes, of the values 0 to 254, got "
            f"{len(classes)}"
        )
    for name in ("value", "name", "key"):
        items = [str(getattr(c, name)) for c in classes]
        repeated = {i for i in items if items.count(i) > 1}
        if repeated:
            raise LabelError(f"the {name} {', '.join(sorted(repeated))} stands twice in the table")
    for c in classes:
        if not 0 <= c.value < UNLABELLED:
            raise LabelError(
                f"class {c.name!r} has value {c.value}; allowed are 0 to 254 (255 is unlabelled)"
            )
        if not c.name or not c.name.isprintable():
            raise LabelError(f"class {c.value} has no printable name: {c.name!r}")
        if not c.abbreviation.isprintable():
            raise LabelError(f"class {c.name!r} has no printable abbreviation: {c.abbreviation!r}")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", c.color):
            raise LabelError(f"class {c.name!r} has colour {c.color!r}; write it as #rrggbb")


DEFAULT_LABELS = LabelTable(
    (
        LabelClass(0, "background", "BG", _PALETTE[0]),
        LabelClass(1, "bone", "bone", _PALETTE[1]),
        LabelClass(2, "degradation layer", "DL", _PALETTE[2]),
        LabelClass(3, "residual material", "RM", _PALETTE[3]),
    )
)
"""The four classes of the paper."""
