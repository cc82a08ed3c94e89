"""How well label sets agree with the truth, as tables."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from srseg.evaluation import SampleScores, ScoreRow
from srseg.labels import UNLABELLED
from srseg.reports._page._parts import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from srseg.labels import LabelTable
    from srseg.quantification import Measures
    from srseg.reports._page._sample_part import SamplePart


def agreement_table(
    scores: Mapping[str, Sequence[SampleScores]],
    table: LabelTable,
    against: str,
    seen: Mapping[str, Sequence[str]],
    labelled: Mapping[str, float],
) -> Table:
    """Give the IoU of label sets, averaged over the samples, as in the paper's Table 2.

    Parameters
    ----------
    scores : mapping of str to sequence of SampleScores
        By label set, those of each sample.
    table : LabelTable
        The classes.
    against : str
        The label set that counts as true.
    seen : mapping of str to sequence of str
        Samples that the model of a prediction was trained on.
    labelled : mapping of str to float
        The share of its voxels that a label set labels, 0 to 1, of those that leave some out.

    Returns
    -------
    Table
        A row for each label set.
    """
    counts = {name: sum(len(one.samples) for one in parts) for name, parts in scores.items()}
    heads = ["label set", *(c.name for c in table.foreground), "mean"]
    several = max(counts.values()) > 1
    if several:
        heads.insert(1, "samples")
    rows = []
    for name, parts in scores.items():
        row = ScoreRow.from_scores(name, name, [SampleScores.joined(parts)])
        numbers = [*row.iou.tolist(), row.mean]
        rows.append([name, *([str(counts[name])] * several), *map(_percent, numbers)])
    over = "mean over samples, then over classes without background" if several else (
        "the mean is over classes without background"
    )  # fmt: skip
    captions = [f"IoU × 100 against {against}; {over}."]
    for name, parts in scores.items():
        known = [one for part in parts for one in part.samples if one in seen.get(name, ())]
        if known:
            captions.append(
                f"The model of {name} was trained on {', '.join(known)}: its score there is no "
                "measure of how it does on new scans."
            )
    for name in dict.fromkeys([against, *scores]):
        if name in labelled:
            scored = "all are scored" if name == against else "it is scored"
            captions.append(
                f"{name} labels only {100 * labelled[name]:.3g} % of the voxels: {scored} there "
                "alone."
            )
    if len({tuple(SampleScores.joined(parts).samples) for parts in scores.values()}) > 1:
        captions.append(
            "These means are over different samples, those that have the label set: compare them "
            "sample by sample."
        )
    return Table(heads, rows, captions)


def trained_on(records: Iterable[Measures]) -> dict[str, list[str]]:
    """Find which of the samples the models of predictions have seen in training.

    Parameters
    ----------
    records : iterable of Measures
        With their facts, of predictions the provenance.

    Returns
    -------
    dict of str to list of str
        Samples by prediction; of a scan that was cut, ``A:z0-120`` is a slab of A.
    """
    found: dict[str, list[str]] = {}
    for record in records:
        made = record.facts.get("provenance") or {}
        names = [*made.get("training_samples", ()), *made.get("validation_samples", ())]
        if record.facts.get("sample") in {str(name).partition(":")[0] for name in names}:
            name = str(record.facts.get("label_set"))
            found.setdefault(name, []).append(str(record.facts["sample"]))
    return found


def labelled_shares(parts: Iterable[SamplePart]) -> dict[str, float]:
    """Find which label sets leave voxels unlabelled.

    Parameters
    ----------
    parts : iterable of SamplePart
        The samples, with the voxels of each value.

    Returns
    -------
    dict of str to float
        By label set that does, the share of its voxels that it labels, 0 to 1.
    """
    totals: dict[str, Counter[int]] = {}
    for part in parts:
        for name, counts in part.counts.items():
            totals.setdefault(name, Counter()).update(counts)
    return {
        name: 1 - counts[UNLABELLED] / counts.total()
        for name, counts in totals.items()
        if counts[UNLABELLED]
    }


def sample_table(scores: Mapping[str, Sequence[SampleScores]], table: LabelTable) -> Table:
    """Give the mean IoU of each sample by label set.

    Parameters
    ----------
    scores : mapping of str to sequence of SampleScores
        By label set, those of each sample.
    table : LabelTable
        The classes.

    Returns
    -------
    Table
        A row for each sample and label set.
    """
    rows: dict[str, list[list[str]]] = {}
    for name, parts in scores.items():
        joined = SampleScores.joined(parts)
        row = ScoreRow.from_scores(name, name, [joined])
        assert row.per_sample is not None  # noqa: S101 - it was made of scores
        for sample, values in zip(joined.samples, row.per_sample[0].tolist(), strict=True):
            known = [v for v in values if not math.isnan(v)]
            mean = sum(known) / len(known) if known else math.nan
            rows.setdefault(sample, []).append([sample, name, *map(_percent, [*values, mean])])
    heads = ["sample", "label set", *(c.name for c in table.foreground), "mean"]
    return Table(heads, [line for lines in rows.values() for line in lines], words=(0, 1))


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2f}"
