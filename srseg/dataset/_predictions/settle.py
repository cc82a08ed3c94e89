"""Bring the files of a prediction together again after its replacement was interrupted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.revisions import aside_of, data_of
from srseg.dataset._predictions.parts import map_file, parts_of
from srseg.errors import FileFormatError, SRSegError
from srseg.io import MAPS, read_provenance
from srseg.storage import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._predictions.parts import Part


def put_aside(sidecar: Path) -> None:
    """Give the files of a prediction the names under which they are read until a newer stands."""
    if not sidecar.exists():
        return
    try:
        parts = parts_of(sidecar, read_json(sidecar))
    except FileFormatError:
        return  # nobody can read it; it is being replaced
    for part in parts.values():
        if part.stands:
            part.path.replace(part.aside)


def settle(sidecar: Path) -> None:
    """Make the files around a prediction's sidecar those that it describes.

    What was put aside goes back where a newer one did not come to stand; what it replaced, or what
    of the newer one came already, is removed. Nothing is removed while a file that the sidecar
    describes is missing.

    Parameters
    ----------
    sidecar : Path
        The sidecar of the predicted labels; where there is none, nothing is done.
    """
    if not sidecar.exists():
        return
    parts = parts_of(sidecar, read_json(sidecar))
    for part in parts.values():
        if not part.stands and part.stands_aside:
            part.aside.replace(part.path)
    if not all(part.stands for part in parts.values()):
        return
    for path in superfluous(sidecar, parts):
        path.unlink(missing_ok=True)
    for name, part in parts.items():
        if name in MAPS and not is_described(part):
            write_json(
                part.path.with_suffix(".json"),
                {**read_provenance(part.path), "Stamp": part.stamp.to_dict()},
                overwrite=True,
                seal=True,
            )


def superfluous(sidecar: Path, parts: dict[str, Part]) -> list[Path]:
    """List the files beside a sidecar that an older or an unfinished prediction left."""
    found = []
    maps = {name: map_file(sidecar, one) for name, one in MAPS.items()}
    for name, path in maps.items():
        if name not in parts and (not path.exists() or _is_ours(path)):
            # the sidecar first: one that is left alone would be nobody's
            found += [path.with_suffix(".json"), path]
    found += [aside_of(path) for path in (data_of(sidecar), *maps.values())]
    return [path for path in found if path.exists()]


def is_described(part: Part) -> bool:
    """Whether a map has a sidecar of its own that is of it."""
    try:
        said: dict[str, Any] = read_json(part.path.with_suffix(".json"))
        return bool(said["Stamp"] == part.stamp.to_dict())
    except (SRSegError, KeyError):
        return False


def _is_ours(path: Path) -> bool:
    with suppress(SRSegError, OSError, RuntimeError, KeyError):
        return "Written" in read_provenance(path)
    return False
