"""The order of the slices in a folder, by the numbers in their names."""

from __future__ import annotations

import os
import re
from itertools import chain, islice, pairwise
from pathlib import Path

from srseg.errors import FileFormatError, MissingFileError, StorageError
from srseg.io._format import require_utf8

_SUFFIXES = (".tif", ".tiff")


def ordered_slices(folder: Path, *, gaps: bool = False) -> tuple[list[Path], int]:
    """List the slices of a folder in the order of their numbers.

    Parameters
    ----------
    folder : Path
        The folder; files that are not TIFF and hidden ones are passed over.
    gaps : bool, default=False
        Whether it holds single slices: numbers may be missing, and one file is enough.

    Returns
    -------
    files : list of Path
        At least two files, or one where gaps are allowed.
    step : int
        From one number to the next, the smallest where there are gaps.

    Raises
    ------
    FileFormatError
        If there are none, a file does not belong to the sequence, or a number is missing.
    """
    files = [require_utf8(path) for path in _tiff_files(folder)]
    if len(files) < (1 if gaps else 2):
        raise FileFormatError(
            f"the folder {folder} holds {len(files) or 'no'} TIFF slices; give the folder with the "
            "slices of one volume (.tif, one file each)"
        )
    parts = {file: re.split(r"(\d+)", file.stem) for file in files}
    patterns: dict[tuple[str, ...], list[Path]] = {}
    for file, split in parts.items():
        patterns.setdefault(tuple(split[::2]), []).append(file)
    if len(patterns) > 1:
        odd = min(patterns.values(), key=len)
        raise FileFormatError(
            f"the folder {folder} holds TIFF files of different names: {min(odd).name} does not "
            f"belong to the sequence of the other {len(files) - len(odd)}. Move it elsewhere"
        )
    numbers = {file: tuple(int(n) for n in split[1::2]) for file, split in parts.items()}
    files.sort(key=lambda file: (numbers[file], file.name))
    if len(files) == 1:
        return files, 1
    return files, _step(folder, files, [numbers[file] for file in files], gaps=gaps)


def _tiff_files(folder: Path) -> list[Path]:
    # what kind of entry it is comes with the listing: no further question to a network disk
    try:
        with os.scandir(folder) as entries:
            found = [
                entry
                for entry in entries
                if entry.name.lower().endswith(_SUFFIXES) and not entry.name.startswith(".")
            ]
        gone = [e for e in found if e.is_symlink() and not Path(e.path).exists()]
        if gone:
            # left out, it would be a stack with fewer slices
            raise MissingFileError(
                f"{gone[0].path} is a link to a slice that is not there; put that back, or remove "
                "the link"
            )
        return [Path(entry.path) for entry in found if entry.is_file()]
    except MissingFileError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot list {folder}: {error.strerror}") from error


def _step(folder: Path, files: list[Path], numbers: list[tuple[int, ...]], *, gaps: bool) -> int:
    """Give the step of the running number, after a look for double and missing ones."""
    varying = [c for c in range(len(numbers[0])) if len({n[c] for n in numbers}) > 1]
    if not varying and numbers[0]:
        raise FileFormatError(
            f"two slices of {folder} have the number {numbers[0][-1]}: {files[0].name} and "
            f"{files[1].name}. Move one of them elsewhere"
        )
    if len(varying) != 1:
        raise FileFormatError(
            f"cannot tell the order of the slices in {folder} from names such as {files[0].name} "
            f"and {files[1].name}; name them with one running number"
        )
    column = varying[0]
    sequence = [n[column] for n in numbers]
    for (before, file_before), (after, file) in pairwise(zip(sequence, files, strict=True)):
        if before == after:
            raise FileFormatError(
                f"two slices of {folder} have the number {after}: {file_before.name} and "
                f"{file.name}. Move one of them elsewhere"
            )
    step = min(b - a for a, b in pairwise(sequence))
    # one wrong number can leave a gap of any length: it is counted, not listed
    n_missing = sum((b - a - 1) // step for a, b in pairwise(sequence))
    if n_missing and not gaps:
        left_out = (range(a + step, b, step) for a, b in pairwise(sequence))
        missing = list(islice(chain.from_iterable(left_out), 9))
        shown = ", ".join(map(str, missing[:8])) + (" …" if n_missing > 8 else "")
        raise FileFormatError(
            f"the folder {folder} lacks {n_missing} of its slices: number {shown}, between "
            f"{files[0].name} and {files[-1].name}; the first would be "
            f"{_name(files, sequence, column, missing[0])}. Copy them again; a volume with a gap "
            "would be distorted"
        )
    return step


def _name(files: list[Path], sequence: list[int], column: int, number: int) -> str:
    """Give the name that a missing slice would have: as many digits as the one before it."""
    before = max(i for i, n in enumerate(sequence) if n < number)
    split = re.split(r"(\d+)", files[before].stem)
    digits = split[2 * column + 1]
    padded = digits.startswith("0") and len(digits) > 1
    split[2 * column + 1] = str(number).zfill(len(digits) if padded else 1)
    return "".join(split) + files[before].suffix
