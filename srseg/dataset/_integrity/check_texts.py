"""Whether sidecars and texts are, letter by letter, what srseg wrote: a bit may have flipped there.

They may be edited by hand too, which no checksum can tell from damage. So that is said, with what
else is known of them, and somebody who knows decides.
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._kept import coming_of, copy_of, kept_texts
from srseg.dataset._layout import LABELS, PREDICTION_PREFIX, PREPARED
from srseg.dataset._listing import micr_files
from srseg.dataset._tables import PARTICIPANTS, people_said
from srseg.errors import SRSegError
from srseg.io import MAPS, read_provenance
from srseg.storage import read_json, sealing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.dataset._integrity.scope import Scope
    from srseg.dataset._layout import Layout

_SAID = {
    "edited": "is not, letter by letter, what srseg wrote: edited by hand, or damaged",
    "doubtful": "was edited by hand, or damaged, before srseg last wrote it",
    "none": "carries no checksum: edited or made by hand, damaged, or of an older srseg",
}
# what is of the file itself, or was added to the sidecar later
_OWN = {"Stamp", "Scan", "Revision", "Voxels", "Saved", "Registered"}
_LONGEST = 60


def sidecar_problems(scope: Scope) -> Iterator[Problem]:
    """Compare each sidecar with its checksum."""
    for path in scope.within(sidecars(scope.layout)):
        try:
            said = read_json(path)
            state = sealing(path)
        except SRSegError as error:
            yield Problem(
                "unreadable", path, str(error), "Correct the sidecar, or take it from a backup."
            )
            continue
        if state != "whole":
            where = _differences(path, said)
            yield Problem(
                "edited", path, f"{_SAID[state]}{where}",
                f"Compare it with a backup; {_right(path)}",
            )  # fmt: skip
        elif path.name.endswith("_measures.json"):
            yield from _table(path, said)


def sidecars(layout: Layout) -> list[Path]:
    """List the JSON files that srseg writes beside voxels."""
    predictions = [PREDICTION_PREFIX + model for model in layout.models()]
    ends = ("_XPCT.json", "_dseg.json", "_measures.json", *(f"_{m.suffix}.json" for m in MAPS.values()))  # fmt: skip  # noqa: E501
    found = [path for path in micr_files(layout.root) if path.name.endswith("_XPCT.json")]
    for name in (LABELS, PREPARED, *predictions):
        found += [p for p in micr_files(layout.derivative(name)) if p.name.endswith(ends)]
    return found


def text_problems(scope: Scope) -> Iterator[Problem]:
    """Compare the texts that people edit with the copies that srseg kept of them."""
    layout = scope.layout
    for path in kept_texts(layout):
        copy = copy_of(layout, path)
        try:
            there, kept = _lines(path), _lines(copy) if copy.is_file() else None
            coming = coming_of(layout, path)
            if coming.is_file() and there == _lines(coming):
                continue  # its writing was interrupted, which is told by itself
        except (OSError, SRSegError) as error:
            yield Problem("unreadable", path, str(error), "Correct it, or take it from a backup.")
            continue
        if kept is None:
            yield Problem(
                "unverified", path, "no copy was kept of it, so that nothing tells of damage",
                f"Look at it; {_right(path)}",
            )  # fmt: skip
        elif there != kept and not _is_remade(path, copy):
            yield Problem(
                "edited", path,
                f"differs from the copy that srseg kept, {copy}: {_first_difference(kept, there)}; "
                "edited by hand, or one of the two is damaged",
                f"Where the copy is right, put it there; {_right(path, 'the text')}",
            )  # fmt: skip


def _right(path: Path, what: str = "it") -> str:
    command = f"srseg dataset check --accept {shlex.quote(str(path))}"
    return f"where {what} is right as it is, say so with: {command}."


def _lines(path: Path) -> list[str]:
    return _split(path.read_bytes())


def _split(content: bytes) -> list[str]:
    """Give the lines of a text; how they end is nothing that anybody wrote."""
    return content.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace").split("\n")


def _is_remade(path: Path, copy: Path) -> bool:
    """Whether only that differs which srseg makes anew from the sidecars."""
    if path.name != PARTICIPANTS:
        return False
    there = people_said(path)
    return there is None or there == people_said(copy)  # what is no table is told of as such


def _first_difference(kept: list[str], there: list[str]) -> str:
    for kind, a, a_end, b, b_end in SequenceMatcher(None, kept, there, False).get_opcodes():
        if kind != "equal":
            before, now = "; ".join(kept[a:a_end]), "; ".join(there[b:b_end])
            return f"line {b + 1} is {_short(now)} and was {_short(before)}"
    return "nothing"


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _differences(path: Path, said: dict[str, Any]) -> str:
    """Say in which keys a sidecar differs from what its own voxels say of themselves."""
    voxels = path.with_suffix(".h5")
    if path.name.endswith("_measures.json") or not voxels.is_file():
        return ""
    with suppress(SRSegError, KeyError, TypeError, AttributeError, OSError, RuntimeError):
        known = read_provenance(voxels)
        known = known.get("Sidecar", known) if path.name.endswith("_XPCT.json") else known
        keys = [k for k, v in known.items() if k not in _OWN and said.get(k) != v]
        if keys:
            return f"; {voxels.name} says otherwise of {', '.join(keys)}"
    return ""


def _table(path: Path, said: dict[str, Any]) -> Iterator[Problem]:
    """Compare the table of measures with the JSON that has the same numbers."""
    from srseg.quantification import measures_from_json, measures_to_tsv

    table = path.with_suffix(".tsv")
    advice = "Make both again with: srseg quantify --again."
    try:
        expected = _split(measures_to_tsv([measures_from_json(said, where=str(path))]).encode())
        there = _lines(table)
    except FileNotFoundError:
        yield Problem("missing", table, f"the table of {path.name} is not there", advice)
        return
    except (SRSegError, OSError) as error:
        yield Problem("unreadable", path, str(error), advice)
        return
    if there != expected:
        yield Problem(
            "edited", table,
            f"does not say what {path.name} says: {_first_difference(expected, there)}; edited by "
            "hand, or damaged",
            advice,
        )  # fmt: skip
