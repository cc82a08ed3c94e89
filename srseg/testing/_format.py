"""Check that a file format keeps the contract that reading and writing rely on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

__all__ = ["check_format"]


def check_format(file_format: Any) -> None:
    """Check a file format; says nothing if all is well.

    - It is an instance of `srseg.io.Format` with a name, and its suffixes are lower-case text that
      begins with a dot.
    - Where it writes, a small volume that was written and is read again has the same voxels, shape
      and voxel sizes.

    Parameters
    ----------
    file_format : Format
        The format.

    Raises
    ------
    PluginError
        If it breaks a rule; the message says which.

    Examples
    --------
    >>> from srseg.io import FORMATS
    >>> check_format(FORMATS.get("TIFF"))
    """
    import numpy as np

    from srseg.errors import PluginError
    from srseg.io import Format, Reading
    from srseg.volumes import Volume

    if not isinstance(file_format, Format):
        raise PluginError(
            f"a file format is an instance of srseg.io.Format, found {file_format!r}; its entry "
            "point must name an instance, not a class"
        )
    suffixes: Any = file_format.suffixes
    wrong = [s for s in suffixes if not (isinstance(s, str) and s[:1] == "." and s == s.lower())]
    if wrong or isinstance(suffixes, str):
        raise PluginError(
            f"{file_format.name} has the suffixes {suffixes!r}; give a tuple of lower-case text "
            "such as ('.vol',)"
        )
    written = [suffix for suffix in suffixes if suffix not in file_format.reads_only]
    if type(file_format).write is Format.write or not written:
        return
    voxels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    volume = Volume.from_array(voxels, 2.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"volume{written[0]}"
        try:
            file_format.write(path, volume, None, path.name)
            info = file_format.describe(path, Reading())
            found = file_format.source(info)
            same = np.array_equal(found[0:2, 0:3, 0:4], voxels)
            sizes = info.voxel_size
        except Exception as error:
            raise PluginError(
                f"{file_format.name} could not write a small volume and read it again "
                f"({type(error).__name__}: {error})"
            ) from error
    if not same:
        raise PluginError(f"{file_format.name} reads other voxels than it wrote")
    if sizes is None or not np.allclose(sizes, 2.5):
        raise PluginError(
            f"{file_format.name} reads voxel sizes of {sizes} µm and wrote 2.5 µm along each axis"
        )
