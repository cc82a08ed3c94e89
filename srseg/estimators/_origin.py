"""What a segmenter is called, whose it is, and how it is set: for plans, records and files."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import (
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    version,
)
from typing import TYPE_CHECKING, Any

from srseg.estimators._catalog import segmenter_name
from srseg.estimators._plain import plain_parameters
from srseg.estimators._predictors import unwrapped

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_GROUP = "srseg.segmenters"


def segmenter_facts(estimator: Any) -> dict[str, Any]:
    """Say what a segmenter is called, which package it is from, and how it is set.

    Parameters
    ----------
    estimator : estimator
        A segmenter whose class has a name, fitted or not.

    Returns
    -------
    dict
        ``segmenter``, the name by which `create_segmenter` makes one; ``package``, name and version
        of the distribution that brought it, None of srseg's own and of classes that were given a
        name in this process; ``settings``, its parameters as plain data, without what is of this
        machine.

    Raises
    ------
    ParameterError
        If its class has no name, or a parameter is no plain data: a file could not keep it.

    Examples
    --------
    >>> from srseg import VolumeSegmenter
    >>> facts = segmenter_facts(VolumeSegmenter(width=8))
    >>> facts["segmenter"], facts["package"], facts["settings"]["width"]
    ('unet', None, 8)
    """
    estimator = unwrapped(estimator)
    name = segmenter_name(estimator)
    return {
        "segmenter": name,
        "package": _package(name, type(estimator)),
        "settings": plain_parameters(estimator),
    }


def package_version(kind: type[Any]) -> str | None:
    """Tell which version there is of the package that a class is from.

    Parameters
    ----------
    kind : type
        The class.

    Returns
    -------
    str or None
        None of srseg's own, whose version is known anyway, and of what was not installed.
    """
    home = kind.__module__.partition(".")[0]
    return None if home == "srseg" else _version_of(home)


@lru_cache
def _version_of(package: str) -> str | None:
    for name in packages_distributions().get(package, [package]):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _package(name: str, kind: type[Any]) -> str | None:
    home = kind.__module__.partition(".")[0]
    points: list[EntryPoint] = [p for p in entry_points(group=_GROUP) if p.name == name]
    for point in points:
        if point.dist is not None and point.module.partition(".")[0] == home:
            return f"{point.dist.name} {point.dist.version}"
    return None
