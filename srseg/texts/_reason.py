"""What a library says of a file, without what it says of itself."""

from __future__ import annotations

import re

__all__ = ["reason_of"]

_PLACE = re.compile(r"(Exception thrown in SimpleITK )?\w+:\s+\S+\.[ch]xx:\d+:")
_SPEAKER = re.compile(r"((itk::|ITK |sitk::)?ERROR:\s*)+(\w+\(0x[0-9a-fA-F]+\):\s*)?")


def reason_of(error: BaseException) -> str:
    r"""Give the reason that a library has, in one line.

    ITK says the place in its own source before each, with the folders of whoever built it, and an
    address in memory; and after it what else there is.

    Parameters
    ----------
    error : BaseException
        What the library raised.

    Returns
    -------
    str
        The line that says most; the kind of error where there is none.

    Examples
    --------
    >>> said = "Exception thrown in SimpleITK X_Execute: /a/b.cxx:9:\nsitk::ERROR: File is cut"
    >>> reason_of(RuntimeError(said))
    'File is cut'
    """
    text = _PLACE.sub("", str(error))
    lines = [_SPEAKER.sub("", line, count=1).strip() for line in text.splitlines()]
    lines = [line for line in lines if line] or [type(error).__name__]
    # where the first only announces, the last says it
    return lines[-1] if lines[0].endswith(":") else lines[0]
