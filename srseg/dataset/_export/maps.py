"""What was saved beside predicted labels, as volumes of bytes that every format holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._layout import suggest_label
from srseg.dataset._predictions.parts import SAVED
from srseg.io import MAPS, as_steps

if TYPE_CHECKING:
    from srseg.dataset._sample import DatasetSample
    from srseg.labels import LabelTable
    from srseg.volumes import Volume

# between the map and the class of which it is
_OF = ": "


def saved_with(sample: DatasetSample, label_set: str, table: LabelTable) -> list[str]:
    """List the volumes that were saved with a prediction: ``entropy``, ``probabilities: bone``."""
    found = []
    for name in sample.labels_info(label_set).get(SAVED, {}):
        of_classes = name in MAPS and MAPS[name].of_classes
        found += [f"{name}{_OF}{one}" for one in table.names] if of_classes else [name]
    return found


def saved_volume(sample: DatasetSample, label_set: str, saved: str) -> Volume:
    """Open such a volume: uint8, in 255ths."""
    name, _, of = saved.partition(_OF)
    if of:
        return as_steps(sample.probabilities(label_set)[of])
    return as_steps(sample.disagreement(label_set, (name,))[name])


def saved_stem(stem: str, saved: str, table: LabelTable) -> str:
    """Name its file as BIDS does: ``..._label-DL_desc-soft9_probseg``."""
    name, _, of = saved.partition(_OF)
    stem = f"{stem.removesuffix('dseg')}{MAPS[name].suffix}"
    if not of:
        return stem
    labels = [suggest_label(c.abbreviation) or suggest_label(c.name) for c in table]
    if not all(labels) or len({label.casefold() for label in labels}) < len(labels):
        labels = [str(c.value) for c in table]
    label = labels[table.names.index(of)]
    return stem.replace("_desc-", f"_label-{label}_desc-", 1)


def saved_facts(saved: str, table: LabelTable) -> dict[str, Any]:
    """Say what the numbers are."""
    name, _, of = saved.partition(_OF)
    facts = {k: v for k, v in MAPS[name].facts(table).items() if k != "LabelMap"}
    return {**facts, "Label": of} if of else facts
