"""Read what stands beside voxels: attributes and texts, of the few types that programs write."""

from __future__ import annotations

from typing import Any

from srseg.io._hdf5.packed_chunks import values_in
from srseg.io._hdf5.stored import require_short_attribute, require_short_text
from srseg.io._hdf5.values import text_of

_MOST_VALUES = 1 << 16
_MOST_BYTES = 1 << 20


def attribute(item: Any, name: str) -> Any:
    """Read an attribute of numbers or texts.

    HDF5 has types within types without end, and its ways from one to the other are not all safe
    where a file is damaged: others are not read at all.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        The object.
    name : str
        Name of the attribute.

    Returns
    -------
    object
        Its value; None where there is none, or none that programs write.

    Raises
    ------
    FileFormatError
        If a text states an absurd length.
    """
    if name not in item.attrs:
        return None
    found = item.attrs.get_id(name)
    n_values = found.get_space().get_simple_extent_npoints()
    kind = found.get_type()
    if not 0 < n_values <= _MOST_VALUES or not _is_simple(kind, n_values):
        return None
    if _is_variable(kind):
        require_short_attribute(item, name, n_values)
    return item.attrs[name]


def text_attribute(item: Any, name: str) -> str:
    """Read an attribute that is one text.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        The object.
    name : str
        Name of the attribute.

    Returns
    -------
    str
        The text; empty where there is none.
    """
    return text_of(attribute(item, name))


def text_in(item: Any) -> str:
    """Read a dataset that is one text.

    Parameters
    ----------
    item : object
        A dataset, a group, or None.

    Returns
    -------
    str
        The text; empty where it is none, or lies in another file.

    Raises
    ------
    FileFormatError
        If it states an absurd length.
    """
    if getattr(item, "size", 0) != 1 or item.external or item.is_virtual:
        return ""
    kind = item.id.get_type()
    if not _is_simple(kind, 1) or (_is_variable(kind) and not require_short_text(item)):
        return ""
    return text_of(values_in(item))


def _is_simple(kind: Any, n_values: int) -> bool:
    import h5py

    simple = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)
    if kind.get_class() not in simple or n_values * kind.get_size() > _MOST_BYTES:
        return False
    return not _is_variable(kind) or kind.get_super().get_size() == 1


def _is_variable(kind: Any) -> bool:
    return hasattr(kind, "is_variable_str") and bool(kind.is_variable_str())
