"""Names that plugins can add to: a registry with entry points.

Entry points are listed cheaply and loaded on first use. A plugin that fails to import is named and
the rest works; a duplicate name warns and says which one is used; an unknown name is an error that
lists what there is, the broken ones too.
"""

from __future__ import annotations

import difflib
import warnings
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from srseg.errors import PluginError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry"]

T = TypeVar("T")


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
        for point in entry_points(group=self.group):
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


def _owner(point: Any) -> str:
    dist = getattr(point, "dist", None)
    return f"the package {dist.name}" if dist is not None else point.value
