"""Take what was edited by hand as right: sidecars get a new checksum, texts a new copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._integrity.check_texts import sidecar_problems, text_problems
from srseg.dataset._integrity.mender import Mender, Repair
from srseg.dataset._integrity.scope import Scope
from srseg.dataset._kept import keep
from srseg.dataset._layout import Layout
from srseg.dataset._sidecar import read_sample_sidecar
from srseg.errors import MissingFileError
from srseg.storage import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset._view import SampleView


def accept(
    dataset: SampleView, paths: Sequence[Path | str], *, dry_run: bool = False
) -> list[Repair]:
    r"""Say that sidecars and texts that were edited by hand are right as they are.

    What cannot be read is left; what is as srseg wrote it too.

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
        If there is no such file or folder.

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
    chosen = [Path(path).absolute() for path in paths]
    for path in chosen:
        if not path.exists():
            raise MissingFileError(f"{path} does not exist; name a file or folder of the dataset")
    mender, scope = Mender(layout, dry_run=dry_run), Scope(layout, None)
    for problem in [*sidecar_problems(scope), *text_problems(scope)]:
        path = problem.path
        here = path.absolute()
        if not any(here == one or one in here.parents for one in chosen):
            continue
        if problem.kind == "unreadable" or path.name.endswith("_measures.tsv"):
            mender.leave(path, problem.message)
            continue
        with mender.holding(path) as held:
            if held:
                mender.do("accepted", path, problem.message, partial(_take, layout, path))
    return mender.repairs


def _take(layout: Layout, path: Path) -> None:
    if path.suffix != ".json" or path.parent.name != "micr":
        keep(layout, path, path.read_bytes().decode("utf-8"))
        return
    if path.parents[2] == layout.root:
        read_sample_sidecar(path)  # refuses what is none
    write_json(path, read_json(path), overwrite=True, seal=True)
