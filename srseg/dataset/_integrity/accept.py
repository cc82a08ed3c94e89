"""Take what was edited by hand as right: sidecars get a new checksum, texts a new copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._integrity.check_kept import forget
from srseg.dataset._integrity.check_texts import sidecar_problems, text_problems
from srseg.dataset._integrity.mender import Mender, Repair
from srseg.dataset._integrity.scope import Scope
from srseg.dataset._kept import keep, lost_texts
from srseg.dataset._layout import Layout
from srseg.dataset._sidecar import read_sample_sidecar
from srseg.errors import FileFormatError, MissingFileError
from srseg.storage import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset._view import SampleView


def accept(
    dataset: SampleView, paths: Sequence[Path | str], *, dry_run: bool = False
) -> list[Repair]:
    r"""Say that sidecars and texts that were edited by hand are right as they are.

    What cannot be read is left; what is as srseg wrote it too. A text that is gone, of which a copy
    was kept, is taken as deleted on purpose; where it is named itself, and nothing needs it.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    paths : sequence of path
        Sidecars and texts of it, or folders, for all below.
    dry_run : bool, default=False
        Whether to tell only what would be done.

    Returns
    -------
    list of Repair
        What was accepted, and what was left and why.

    Raises
    ------
    MissingFileError
        If there is no such file or folder, and was none of which srseg keeps a copy.

    Examples
    --------
    >>> from srseg import Dataset
    >>> dataset = Dataset.create(getfixture("tmp_path") / "mgbone")
    >>> with (dataset.path / "dseg.tsv").open("a") as table:
    ...     _ = table.write("4\tcement\tC\t#aaaaaa\n")
    >>> [problem.kind for problem in dataset.check(deep=True)]
    ['edited']
    >>> [step.path.name for step in accept(dataset, [dataset.path / "dseg.tsv"])]
    ['dseg.tsv']
    >>> dataset.check(deep=True)
    []
    """
    layout = Layout(dataset.path)
    lost = {_place(path) for path in lost_texts(layout)}
    for path in paths:
        if not Path(path).exists() and _place(Path(path)) not in lost:
            raise MissingFileError(f"{path} does not exist; name a file or folder of the dataset")
    mender, scope = Mender(layout, dry_run=dry_run), Scope(layout, None)
    left = {_place(Path(path)): Path(path) for path in paths}
    chosen = [*left]
    for path in lost_texts(layout):
        if left.pop(_place(path), None) is not None:
            why = "was deleted, and its copy is too"
            mender.do("accepted", path, why, partial(forget, layout, path))
    for problems, take in ((sidecar_problems, _seal), (text_problems, _keep)):
        for problem in problems(scope):
            path = problem.path
            here = _place(path)
            named = [one for one in chosen if here == one or one in here.parents]
            if not named:
                continue
            for one in named:
                left.pop(one, None)
            if problem.kind == "unreadable" or path.name.endswith("_measures.tsv"):
                mender.leave(path, problem.message)
                continue
            with mender.holding(path) as held:
                if held:
                    mender.do("accepted", path, problem.message, partial(take, layout, path))
    for path in left.values():
        mender.leave(path, "is as srseg wrote it, or no sidecar or text of this dataset")
    return mender.repairs


def _place(path: Path) -> Path:
    """Give the place of a file or folder, by whatever way it was named; a link is its own place."""
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def _seal(layout: Layout, path: Path) -> None:
    if path.parents[2] == layout.root:
        read_sample_sidecar(path)  # refuses what is none
    write_json(path, read_json(path), overwrite=True, seal=True)


def _keep(layout: Layout, path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as that, or take the copy"
        ) from None
    keep(layout, path, text)
