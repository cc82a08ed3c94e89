"""What a fit used of the parameters: one that is changed later changes nothing of the model."""

from __future__ import annotations

from typing import Any, ClassVar

from srseg.estimators import BaseSegmenter


class KeepsParameters(BaseSegmenter):
    """Keeps those parameters that prediction needs under their names with an underscore.

    Attributes
    ----------
    used : tuple of str
        Names of the parameters.
    """

    used: ClassVar[tuple[str, ...]] = ()

    def keep_parameters(self) -> None:
        """Keep what they are now; called first in `learn`."""
        for name in self.used:
            setattr(self, f"{name}_", getattr(self, name))

    def kept(self, name: str) -> Any:
        """Give what a fit used, before any what the parameter is.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        object
            Its value.
        """
        return getattr(self, f"{name}_", getattr(self, name))

    def check_kept(self) -> None:
        """Refuse values that cannot work with a ValueError; a file may come from anyone."""
        type(self)(**{name: getattr(self, f"{name}_") for name in self.used}).check()
