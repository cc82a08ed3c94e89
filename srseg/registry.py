"""Names that plugins can add to: a registry with entry points.

Entry points are listed cheaply and loaded on first use. A plugin that fails to import is named and
the rest works; a duplicate name warns and says which one is used; an unknown name is an error that
lists what there is, the broken ones too.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from srseg.errors import PluginError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Plugin", "Registry"]

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """A name that a package adds to a registry.

    Parameters
    ----------
    name : str
        What users type.
    kind : str
        What it names: ``"backbone"``.
    package, version : str
        The package that it is from; empty where nobody knows.
    entry_point : str
        Where it lies: ``module:attribute``.
    state : {"installed", "loaded", "broken", "shadowed"}
        Whether it was loaded, cannot be, or stands behind another of the same name.
    reason : str
        Why it is broken, or what stands before it.
    """

    name: str
    kind: str
    package: str
    version: str
    entry_point: str
    state: str
    reason: str = ""


class Registry(Generic[T]):
    """A table of named things of one kind, built in or from plugins.

    Parameters
    ----------
    group : str
        The entry-point group, for example ``"srseg.backbones"``.
    kind : str
        What the things are, for messages: ``"backbone"``.

    Examples
    --------
    >>> registry = Registry("srseg.nothing", "filter")
    >>> registry.register("mean", len)
    >>> registry.get("mean") is len
    True
    >>> registry.get("maen")
    Traceback (most recent call last):
    srseg.errors.UnknownNameError: no filter 'maen'; did you mean 'mean'? Known filters: mean
    """

    def __init__(self, group: str, kind: str) -> None:
        self.group = group
        self.kind = kind
        self._built_in: dict[str, T] = {}
        self._loaded: dict[str, T] = {}
        self._broken: dict[str, str] = {}

    def register(self, name: str, item: T) -> None:
        """Add something for this process; a name already taken is refused.

        Parameters
        ----------
        name : str
            The name users type.
        item : object
            What the name stands for.

        Raises
        ------
        PluginError
            If the name is already taken.
        """
        if name in self._built_in:
            raise PluginError(f"the {self.kind} name {name!r} is already taken; choose another")
        self._built_in[name] = item

    def built_in(self) -> dict[str, T]:
        """Give what was registered in this process, by name; no plugin is loaded.

        Returns
        -------
        dict
            What is registered, by name.
        """
        return dict(self._built_in)

    def names(self) -> list[str]:
        """List every name, without loading a plugin.

        Returns
        -------
        list of str
            Built-in names and those of installed plugins, sorted.
        """
        return sorted({*self._built_in, *self._entry_points()})

    def broken(self) -> dict[str, str]:
        """Tell which plugins failed to load so far.

        Returns
        -------
        dict of str to str
            The reason by name.
        """
        return dict(self._broken)

    def get(self, name: str) -> T:
        """Give what a name stands for, loading its plugin on first use.

        Parameters
        ----------
        name : str
            A name from `names`.

        Returns
        -------
        object
            What is registered under it.

        Raises
        ------
        UnknownNameError
            If nothing has that name.
        PluginError
            If the plugin of that name cannot be imported.
        """
        if name in self._built_in:
            return self._built_in[name]
        if name in self._loaded:
            return self._loaded[name]
        points = self._entry_points()
        if name not in points:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            known = ", ".join(
                f"{n} (broken: {self._broken[n]})" if n in self._broken else n for n in self.names()
            )
            raise UnknownNameError(
                f"no {self.kind} {name!r}{hint} Known {self.kind}s: {known or 'none'}"
            )
        point = points[name]
        try:
            item: T = point.load()
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            self._broken[name] = reason
            raise PluginError(
                f"the {self.kind} {name!r} of {_owner(point)} could not be loaded ({reason}); "
                "reinstall or remove that package"
            ) from error
        self._broken.pop(name, None)
        self._loaded[name] = item
        return item

    def home(self, name: str) -> str | None:
        """Tell which top-level package a plugin's name is of, without loading it.

        Parameters
        ----------
        name : str
            A name from `names`.

        Returns
        -------
        str or None
            The package's name; None for what is built in or was registered in this process.
        """
        point = None if name in self._built_in else self._entry_points().get(name)
        return None if point is None else _home(point)

    def plugins(self) -> list[Plugin]:
        """Tell of everything that packages add, without loading it.

        A package whose module is not there is broken; whether others can be loaded is known of
        those that were.

        Returns
        -------
        list of Plugin
            By name; of one name the one that is used comes first.
        """
        found: list[Plugin] = []
        used: dict[str, str] = dict.fromkeys(self._built_in, "srseg itself")
        for point in _installed(self.group, _places()):
            state, reason = "shadowed", f"the name is taken by {used.get(point.name)}"
            if point.name not in used:
                used[point.name] = _owner(point)
                state, reason = self._state(point)
            dist = point.dist
            package, version = ("", "") if dist is None else (dist.name, dist.version)
            found.append(
                Plugin(
                    point.name, self.kind, package or "", version or "", point.value, state, reason
                )
            )
        return sorted(found, key=lambda plugin: (plugin.name, plugin.state == "shadowed"))

    def _state(self, point: EntryPoint) -> tuple[str, str]:
        if point.name in self._broken:
            return "broken", self._broken[point.name]
        if point.name in self._loaded:
            return "loaded", ""
        home = _home(point)
        try:
            there = bool(home) and find_spec(home) is not None
        except (ImportError, ValueError):
            there = False
        return ("installed", "") if there else ("broken", f"there is no module {home!r}")

    def items(self) -> dict[str, T]:
        """Load everything that can be loaded; what cannot warns and is left out.

        Returns
        -------
        dict
            What is registered, by name.
        """
        found = {}
        for name in self.names():
            try:
                found[name] = self.get(name)
            except PluginError as error:
                warnings.warn(str(error), stacklevel=2)
        return found

    def _entry_points(self) -> dict[str, EntryPoint]:
        points: dict[str, EntryPoint] = {}
        for point in _installed(self.group, _places()):
            if point.name in self._built_in:
                self._warn_duplicate(point, "srseg itself")
            elif point.name in points:
                self._warn_duplicate(point, _owner(points[point.name]))
            else:
                points[point.name] = point
        return points

    def _warn_duplicate(self, point: EntryPoint, winner: str) -> None:
        warnings.warn(
            f"the {self.kind} name {point.name!r} of {_owner(point)} is already taken by "
            f"{winner}, which is used",
            stacklevel=4,
        )


def _places() -> tuple[tuple[str, int, int], ...]:
    """Give the folders that packages are looked for in, and when each was last changed."""
    found = []
    for place in sys.path:
        with suppress(OSError):
            state = Path(place).stat()  # of an empty one, the current folder
            found.append((place, state.st_ino, state.st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=32)
def _installed(group: str, _: tuple[tuple[str, int, int], ...]) -> tuple[EntryPoint, ...]:
    """List a group; kept, since every file that is opened asks, and each package is read for it."""
    return tuple(entry_points(group=group))


def _home(point: EntryPoint) -> str:
    """Give the package that an entry point lies in, empty where it is none."""
    return point.value.partition(":")[0].partition(".")[0].strip()


def _owner(point: Any) -> str:
    dist = getattr(point, "dist", None)
    return f"the package {dist.name}" if dist is not None else point.value
