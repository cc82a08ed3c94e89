"""The table of classes that ``srseg dataset label`` answers with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from srseg.cli._output import say_table

if TYPE_CHECKING:
    from srseg.labels import LabelTable

_UNLABELLED = 255


def say_classes(counts: Mapping[int, int], table: "LabelTable") -> None:
    """Write how many voxels each class has."""
    names = {c.value: c.name for c in table} | {_UNLABELLED: "unlabelled"}
    total = sum(counts.values())
    say_table(
        ("value", "class", "voxels", "share"),
        ((v, names.get(v, "?"), n, f"{n / total:.2%}") for v, n in sorted(counts.items())),
    )
