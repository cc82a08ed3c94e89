"""What the values of a foreign label file become in the table of a dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import LabelError, ParameterError
from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelClass, LabelTable
    from srseg.volumes import Region, VoxelSource

_PIECE = 1 << 22  # voxels
_UNLABELLED = "unlabelled"
_NAMES = "names"


@dataclass(frozen=True)
class ValueMap:
    """What the values of a foreign label file become; nothing is renumbered without one.

    Parameters
    ----------
    pairs : mapping of (int or str) to (int or str), default={}
        From a value of the file, or a name in its own table of classes, to a value of the dataset's
        table, or a name or abbreviation in it; 255 or ``"unlabelled"`` for voxels that are not to
        count.
    names : bool, default=False
        Whether every other class of the file's table becomes the dataset's class of the same name
        or abbreviation; upper and lower case are one.

    Examples
    --------
    >>> ValueMap.parse(["255=bone", "7=0"])
    ValueMap(pairs={255: 'bone', 7: 0}, names=False)
    """

    pairs: Mapping[int | str, int | str] = field(default_factory=dict)
    names: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str]) -> ValueMap:
        """Read a map as the command line has it.

        Parameters
        ----------
        texts : iterable of str
            ``"255=1"``, ``"Mineralised bone=bone"``, ``"names"``.

        Returns
        -------
        ValueMap
            The map.

        Raises
        ------
        ParameterError
            If a text is neither, or says twice what one value becomes.
        """
        pairs: dict[int | str, int | str] = {}
        names = False
        for text in texts:
            if text.strip().lower() == _NAMES:
                names = True
                continue
            # names may hold an equals sign: what comes after the last one is ours
            left, equals, right = (part.strip() for part in text.rpartition("="))
            if not (left and equals and right):
                raise ParameterError(
                    f"{text!r} does not say what becomes of what; write 255=1, "
                    "'Mineralised bone=bone', or names"
                )
            if _side(left) in pairs:
                raise ParameterError(f"{left!r} is mapped twice; say once what it becomes")
            pairs[_side(left)] = _side(right)
        return cls(pairs, names)


@dataclass(frozen=True)
class FixedMap:
    """A value map for one file and one table: numbers only.

    Parameters
    ----------
    values : dict of int to int
        From the file's values to the dataset's.
    expected : dict of int to str
        Values that must occur in the file, with what was typed for them.
    """

    values: dict[int, int]
    expected: dict[int, str]

    def to_dict(self) -> dict[str, int]:
        """Give the map as it stands in the sidecar: the dataset's values by the file's."""
        return {str(value): after for value, after in self.values.items()}


def fix_map(
    wanted: ValueMap | None, theirs: LabelTable | None, ours: LabelTable, where: Path | str
) -> FixedMap | None:
    """Turn names into numbers, and refuse a file whose own classes would change their meaning.

    Raises
    ------
    LabelError
        If a name is in neither table, or a class of the file is another of the dataset; the message
        says which map to pass.
    """
    values: dict[int, int] = {}
    expected: dict[int, str] = {}
    for left, right in [] if wanted is None else wanted.pairs.items():
        value = _their_value(left, theirs, where)
        if value in values:
            raise LabelError(f"{where}: {left!r} is mapped twice; say once what it becomes")
        values[value] = _our_value(right, ours)
        if theirs is None or value not in theirs.values:
            # a class of the file's table may happen to have no voxel
            expected[value] = str(left)
    if wanted is not None and wanted.names:
        if theirs is None:
            raise LabelError(f"{where} carries no names of classes; map values: --map 255=bone")
        for one in theirs:
            same = _alike(ours, one.name)
            if same is not None:
                values.setdefault(one.value, same.value)
    unknown = [] if theirs is None else _foreign_classes(theirs, ours, values)
    if unknown:
        raise LabelError(_advice(unknown, ours, where))
    return FixedMap(values, expected) if wanted is not None else None


class MappedSource:
    """Label values as the dataset has them.

    Parameters
    ----------
    source : VoxelSource
        Values as they are in the file.
    fixed : FixedMap
        What they become; others stay as they are.
    """

    def __init__(self, source: VoxelSource, fixed: FixedMap) -> None:
        self.source = source
        self.shape = tuple(source.shape)
        self.fixed = fixed
        self.seen: set[int] = set()
        theirs = np.dtype(source.dtype)
        # bool and int8 cannot hold 255
        self.dtype = np.promote_types(theirs, np.uint8)

    @property
    def whole_slices(self) -> bool:
        """Whether a part of a slice costs as much to read as the whole slice."""
        return bool(getattr(self.source, "whole_slices", False))

    def __getitem__(self, region: Region) -> NDArray[Any]:
        block = np.asarray(self.source[region])
        found = _values_in(block)
        self.seen |= found
        mapped = block.astype(self.dtype)
        for value in found:
            after = self.fixed.values.get(value, value)
            if after != value:
                # compared with the values of the file: a map can swap two of them
                mapped[block == value] = after
        return mapped

    def require_found(self, where: Path | str) -> None:
        """Refuse a map of values that the file does not hold, once all of it was read.

        Raises
        ------
        LabelError
            If one of them is missing; tells which values there are.
        """
        missing = [text for value, text in self.fixed.expected.items() if value not in self.seen]
        if missing:
            found = sorted(self.seen)
            shown = ", ".join(map(str, found[:20])) + (" …" if len(found) > 20 else "")
            raise LabelError(
                f"{where}: no voxel has the value {', '.join(missing)} that is to be mapped; the "
                f"file holds {shown}. Leave it out, or correct it"
            )


def _values_in(block: NDArray[Any]) -> set[int]:
    """Find the values of a block; many times quicker than sorting where they have 8 bits."""
    if block.dtype.itemsize > 1:
        return {int(v) for v in np.unique(block)}
    flat = np.ascontiguousarray(block).reshape(-1)
    seen = np.zeros(256, bool)
    # piece by piece, because looking up widens each voxel to 8 bytes
    for start in range(0, flat.size, _PIECE):
        seen[flat[start : start + _PIECE].view(np.uint8)] = True
    return {int(v) for v in np.flatnonzero(seen).astype(np.uint8).view(_plain(block.dtype))}


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.int8 if dtype.kind == "i" else np.uint8)


def _side(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text


def _their_value(left: int | str, theirs: LabelTable | None, where: Path | str) -> int:
    if isinstance(left, int):
        return left
    if theirs is None:
        raise LabelError(
            f"{where} carries no names of classes, so {left!r} cannot be looked up; map values: "
            "--map 255=bone"
        )
    found = _named(theirs, left)
    if found is None:
        raise LabelError(
            f"{where} has no class {left!r}; it has "
            f"{', '.join(f'{c.name} ({c.value})' for c in theirs)}"
        )
    return found.value


def _our_value(right: int | str, ours: LabelTable) -> int:
    if isinstance(right, int):
        if right in (*ours.values, UNLABELLED):
            return right
    elif right.casefold() == _UNLABELLED:
        return UNLABELLED
    else:
        found = _alike(ours, right)
        if found is not None:
            return found.value
    allowed = ", ".join(f"{c.value} ({c.name})" for c in ours)
    raise LabelError(
        f"{right!r} is no class of the dataset; it has {allowed}, and {UNLABELLED} ({_UNLABELLED})"
    )


def _named(table: LabelTable, name: str) -> LabelClass | None:
    exact = next((c for c in table if c.name == name), None)
    return exact or next((c for c in table if c.name.casefold() == name.casefold()), None)


def _alike(ours: LabelTable, name: str) -> LabelClass | None:
    """Find the dataset's class of a name or an abbreviation."""
    short = (c for c in ours if c.abbreviation.casefold() == name.casefold())
    return _named(ours, name) or next(short, None)


