"""Which samples ``srseg train`` learns from, with which labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from srseg.cli._output import note

if TYPE_CHECKING:
    from srseg.dataset import Dataset
    from srseg.labels import LabelTable
    from srseg.volumes import Sample


@dataclass(frozen=True)
class Chosen:
    """Samples with their targets.

    Parameters
    ----------
    samples : list of Sample
        One for each sample and target.
    weights : list of float
        How often slices of each of them are drawn.
    targets : list of str
        The label sets that are learned from.
    table : LabelTable
        The classes.
    """

    samples: "list[Sample]"
    weights: list[float]
    targets: list[str]
    table: "LabelTable"

    @property
    def names(self) -> list[str]:
        """The names of the samples, each once."""
        return list(dict.fromkeys(sample.name for sample in self.samples))


def choose_labelled(
    dataset: "Dataset", targets: list[str], weights: dict[str, float], *, named: bool
) -> Chosen:
    """Give the samples that have a target; samples that were named must have one."""
    from srseg.errors import DatasetError

    there = sorted({name for sample in dataset for name in sample.label_sets})
    without = [s.name for s in dataset if not set(targets) & set(s.label_sets)]
    missing = [target for target in targets if target not in there]
    if missing or (named and without):
        lacking = " or ".join(repr(target) for target in missing or targets)
        whose = without or dataset.names
        raise DatasetError(
            f"no label set {lacking} for {', '.join(whose)}; choose another --target (these "
            f"samples have: {', '.join(there) or 'none'}), or add it with: srseg dataset label "
            f"FILE --sample {whose[0]} --set {(missing or targets)[0]}"
        )
    if without:
        lacking = " or ".join(repr(target) for target in targets)
        note(f"left out, because they have no label set {lacking}: {', '.join(without)}")
    samples: list[Sample] = []
    given: list[float] = []
    for target in targets:
        labelled = list(dataset.select(has=target).with_target(target))
        samples += labelled
        given += [weights.get(target, 1.0)] * len(labelled)
    return Chosen(samples, given, targets, dataset.table)


def parse_weights(texts: list[str] | None, targets: list[str]) -> dict[str, float]:
    """Read ``SET=W`` texts."""
    found: dict[str, float] = {}
    for text in texts or []:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not 0 < weight < float("inf"):
            raise typer.BadParameter(
                f"{text!r} is not SET=NUMBER with a number greater than 0, for example HQ=5",
                param_hint="--weight",
            )
        if name not in targets:
            raise typer.BadParameter(
                f"{name!r} is no --target here ({', '.join(targets)})", param_hint="--weight"
            )
        found[name] = weight
    return found
