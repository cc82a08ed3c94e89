"""What sidecars say of alignment, and how labels follow their scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, GridError
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Volume

KEY = "Alignment"


def alignment_in(sidecar: Mapping[str, Any], path: Path) -> RigidTransform | None:
    """Read from a sidecar the alignment in force: of a scan now, of labels when they were made.

    Raises
    ------
    FileFormatError
        If it cannot be read.
    """
    record = sidecar.get(KEY)
    if record is None:
        return None
    try:
        return RigidTransform.from_dict(record["Transform"])
    except (KeyError, TypeError, GridError) as error:
        raise FileFormatError(
            f"{path}: {KEY} is not what srseg wrote ({error!r}); take the file from a backup, or "
            f"take {KEY} out of it: the voxels then lie where their own files say"
        ) from None


def alignment_entry(alignment: RigidTransform | None) -> dict[str, Any]:
    """Give what the sidecar of labels says of the alignment that they are made under."""
    return {} if alignment is None else {KEY: {"Transform": alignment.to_dict()}}


def follow(labels: Volume, made_under: RigidTransform | None, now: RigidTransform | None) -> Volume:
    """Bring labels to where their tissue lies now."""
    if made_under == now:
        return labels
    back = RigidTransform() if made_under is None else made_under.inverse()
    return labels.moved(back if now is None else back.then(now))
