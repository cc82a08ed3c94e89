"""The compressed voxels of MetaImage files: ITK goes on where they are damaged, srseg does not."""

from __future__ import annotations

import math
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._itk.header import data_files
from srseg.io._itk.meta_header import is_true, meta_header, value_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PIECE = 1 << 20
_ZLIB_OR_GZIP = 47  # the window of zlib by which MetaIO too takes either


def unpack(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decode the compressed voxels of a MetaImage.

    ITK gives an image also where they are damaged, with what it had decoded before.

    Parameters
    ----------
    path : Path
        The file with the header.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels.

    Returns
    -------
    ndarray of shape (z, y, x)
        The voxels, in the byte order of the file.

    Raises
    ------
    FileFormatError
        If they cannot be decoded, their checksum does not fit, or there are fewer or more.
    """
    text, length = meta_header(path)
    beside = data_files(path, "MetaImageIO")
    file = beside[0] if beside else path
    said = value_of(text, "HeaderSize")
    skipped = int(said) if re.fullmatch(rb"[+-]?\d+", said) else 0
    if skipped < 0:
        raise FileFormatError(
            f"{path}: HeaderSize = {skipped} has no meaning for compressed voxels; save it anew"
        )
    stored = dtype.newbyteorder(
        ">" if any(is_true(text, f"{of}ByteOrderMSB") for of in ("BinaryData", "Element")) else "<"
    )
    offset = skipped or (0 if beside else length)
    try:
        voxels = _inflated(file, offset, math.prod(shape) * dtype.itemsize)
    except (ValueError, zlib.error) as error:
        where = f", in {file.name}," if beside else ""
        raise FileFormatError(
            f"{path}: its compressed voxels{where} are damaged or cut short ({error}); copy it "
            "again"
        ) from None
    return np.frombuffer(voxels, stored).reshape(shape)


def _inflated(file: Path, offset: int, n_bytes: int) -> bytearray:
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP)
    voxels = bytearray(n_bytes)
    filled = 0
    with file.open("rb") as stream:
        stream.seek(offset)
        # to the end of the stream, where its checksum is
        while not decoder.eof:
            coded = decoder.unconsumed_tail or stream.read(_PIECE)
            # one byte more than there may be tells whether there are too many
            part = decoder.decompress(coded, min(_PIECE, n_bytes - filled + 1))
            if filled + len(part) > n_bytes:
                raise ValueError(f"they decode to more than the {n_bytes} bytes of the header")
            voxels[filled : filled + len(part)] = part
            filled += len(part)
            if not coded:
                break
    if filled != n_bytes or not decoder.eof:
        raise ValueError(f"they decode to {filled} bytes, the header declares {n_bytes}")
    return voxels
