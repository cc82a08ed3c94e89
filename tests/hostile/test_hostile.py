"""Hostile files of every format: refused in words, at once, and without touching anything else.

The files are made in ``*_files.py`` and read by ``run.py`` in processes of their own. The tables of
docs/hostile.md are made here: ``SRSEG_WRITE_DOCS=1 pytest tests/hostile`` writes them anew.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zarr")
pytest.importorskip("trimesh")

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "hostile.md"
GROUPS = ("volumes", "texts", "models")
# what is wanted is 50 ms and 50 MiB; a test beside other work measures more
MS, MIB = 1000, 100


def answers(group, folder):
    """Read every file of a group in another process."""
    done = subprocess.run(
        [sys.executable, HERE / "run.py", group, folder],
        capture_output=True, text=True, cwd=folder, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(answer):
    """Say what is wrong with an answer."""
    found = []
    if answer["result"] not in ("read", "refused"):
        found.append(f"{answer['result']}: {answer['said'][:300]}")
    elif (answer["result"] == "read") != answer["harmless"]:
        found.append(f"{answer['result']}, and that was not expected: {answer['said'][:300]}")
    elif answer["result"] == "refused" and not names(answer):
        found.append(f"the message does not name {answer['file']}: {answer['said'][:300]}")
    if answer["touched"]:
        found.append(f"touched {answer['touched']}")
    if answer["ms"] > MS:
        found.append(f"took {answer['ms']} ms")
    if answer["mib"] > MIB:
        found.append(f"took {answer['mib']} MiB")
    return found


def names(answer):
    """Tell whether a message names the file, or of a dataset the file in it that is meant."""
    meant = (answer["inside"], "/dev/zero")  # a sidecar may name a scan elsewhere
    whole = answer["kind"].startswith("dataset") and any(m in answer["said"] for m in meant)
    return whole or answer["file"].split("\n")[0] in answer["said"]


def row(answer):
    """Give the line of the table, with what was measured last."""
    # of this machine, and of the one where ITK was built
    outside = str(Path(answer["inside"]).parent) + "/"
    said = answer["said"].replace(answer["inside"] + "/", "").replace(answer["inside"], "")
    said = re.sub(r"/\S*/ITK/Modules/", "", said.replace(outside, "../"))
    said = re.sub(r"0x[0-9a-f]+", "0x…", " ".join(said.split()))
    said = re.sub(r"[\x00-\x1f\x7f]", "?", said)
    said = said if len(said) <= 160 else said[:159] + "…"
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "'"), ("*", "\\*"),
                          ("_", "\\_"), ("[", "\\["), ("$", "\\$")):  # fmt: skip
        said = said.replace(sign, instead)
    name = answer["name"].replace("<", "&lt;")
    took = [f"{answer['ms']:.0f}", f"{answer['mib']:.0f}"]
    return [answer["kind"], name, f"{answer['result']}", said, *took]


def hold(group, answers_of_group):
    """Compare the table with that on the page, but for what was measured; or write it there."""
    head = ["file", "what is wrong with it", "answer", "what is said", "ms", "MiB"]
    lines = [head, ["---"] * len(head), *map(row, answers_of_group)]
    text = PAGE.read_text("utf-8")
    place = re.compile(
        rf"(<!-- {group}: made by the tests -->\n\n)(.*?)(\n*<!-- end of {group} -->)", re.DOTALL
    )
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    if os.environ.get("SRSEG_WRITE_DOCS"):
        PAGE.write_text(place.sub(lambda m: f"{m[1]}{table}\n\n{m[3].strip()}", text), "utf-8")
        return
    made = place.search(text)
    assert made is not None
    # versions of libraries say it in other words
    there = [line.split(" | ")[:3] for line in made[2].splitlines()[2:]]
    assert there == [["| " + cells[0], *cells[1:3]] for cells in lines[2:]], (
        "docs/hostile.md is out of date: run with SRSEG_WRITE_DOCS=1"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="what is opened is watched by inotify")
@pytest.mark.parametrize("group", GROUPS)
def test_every_hostile_file_is_answered_in_words_and_nothing_else_is_touched(group, tmp_path):
    found = answers(group, tmp_path)
    wrong = {f"{a['kind']}: {a['name']}": faults(a) for a in found if faults(a)}
    if os.environ.get("SRSEG_WRITE_DOCS"):
        hold(group, found)
    assert wrong == {}
    hold(group, found)
