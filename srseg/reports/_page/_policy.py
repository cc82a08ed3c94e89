"""What a page may do: show what is in it, run the viewer, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.S)


def policy(head: str) -> str:
    """Give the content security policy of a page whose own scripts stand in its head.

    Names and texts on the page are escaped. Were one ever not, a browser that goes by this would
    still run nothing of it, fetch nothing and send nothing: only the very scripts of the viewer
    run, by their SHA-256.

    Parameters
    ----------
    head : str
        The scripts as HTML; empty where the page has none.

    Returns
    -------
    str
        For ``<meta http-equiv="Content-Security-Policy">``.
    """
    sums = [hashlib.sha256(script.encode()).digest() for script in _SCRIPT.findall(head)]
    scripts = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in sums) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
