"""What packages add to srseg, and whether it keeps its contract."""

from __future__ import annotations

import inspect
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.errors import PluginError, SRSegError, UnknownNameError
from srseg.registry import Plugin, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Checked", "check_plugin", "list_plugins"]

_TAKEN = ".*is already taken by"
# a network that is fitted within seconds
_QUICK = {"width": 4, "depth": 1, "input_size": 16, "max_iter": 2, "batch_size": 2}


@dataclass(frozen=True)
class Checked:
    """What came out of checking a plugin.

    Parameters
    ----------
    plugin : Plugin
        What was checked.
    problem : str
        Which rule it breaks; empty where it keeps all.
    seconds : float
        How long that took.
    """

    plugin: Plugin
    problem: str
    seconds: float


def list_plugins(*, load: bool = False) -> list[Plugin]:
    """List everything that installed packages add to srseg.

    Parameters
    ----------
    load : bool, default=False
        Whether each is loaded, to know whether it can be. Without, none of their code runs.

    Returns
    -------
    list of Plugin
        Backbones, segmenters, file formats and viewers, by name.

    Examples
    --------
    >>> all(plugin.state in ("installed", "loaded", "broken", "shadowed")
    ...     for plugin in list_plugins())
    True
    """
    found: list[Plugin] = []
    for registry in _registries():
        plugins = registry.plugins()
        if load:
            for plugin in plugins:
                if plugin.state == "installed":
                    _try(registry, plugin.name)
            plugins = registry.plugins()
        found += plugins
    return found


def check_plugin(plugin: Plugin, parameters: Mapping[str, Any] | None = None) -> Checked:
    """Check whether a plugin can be loaded, and keeps the contract of its kind.

    Parameters
    ----------
    plugin : Plugin
        One of `list_plugins`.
    parameters : mapping, optional
        Parameters of a segmenter that is checked, beside those that its class gives with
        ``test_parameters``.

    Returns
    -------
    Checked
        What came out.

    Raises
    ------
    ParameterError
        If a segmenter has no such parameter.
    """
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _TAKEN)  # it is a plugin of its own in the list
        problem = _problem(plugin, dict(parameters or {}))
    return Checked(plugin, problem, time.perf_counter() - began)


def built_in(name: str, kinds: Sequence[str]) -> list[Plugin]:
    """Give what srseg itself has of a name, as if a plugin had it."""
    return [
        Plugin(name, registry.kind, "srseg", "", "", "loaded")
        for registry in _registries()
        if registry.kind in kinds and name in registry.names() and registry.home(name) is None
    ]


def built_in_names(kinds: Sequence[str]) -> list[str]:
    """Name what srseg itself has of some kinds."""
    return [name for r in _registries() if r.kind in kinds for name in r.built_in()]


def _problem(plugin: Plugin, parameters: dict[str, Any]) -> str:
    if plugin.state == "shadowed":
        return f"{plugin.reason}, which is used; give it another name, or remove one of the two"
    registry = next(r for r in _registries() if r.kind == plugin.kind)
    try:
        item = registry.get(plugin.name)
        _RULES[plugin.kind](plugin.name, item, parameters)
    except (PluginError, UnknownNameError) as error:
        return str(error)
    return ""


def _check_backbone(name: str, item: Any, parameters: dict[str, Any]) -> None:  # noqa: ARG001
    from srseg.testing._backbone import check_backbone

    if not callable(item):
        raise PluginError(
            f"the backbone {name!r} is a {type(item).__name__}; its entry point must name a "
            "callable with the keywords n_classes, width and depth"
        )
    try:
        check_backbone(name)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"the backbone {name!r} failed: {_words(error)}") from error


def _check_segmenter(name: str, item: Any, parameters: dict[str, Any]) -> None:
    from srseg.estimators import VolumeSegmenter, create_segmenter, segmenter_class
    from srseg.testing._segmenter import check_segmenter

    kind = segmenter_class(name)
    foreign = [p for p in parameters if p not in inspect.signature(kind).parameters]
    if foreign:
        create_segmenter(name, **parameters)  # says which there are
    quick = dict(_QUICK) if item is VolumeSegmenter else {}
    try:
        if hasattr(kind, "test_parameters"):
            quick |= kind.test_parameters()
        segmenter = create_segmenter(name, **{**quick, **parameters})
    except Exception as error:
        raise PluginError(f"the segmenter {name!r} could not be made: {_words(error)}") from error
    try:
        check_segmenter(segmenter)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"the segmenter {name!r} failed: {_words(error)}") from error


def _check_format(name: str, item: Any, parameters: dict[str, Any]) -> None:  # noqa: ARG001
    from srseg.testing._format import check_format

    check_format(item)


def _check_viewer(name: str, item: Any, parameters: dict[str, Any]) -> None:  # noqa: ARG001
    try:
        inspect.signature(item).bind("sample", ["WF"])
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"the viewer {name!r} cannot be called with a sample and names of label sets ({error})"
        ) from error


_RULES = {
    "backbone": _check_backbone,
    "segmenter": _check_segmenter,
    "file format": _check_format,
    "viewer": _check_viewer,
}


def _registries() -> list[Registry[Any]]:
    # here: estimators import torch
    from srseg.backbones._catalog import _registry as backbones
    from srseg.estimators._catalog import _registry as segmenters
    from srseg.io import FORMATS

    return [backbones, segmenters, FORMATS, Registry("srseg.viewers", "viewer")]


def _try(registry: Registry[Any], name: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _TAKEN)
            registry.get(name)
    except SRSegError:
        return  # the registry keeps the reason


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
