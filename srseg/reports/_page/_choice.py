"""Which label sets are on a page, and which of them counts as true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset import DatasetSample

_TRUTH = "HQ"


def choose_label_sets(
    samples: Sequence[DatasetSample], wanted: Sequence[str], against: str | None
) -> dict[str, list[str]]:
    """Give the full names of the label sets of each sample that are shown.

    Parameters
    ----------
    samples : sequence of DatasetSample
        The samples.
    wanted : sequence of str
        Label sets and predictions, by name or by model; all where it is empty.
    against : str or None
        The label set that counts as true, which is shown too.

    Returns
    -------
    dict of str to list of str
        Label sets by sample.

    Raises
    ------
    UnknownNameError
        If no sample has one of them.
    """
    there = {s.name: [*s.label_sets, *s.predictions] for s in samples}
    asked = dict.fromkeys([*wanted, *([against] if against and wanted else [])])
    needed = dict.fromkeys([*wanted, *([against] if against else [])])
    for name in needed:
        if not any(_fits(one, name) for names in there.values() for one in names):
            known = dict.fromkeys(one for names in there.values() for one in names)
            raise UnknownNameError(
                f"no sample has a label set {name!r}; there are: {', '.join(known) or 'none'}"
            )
    if not asked:
        return there
    if against is None:
        asked |= {_TRUTH: None}
    return {s: [n for n in names if any(_fits(n, a) for a in asked)] for s, names in there.items()}


def _fits(name: str, asked: str) -> bool:
    return asked in (name, name.partition("/")[0])


def choose_truth(samples: Sequence[DatasetSample], against: str | None) -> str | None:
    """Give the full name of the label set that counts as true; HQ, if one has it, for None."""
    if against is not None:
        full = [n for s in samples for n in (*s.label_sets, *s.predictions) if _fits(n, against)]
        return full[0]
    return _TRUTH if any(_TRUTH in s.label_sets for s in samples) else None
