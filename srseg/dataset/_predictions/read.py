"""Open what was saved beside predicted labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._predictions.parts import parts_of
from srseg.dataset._scans.aligned import alignment_in, follow
from srseg.errors import DatasetError, UnknownNameError
from srseg.io import open_probabilities, open_volume
from srseg.storage import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.volumes import RigidTransform, Volume


def read_maps(
    sidecar: Path, names: tuple[str, ...], now: RigidTransform | None
) -> dict[str, Volume]:
    """Open maps of a prediction, where its tissue lies now.

    Parameters
    ----------
    sidecar : Path
        The sidecar of the labels.
    names : tuple of str
        ``("probabilities",)``, of which each class has a volume; or maps of one volume each.
    now : RigidTransform or None
        The alignment of the scan now.

    Returns
    -------
    dict of str to Volume
        By the names of the classes, or of the maps.

    Raises
    ------
    UnknownNameError
        If they were not saved.
    DatasetError
        If a file is not the one that was saved.
    """
    described = read_json(sidecar)
    parts = parts_of(sidecar, described)
    found: dict[str, Volume] = {}
    for name in names:
        if name not in parts:
            saved = name if name == "probabilities" else "disagreement"
            raise UnknownNameError(
                f"{sidecar.name} was predicted without {name}; predict again with --save {saved} "
                "and --overwrite"
            )
        part, path = parts[name], parts[name].path
        if not part.stands and part.stands_aside:
            path = part.aside
        elif part.changed():
            raise DatasetError(
                f"{path} is not what {sidecar.name} lists: {part.changed()}. Put the old file "
                "back, or predict again"
            )
        found |= open_probabilities(path) if name == "probabilities" else {name: open_volume(path)}
    made_under = alignment_in(described, sidecar)
    return {name: follow(one, made_under, now) for name, one in found.items()}
