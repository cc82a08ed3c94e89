"""Whether a prediction that is killed and started again gives the same labels.

``srseg predict`` labels a phantom once without being disturbed. Then, again and again, it is
killed (SIGKILL) at a random moment, and the same command is given until it ends. Prints a table
in Markdown; it ends with an error if a single voxel differs::

    python examples/benchmarks/resume_prediction.py --runs 30
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from study import train, write_json

from srseg.io import open_volume, write_volume
from srseg.phantoms import make_phantom


def main() -> None:
    """Kill and resume, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="edge length in voxels")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--planes", default="9")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=2, help="largest number of kills in a run")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--max-memory", default="1GB")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=60, help="of training beforehand")
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    moments = random.Random(options.seed)  # noqa: S311 - no secret
    network = {
        "backbone": "unet", "n_classes": 4, "width": options.width, "depth": options.depth,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        model = folder / "model.srseg"
        train(options.folder or folder, network, options.iterations).save(model)
        scan = folder / "scan.h5"
        write_volume(scan, make_phantom(1, (options.size,) * 3, voxel_size=5.0).scan)
        scratch, out = folder / "scratch", folder / "labels.h5"
        scratch.mkdir()
        words = [
            sys.executable, "-m", "srseg", "predict", model, scan, "--planes", options.planes,
            "--runtime", options.runtime, "--precision", options.precision, "--max-memory",
            options.max_memory, "--scratch", scratch, "--out", out,
        ]  # fmt: skip
        command = [str(word) for word in words]
        start_up, work = whole(command, scratch)
        expected = checksum(out)
        print(
            f"{options.size}³ voxels; undisturbed: {start_up:.1f} s before there is scratch, "
            f"{work:.1f} s of work; sha256 of the labels {expected[:16]}\n"
        )
        print("| run | killed after, s of work | the last try, s | labels |")
        print("| ---: | --- | ---: | --- |")
        runs = []
        while len(runs) < options.runs:
            out.unlink()
            kills = []
            for _ in range(moments.randint(1, options.kills)):
                seconds = moments.uniform(0, work)
                if kill_after(command, scratch, seconds):
                    kills.append(seconds)
                if out.exists():
                    break
            began = time.perf_counter()
            if not out.exists():
                run(command)
            elif any(scratch.iterdir()):  # killed when the labels stood: the command tidies up
                subprocess.run(command, capture_output=True)
            seconds = time.perf_counter() - began
            if any(scratch.iterdir()):
                raise SystemExit(f"{next(scratch.iterdir())} was left behind")
            if not kills:  # it was faster each time
                continue
            same = checksum(out) == expected
            runs.append({"kills": kills, "seconds": seconds, "same": same})
            shown = ", ".join(f"{kill:.1f}" for kill in kills)
            print(f"| {len(runs)} | {shown} | {seconds:.1f} | {'same' if same else 'OTHER'} |",
                  flush=True)  # fmt: skip
    n_same = sum(run["same"] for run in runs)
    print(f"\n{n_same} of {len(runs)} the same, bit by bit.")
    write_json(options.json, {"start_up": start_up, "work": work, "runs": runs})
    if n_same < len(runs):
        raise SystemExit(1)


def run(command: list[str]) -> None:
    """Run a command to its end."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def whole(command: list[str], scratch: Path) -> tuple[float, float]:
    """Run a command undisturbed; give its seconds before it has scratch, and after."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_for(scratch, process)
        opened = time.perf_counter()
        process.wait()
    ended = time.perf_counter()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return opened - began, ended - opened


def kill_after(command: list[str], scratch: Path, seconds: float) -> bool:
    """Kill a command some seconds after it has begun to work; tell whether it had not ended."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(scratch, process)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


def wait_for(scratch: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until there is something in the scratch folder, or the command has ended."""
    while process.poll() is None and not any(scratch.iterdir()):
        time.sleep(0.01)


def checksum(path: Path) -> str:
    """Compute the SHA-256 of the labels; the file's own changes with the time it was written."""
    return hashlib.sha256(open_volume(path).read().data).hexdigest()


if __name__ == "__main__":
    main()
