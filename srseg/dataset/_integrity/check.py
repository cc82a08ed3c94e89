"""What is wrong with a dataset, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._integrity.check_deep import deep_problems
from srseg.dataset._integrity.check_files import extra_files, lone_voxels, unfinished_work
from srseg.dataset._integrity.check_kept import kept_problems
from srseg.dataset._integrity.check_labels import label_problems
from srseg.dataset._integrity.check_predictions import prediction_problems
from srseg.dataset._integrity.check_samples import sample_problems
from srseg.dataset._integrity.check_tables import table_problems
from srseg.dataset._integrity.problem import Problem, by_seriousness
from srseg.dataset._integrity.scope import Scope
from srseg.dataset._integrity.scratch import paused_work
from srseg.dataset._tables import read_label_table
from srseg.errors import MissingFileError, SRSegError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey
    from srseg.labels import LabelTable


def check_dataset(
    layout: Layout,
    keys: Sequence[SampleKey] | None = None,
    *,
    deep: bool = False,
    look_in: Sequence[Path] = (),
) -> list[Problem]:
    """Look at every file of a dataset, or of some samples; deep reads every byte."""
    for folder in look_in:
        if not folder.is_dir():
            raise MissingFileError(f"{folder}: no such folder to look for scans in")
    problems: list[Problem] = []
    lost = list(kept_problems(layout))
    try:
        table: LabelTable | None = read_label_table(layout.label_table)
    except SRSegError as error:
        table = None
        if layout.label_table not in {problem.path for problem in lost}:
            problems.append(
                Problem("unreadable", layout.label_table, str(error), "Correct the file.")
            )
    scope = Scope(layout, keys)
    problems += [p for p in lost if scope.whole or p.path == layout.label_table]
    problems += unfinished_work(scope)
    problems += sample_problems(scope, look_in)
    problems += lone_voxels(scope)
    problems += label_problems(scope, table)
    problems += prediction_problems(scope)
    problems += paused_work(scope)
    if scope.whole:
        problems += extra_files(scope)
        problems += table_problems(layout)
    if deep:
        known = {p.path for p in problems if p.kind == "unreadable"}
        found = deep_problems(scope, table)
        problems += [p for p in found if p.kind != "unreadable" or p.path not in known]
    return by_seriousness(problems)
