"""A checksum inside of a JSON file: whether its text is still what srseg wrote, to the last bit.

A sidecar may be edited by hand, so that a checksum that does not fit is no error of itself: it says
that somebody, or something, changed the text since.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal

from srseg.errors import StorageError

SEAL = "Checksum"
"""The last key of a sealed JSON file."""

Sealing = Literal["whole", "edited", "doubtful", "none"]

_DOUBT = ", some of which srseg did not write"
_LAST = re.compile(
    rb'(?P<lines>.*\n)  "Checksum": "CRC32 (?P<sum>[0-9a-f]{8}) of the lines above'
    rb'(?P<doubt>, some of which srseg did not write)?"\n\}\n',
    re.DOTALL,
)


def sealed(text: str, *, doubtful: bool = False) -> str:
    """Add the checksum to the text of a JSON object with an indent of two spaces.

    Parameters
    ----------
    text : str
        The text, of an object that holds something.
    doubtful : bool, default=False
        Whether some of it was taken from a file that was edited by hand, or damaged.

    Returns
    -------
    str
        The text with one more line before its last, and a newline at its end.
    """
    lines = f"{text.rstrip().removesuffix('}').rstrip()},\n"
    found = zlib.crc32(lines.encode())
    doubt = _DOUBT if doubtful else ""
    return f'{lines}  "{SEAL}": "CRC32 {found:08x} of the lines above{doubt}"\n}}\n'


def sealing(path: Path | str) -> Sealing:
    """Tell whether a JSON file is to the last bit, but for CRLF line ends, what srseg wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    {"whole", "edited", "doubtful", "none"}
        "edited" where the checksum does not fit, "doubtful" where srseg wrote it, but took some of
        it from a file that was edited, and "none" where there is no checksum.

    Raises
    ------
    StorageError
        If the file cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
    # git and editors change the ends of lines; no flipped bit looks like that
    found = _LAST.fullmatch(content.replace(b"\r\n", b"\n"))
    if found is None:
        return "edited" if f'"{SEAL}"'.encode() in content else "none"
    if int(found["sum"], 16) != zlib.crc32(found["lines"]):
        return "edited"
    return "doubtful" if found["doubt"] else "whole"


def is_doubtful(path: Path) -> bool:
    """Tell whether a JSON file is there whose text is not wholly what srseg wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        Whether it is there, can be read, and has another seal than a whole one, or none.
    """
    with suppress(StorageError):
        return sealing(path) != "whole"
    return False