def _foreign_classes(
    theirs: LabelTable, ours: LabelTable, mapped: Mapping[int, int]
) -> list[LabelClass]:
    known = set(zip(ours.values, ours.names, strict=True))
    return [c for c in theirs if c.value not in mapped and (c.value, c.name) not in known]


def _advice(unknown: Sequence[LabelClass], ours: LabelTable, where: Path | str) -> str:
    alike = [(c, same) for c in unknown if (same := _alike(ours, c.name)) is not None]
    strange = [c for c in unknown if _alike(ours, c.name) is None]
    options = ["--map names"] if alike else []
    for c in strange:
        # what Amira calls all that is no material
        known = c.name.casefold() == "exterior" and _named(ours, "background") is not None
        options.append(f"--map {_quoted(f'{c.name}=background' if known else f'{c.name}=…')}")
    said = ", ".join(f"{c.value} is {c.name!r}" for c in unknown)
    text = (
        f"{where} has another label table than the dataset ({said} there; the dataset has "
        f"{', '.join(f'{c.value} {c.name}' for c in ours)}). No class is renumbered unasked; to "
        f"add it, pass {' '.join(options)}"
    )
    if any("…" in option for option in options):
        text += ", where … is one of the dataset's classes, or unlabelled"
    if alike:
        changes = ", ".join(f"{c.value} becomes {same.value} ({same.name})" for c, same in alike)
        text += f". By their names, {changes}"
    return text


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[^\w=…-]", text) else text
