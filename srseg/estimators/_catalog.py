"""Segmenters by name: the paper's, those of plugins, or any backbone."""

from __future__ import annotations

import inspect
from typing import Any

from srseg.backbones import list_backbones
from srseg.errors import ParameterError, PluginError, UnknownNameError
from srseg.estimators._segmenter import VolumeSegmenter
from srseg.registry import Registry

BUILT_IN = "unet"


_registry: Registry[type[Any]] = Registry("srseg.segmenters", "segmenter")
_registry.register(BUILT_IN, VolumeSegmenter)


def list_segmenters() -> list[str]:
    """List the segmenters there are, without loading any.

    Returns
    -------
    list of str
        The names, sorted: ``"unet"``, which is `VolumeSegmenter`, and those of installed plugins
        (entry points of the group ``srseg.segmenters``).

    Examples
    --------
    >>> "unet" in list_segmenters()
    True
    """
    return _registry.names()


def register_segmenter(name: str, segmenter: type[Any]) -> None:
    """Give a class of segmenters a name for the rest of this process.

    A plugin does the same for good with an entry point of the group ``srseg.segmenters``. Other
    processes do not know the name: they need the entry point.

    Parameters
    ----------
    name : str
        The name that users type.
    segmenter : type
        A class of estimators; see `BaseSegmenter`.

    Raises
    ------
    ParameterError
        If the name is empty, or `segmenter` is no class.
    PluginError
        If the name is taken.
    """
    if not name or not inspect.isclass(segmenter):
        raise ParameterError(
            f"a segmenter has a name that is not empty, and is a class; found {name!r} and "
            f"{segmenter!r}"
        )
    _registry.register(name, segmenter)


def segmenter_class(name: str) -> type[Any]:
    """Give the class that a name stands for, loading its plugin on first use.

    Parameters
    ----------
    name : str
        A name from `list_segmenters`.

    Returns
    -------
    type
        The class.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    PluginError
        If the plugin of that name cannot be imported, or is no class.
    """
    found = _registry.get(name)
    if not inspect.isclass(found) or not hasattr(found, "fit") or not hasattr(found, "predict"):
        raise PluginError(
            f"the segmenter {name!r} is a {type(found).__name__} and no class with fit and "
            "predict; its entry point must name a class such as one made of "
            "srseg.estimators.BaseSegmenter"
        )
    return found


def create_segmenter(name: str, **parameters: Any) -> Any:
    """Make a segmenter by name.

    Parameters
    ----------
    name : str
        A name from `list_segmenters`, or one of a backbone, which gives a `VolumeSegmenter` with
        that backbone.
    **parameters : object
        Parameters of its class.

    Returns
    -------
    estimator
        Not fitted.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    PluginError
        If the plugin of that name cannot be imported.
    ParameterError
        If it has no such parameter.

    Examples
    --------
    >>> create_segmenter("unet", width=8)
    VolumeSegmenter(width=8)
    >>> create_segmenter("smp:unet/resnet34").backbone
    'smp:unet/resnet34'
    """
    if name not in _registry.names() and (name in list_backbones() or name.startswith("smp:")):
        return create_segmenter(BUILT_IN, backbone=name, **parameters)
    try:
        kind = segmenter_class(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error}; or a backbone: {', '.join(list_backbones())}") from None
    known = [p for p in inspect.signature(kind).parameters if p != "self"]
    foreign = [p for p in parameters if p not in known]
    if foreign:
        raise ParameterError(
            f"the segmenter {name!r} has no parameter {foreign[0]!r}; it has {', '.join(known)}"
        )
    return kind(**parameters)


def segmenter_name(estimator: Any) -> str:
    """Give the name of the class of an estimator, under which a file can name it.

    Parameters
    ----------
    estimator : estimator
        A segmenter.

    Returns
    -------
    str
        Such that `segmenter_class` gives its class.

    Raises
    ------
    ParameterError
        If its class has no name.
    """
    kind = type(estimator)
    home = kind.__module__.partition(".")[0]
    for name in _registry.names():
        # only the package that the class is of is loaded
        if name == BUILT_IN or _registry.home(name) in (None, home):
            try:
                if _registry.get(name) is kind:
                    return name
            except PluginError:
                continue
    raise ParameterError(
        f"a {kind.__name__} has no name by which a file could call it; give its class one with an "
        "entry point of the group srseg.segmenters, or srseg.estimators.register_segmenter"
    )
