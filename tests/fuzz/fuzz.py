"""Fuzz every reader of srseg for a time, and print what came of it.

Needs the extra ``fuzz`` (atheris, Linux). A run of an hour, in a folder that keeps what was found
and the inputs that reach new code, from which a later run goes on::

    python tests/fuzz/fuzz.py --minutes 60 --out fuzzing

A finding is a folder with the shortest ``input`` and a ``report.txt``; look at it again with::

    python tests/fuzz/fuzz.py --readers nrrd --again fuzzing/nrrd/findings/nrrd-slow-01234/input
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

HANGS = 60  # s
MEMORY = 4096  # MiB
MOST_DEATHS = 20


def fuzz(names, out, seed, *, seconds=0.0, inputs=0, longest=1 << 16):
    """Fuzz readers in processes that follow each other; and tell what came of it."""
    for folder in ("corpus", "dead", "findings"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    total = {"inputs": 0, "refused": 0, "peak_mib": 0.0, "seconds": 0.0, "cpu": 0.0}
    deaths = 0
    while deaths <= MOST_DEATHS:
        left = seconds - total["seconds"]
        if deaths and (left < 2 if seconds else inputs <= total["inputs"]):
            break
        (out / "state.json").unlink(missing_ok=True)
        options = [
            f"-max_total_time={int(left)}", f"-runs={inputs - total['inputs'] if inputs else -1}",
            f"-max_len={longest}", f"-timeout={HANGS}", f"-rss_limit_mb={MEMORY}",
            f"-seed={seed + deaths}", "-reload=0", "-report_slow_units=9999",
            f"-artifact_prefix={out / 'dead'}/", str(out / "corpus"),
        ]  # fmt: skip
        code = _in_a_child(names, out, options)
        state = _state(out)
        for key in ("inputs", "refused", "seconds", "cpu"):
            total[key] += state[key]
        total["peak_mib"] = max(total["peak_mib"], state["peak_mib"])
        if code == 0:
            break
        deaths += 1
    return {
        **total,
        "reader": ", ".join(names),
        "deaths": deaths,
        "findings": sorted(p.name for p in (out / "findings").iterdir()),
        "dead": sorted(p.name for p in (out / "dead").iterdir()),
    }


def _in_a_child(names, out, options):
    """Fuzz in a copy of this process, in which all is imported; give its exit code."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for place in (Path("/dev/shm"), out):  # libFuzzer ends without leave
            shutil.rmtree(place / f"fuzz-{child}", ignore_errors=True)
        return code
    try:
        log = os.open(out / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        import loop

        for name in names:
            prefix = bytes([names.index(name)]) if len(names) > 1 else b""
            for n, data in enumerate(loop.seeds(name)):
                (out / "corpus" / f"{name}-{n}").write_bytes(prefix + data)
        loop.fuzz(names, out, options)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _state(out):
    try:
        return json.loads((out / "state.json").read_text())
    except (OSError, ValueError):
        return {"inputs": 0, "refused": 0, "peak_mib": 0.0, "seconds": 0.0, "cpu": 0.0}


def again(name, path):
    """Judge one input once more, without the fuzzer."""
    import tempfile
    import warnings

    import readers
    from judge import judged

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        case = judged(readers.TARGETS[name], path.read_bytes(), Path(folder) / "case")
    for finding in case.findings:
        print(f"{finding.place}\n{finding.report}")
    if not case.findings:
        print("refused, as it must be" if case.refused else "read")


def main():
    """Share the time among the readers, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="for all readers together")
    parser.add_argument("--inputs", type=int, help="so many instead, for all readers in turn")
    parser.add_argument("--readers", nargs="+", help="only these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzzing"))
    parser.add_argument("--again", type=Path, help="one input, to be read once more")
    options = parser.parse_args()
    if options.again:
        again(options.readers[0], options.again)
        return
    import loop  # noqa: F401 - here, so that it is imported once for all
    import readers

    names = options.readers or readers.present()
    out = options.out.absolute()
    print("| reader | s | s of CPU | inputs | refused | findings | deaths | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    if options.inputs:
        rows = [fuzz(names, out, options.seed, inputs=options.inputs)]
    else:
        rows = []
        for name in names:
            longest = readers.TARGETS[name].longest
            seconds = 60 * options.minutes / len(names)
            rows.append(fuzz([name], out / name, options.seed, seconds=seconds, longest=longest))
            print(_line(rows[-1]), flush=True)
    total = {
        key: sum(row[key] for row in rows)
        for key in ("seconds", "cpu", "inputs", "refused", "deaths")
    }
    total["peak_mib"] = max(row["peak_mib"] for row in rows)
    total["findings"] = [name for row in rows for name in row["findings"] + row["dead"]]
    print(_line({**total, "reader": "all"}))
    (out / "summary.json").write_text(json.dumps(rows, indent=1))
    if total["deaths"] or total["findings"]:
        print(f"see {out}: {', '.join(total['findings'])}")
        sys.exit(3)


def _line(row):
    share = row["refused"] / max(1, row["inputs"])
    return (
        f"| {row['reader']} | {row['seconds']:.0f} | {row['cpu']:.0f} | {row['inputs']:,} | "
        f"{share:.0%} | {len(row['findings'])} | {row['deaths']} | {row['peak_mib']:.0f} |"
    )


if __name__ == "__main__":
    main()
