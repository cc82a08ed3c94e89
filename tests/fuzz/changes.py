"""How the fuzzer changes an input, beside bytes: values of JSON, numbers, one file of several."""

from __future__ import annotations

import copy
import json
import random
from contextlib import suppress

from judge import pack, unpack

_HOSTILE = (
    None, True, False, 0, -1, 1, 2, 255, 256, 65536, 2**31, 2**53, 2**63, 2**64, -(2**63),
    10**30, 10**400,
    0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", "0", "a", "µm", "../../x", "/etc",
    "\x00", "\ud800", "<script>", "=1+1", "n/a", "9" * 400, [], {}, [[]], [None], [0, 0, 0],
    [-1, 2, 3], [1e308] * 3, ["a"] * 3, {"a": 1}, {"": {}}, [1] * 1000,
)  # fmt: skip
_NUMBERS = (
    0, 1, 2, 3, 4, 7, 8, 16, 24, 255, 4095, 4096, 65535, 1 << 24, 2**31, 2**32 - 1, 2**40, 2**63,
    2**64 - 16, 2**64 - 8, 2**64 - 1,
)  # fmt: skip


def change_numbers(data, rng):
    """Change numbers of one to eight bytes where there is more than zeros, as in HDF5 files."""
    changed = bytearray(data)
    places = [n for n, byte in enumerate(data) if byte] or [0]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = max(0, rng.choice(places) - rng.randrange(8))
        width = rng.choice((1, 2, 4, 8))
        how = rng.randrange(4)
        if how == 0:  # what stands elsewhere
            other = rng.choice(places)
            new = bytes(changed[other : other + rng.choice((4, 8, 16))])
        elif how == 1:
            old = int.from_bytes(changed[at : at + width], "little")
            new = _bytes_of(old + rng.choice((-16, -8, -1, 1, 8, 16)), width)
        elif how == 2:
            new = bytes([changed[at] ^ (1 << rng.randrange(8))])
        else:
            new = _bytes_of(rng.choice(_NUMBERS), width)
        changed[at : at + len(new)] = new
    return bytes(changed[: len(data)])


def _bytes_of(number, width):
    return (number % (1 << 8 * width)).to_bytes(width, "little")


def change_json(text, rng):
    """Change a value somewhere in a JSON text; None where it is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _changed(document, rng)
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):
        return None


def _changed(document, rng):
    places = list(_places(document))
    if not places:
        return copy.deepcopy(rng.choice(_HOSTILE))
    holder, key = rng.choice(places)
    how = rng.randrange(6)
    value = holder[key]
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            holder[key] = value * rng.choice((-1, 2, 10, 1000, 1e9, 1e-9)) + rng.choice((0, 1, -1))
    elif how == 2:  # what stands elsewhere
        other, name = rng.choice(places)
        holder[key] = copy.deepcopy(other[name])
    elif how == 3 and isinstance(holder, list) and len(holder) < 10_000:
        holder.insert(key, copy.deepcopy(value))
    elif how == 4 and rng.random() < 0.1:
        for _ in range(rng.choice((3, 200))):
            value = [value]
        holder[key] = value
    else:
        holder[key] = copy.deepcopy(rng.choice(_HOSTILE))
    return document


def _places(node):
    if isinstance(node, dict | list):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            yield node, key
            yield from _places(value)


def changer(target, mutate):
    """Give the function by which atheris changes an input of a target."""

    def change(data, most, seed):
        rng = random.Random(seed)
        if not target.several:
            return _one(data, most, rng, mutate)
        files = unpack(data)
        if not files or rng.random() < 0.05:
            return mutate(data, most)
        name = rng.choice(sorted(files))
        how = rng.random()
        if how < 0.04:
            del files[name]
        elif how < 0.08:
            files[rng.choice(sorted(files))] = files[name]
        else:
            room = max(64, most - len(data) + len(files[name]))
            files[name] = _one(files[name], room, rng, mutate)
        return pack(files)[:most]

    return change


def _one(data, most, rng, mutate):
    if data[:1] in (b"{", b"[") and rng.random() < 0.8:
        changed = change_json(data, rng)
        if changed is not None:
            return changed[:most]
    if data.count(0) > len(data) // 2 and rng.random() < 0.7:
        return change_numbers(data, rng)[:most]
    return mutate(data, most)
