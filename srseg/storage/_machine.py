"""Which machine this is, as far as the numbers of its processes mean anything."""

from __future__ import annotations

import hashlib
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def machine_tag() -> str:
    """Give 6 hexadecimal digits that are the same as long as process numbers can be compared.

    They differ between computers, between two starts of one, and between containers that number
    their processes each on their own: on a shared file system, all of these write into one folder.
    """
    facts = [socket.gethostname()]
    with suppress(OSError):  # not Linux, or hidden: the name of the host must do
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:6]
