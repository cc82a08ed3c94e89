"""What the page was made with."""

from __future__ import annotations

import platform
from importlib import metadata

from srseg._version import __version__

_PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "scikit-image", "SimpleITK", "h5py",
             "hdf5plugin", "matplotlib", "Jinja2")  # fmt: skip


def versions() -> dict[str, str]:
    """Give the versions of srseg, Python and the packages that numbers depend on.

    Returns
    -------
    dict of str to str
        Versions by name.
    """
    found = {"srseg": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
