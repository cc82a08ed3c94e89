"""What ``srseg compare`` is to compare, read from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from srseg.cli._segmenter_options import (
    NETWORK,
    parameters_of,
    read_value,
    refuse_voxels_of_scans,
    require_parameter,
    split_name,
)

_HINT = "METHOD"


def read_methods(
    texts: list[str], settings: list[str], common: Mapping[str, Any]
) -> dict[str, Any]:
    """Make what is compared.

    Parameters
    ----------
    texts : list of str
        Names of segmenters or backbones, or model files; ``LABEL=NAME`` for another name.
    settings : list of str
        ``METHOD.NAME=VALUE``.
    common : mapping
        Parameters that every method takes which has them.

    Returns
    -------
    dict of str to estimator or Path
        By the name that stands in the table.
    """
    named = _named(texts)
    given = _settings(settings, named)
    return {
        label: Path(name) if is_model(name) else _made(label, name, given.get(label, {}), common)
        for label, name in named.items()
    }


def is_model(name: str) -> bool:
    """Tell whether a method is a model file."""
    return name.endswith(".srseg") or Path(name).is_file()


def _named(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        label, equals, name = (part.strip() for part in text.partition("="))
        name = name if equals else label
        if not label or not name:
            raise typer.BadParameter(f"{text!r} is not NAME or LABEL=NAME", param_hint=_HINT)
        if label in found:
            raise typer.BadParameter(
                f"{label} stands there twice; give one of them another name, as in "
                f"{label}-2={name}",
                param_hint=_HINT,
            )
        if is_model(name) and not Path(name).is_file():
            raise typer.BadParameter(f"there is no model file {name}", param_hint=_HINT)
        found[label] = name
    return found


def _settings(texts: list[str], named: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        label, dot, name = key.rpartition(".")
        name = name.replace("-", "_")
        if not (label and dot and equals and value and name.isidentifier()):
            raise typer.BadParameter(
                f"{text!r} is not METHOD.NAME=VALUE, such as unet.width=32", param_hint="--set"
            )
        if label not in named or is_model(named[label]):
            fitted = [one for one, of in named.items() if not is_model(of)]
            raise typer.BadParameter(
                f"{text!r}: {label!r} is none of the methods that are fitted here "
                f"({', '.join(fitted) or 'none'})",
                param_hint="--set",
            )
        if name in found.setdefault(label, {}):
            raise typer.BadParameter(f"{key} is given twice", param_hint="--set")
        found[label][name] = read_value(value)
    return found


def _made(label: str, name: str, settings: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    from srseg.errors import ParameterError, UnknownNameError
    from srseg.estimators import VolumeSegmenter, create_segmenter, segmenter_class

    segmenter, backbone = split_name(name)
    try:
        kind = VolumeSegmenter if segmenter == NETWORK else segmenter_class(segmenter)
    except UnknownNameError as error:
        raise typer.BadParameter(
            f"{error}; or give a model file (*.srseg)", param_hint=_HINT
        ) from None
    known = parameters_of(kind)
    for wanted in settings:
        require_parameter(label, known, wanted.partition("__")[0], "--set")
    own = {key: value for key, value in settings.items() if "__" not in key}
    inner = {key: value for key, value in settings.items() if "__" in key}
    values = {key: value for key, value in common.items() if key in known} | own
    if "voxel_size" not in own:
        refuse_voxels_of_scans(label, kind, values)
    if backbone is not None:
        values["backbone"] = backbone
    made = create_segmenter(segmenter, **values)
    try:
        return made.set_params(**inner)
    except (ValueError, AttributeError) as error:
        if isinstance(error, ParameterError):
            raise
        raise typer.BadParameter(f"{', '.join(inner)}: {error}", param_hint="--set") from None
