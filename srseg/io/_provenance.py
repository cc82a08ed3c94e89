"""How a volume was made, as a line of text that every header can hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVENANCE_KEY = "srseg_provenance"


def provenance_json(provenance: Mapping[str, Any], name: str) -> str:
    """Turn provenance into one line of ASCII.

    Parameters
    ----------
    provenance : mapping
        Plain data.
    name : str
        Name of the file, for the message.

    Returns
    -------
    str
        JSON.

    Raises
    ------
    ParameterError
        If the data hold NaN, infinity or something that JSON has no form for.
    """
    try:
        return json.dumps(dict(provenance), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"{name}: the provenance is not plain data ({error}); use text, finite numbers, lists "
            "and mappings"
        ) from None
