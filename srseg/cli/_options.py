"""Options that several commands share, and what they mean."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._output import AS_JSON

if TYPE_CHECKING:
    from srseg.dataset import Dataset

DatasetOption = Annotated[
    Path | None,
    typer.Option(
        "--dataset", "-d", metavar="DIR",
        help="The dataset folder (default: the one at or above the current folder).",
    ),
]  # fmt: skip

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select", metavar="KEY=VALUE",
        help="Only samples that fit, for example has=WF, alloy=Mg-5Gd or subject=01; repeat it "
        "with other keys for all of them to fit, with one key for any of its values (has=WF and "
        "has=HQ: for both).",
    ),
]  # fmt: skip

SamplesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SAMPLE", help="Names of samples (default: all).", show_default=False),
]


def _answer_in_json(ctx: typer.Context, wanted: bool) -> bool:
    ctx.meta[AS_JSON] = wanted  # for what goes wrong, which the root command tells
    return wanted


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", callback=_answer_in_json, is_eager=True,
        help="Answer with one JSON document on stdout.",
    ),
]  # fmt: skip

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")
]

VoxelSizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="LENGTH",
        help="Edge length of a voxel with its unit, for example 2.4um, where the file does not "
        "state it.",
    ),
]

DatasetPathOption = Annotated[
    str | None,
    typer.Option(
        "--dataset-path",
        "--path",
        metavar="PATH",
        help="Path of the volume inside an HDF5 file (default: it is searched for).",
    ),
]


def open_dataset(folder: Path | None) -> "Dataset":
    """Open the dataset that ``-d`` names, or the one at or above the current folder."""
    from srseg.dataset import Dataset, find_dataset

    return Dataset(find_dataset() if folder is None else folder)


def choose_samples(
    folder: Path | None, names: list[str] | None, conditions: list[str] | None
) -> "Dataset":
    """Open the dataset and give the samples that a command is to work on, at least one."""
    from srseg.errors import DatasetError

    dataset = open_dataset(folder)
    if not len(dataset):
        raise DatasetError(
            f"{dataset.path} has no samples yet; add one with: srseg dataset add FILE"
        )
    wanted = parse_conditions(conditions)
    if names:
        dataset = dataset.select(name=names)
    chosen = dataset.select(**wanted) if wanted else dataset
    if not len(chosen):
        raise DatasetError(
            f"no sample of {dataset.path} fits {', '.join(conditions or [])}; look at: "
            "srseg dataset list"
        )
    return chosen


def is_file(text: str, folder: Path | None) -> bool:
    """Tell whether an argument names a file, not a sample of the dataset."""
    from srseg.errors import SRSegError

    # a sample's name has letters and digits only, so a dot or a slash means a path
    if "." in text or "/" in text or not Path(text).exists():
        return "." in text or "/" in text
    try:
        return text not in open_dataset(folder).names
    except SRSegError:
        return True


def parse_conditions(conditions: list[str] | None) -> dict[str, Any]:
    """Read ``key=value`` texts; the values of a key given twice are a list."""
    found: dict[str, Any] = {}
    for text in conditions or []:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key.isidentifier() and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not KEY=VALUE, for example alloy=Mg-5Gd", param_hint="--select"
            )
        found.setdefault(key, []).append(value)
    return found


def quantity(text: str | None, unit: str, option: str) -> float | None:
    """Read an option with a unit; a wrong one is an error of usage."""
    from srseg.errors import ParameterError
    from srseg.units import parse_quantity

    if text is None:
        return None
    try:
        value = parse_quantity(text, unit, name=option)
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    warn_if_unusual(value, unit, option)
    return value


_USUAL = {"um": ("µm", 0.02, 500.0)}


def warn_if_unusual(value: float, unit: str, where: str) -> None:
    """Warn of a voxel size that no scan has: a slip in the prefix of its unit.

    Parameters
    ----------
    value : float
        In `unit`.
    unit : {"um"}
        Of a voxel size; what metadata may be is in their schema.
    where : str
        The option or file that says it.
    """
    shown, low, high = _USUAL[unit]
    if not low <= value <= high:
        warnings.warn(
            f"{where}: {value:g} {shown} is unusual, scans have {low:g} to {high:g} {shown}; "
            "is the unit right?",
            stacklevel=2,
        )


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number from 0 on, of at most nine digits."""
    text = text.strip()
    return text.isascii() and text.isdecimal() and len(text) < 10


def not_empty(text: str | None, option: str) -> str | None:
    """Refuse an empty text: in a script it is a variable that was never set."""
    if text is not None and not text.strip():
        raise typer.BadParameter(
            "the text is empty; name one, or leave the option out", param_hint=option
        )
    return text
