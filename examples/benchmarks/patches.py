"""The speed at which patches are drawn, and whether a network waits for them.

A working copy (16 bits, uncompressed chunks of 64³) and its labels are written, and patches are
drawn from slices along three axes: from memory, from a memory map of the chunks, and through h5py.
"Read" is cutting image and label out; "drawn" has the paper's augmentation. The ways take turns;
seconds are those of the processor, in one thread. The files lie in the memory that the system
keeps of them, as they do in training after the first rounds. Then a network is trained for some
iterations with patches drawn ahead in threads, and the time that it waits for them is taken.
Prints tables in Markdown::

    python examples/benchmarks/patches.py --size 512 --patch 384 --width 32 --depth 4
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from study import write_json

from srseg.backbones import create_backbone
from srseg.inference import choose_device, choose_precision
from srseg.io import create_hdf5, open_volume
from srseg.machine import ahead, usable_cores
from srseg.planes import standard_planes
from srseg.training import Augmentation, LabelledVolume, PatchSampler, TiledArray, get_loss
from srseg.volumes import Grid, VoxelSource

STEPS = 65535
WAYS = ("memory", "memory map of the chunks", "h5py")
Sources = tuple[VoxelSource, VoxelSource]


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="edge of the scan, in voxels")
    parser.add_argument("--patch", type=int, default=384, help="edge of a patch, in pixels")
    parser.add_argument("--patches", type=int, default=60, help="of each row, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=10, help="0: no network")
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        sources = make_sources(Path(name), options.size)
        torch.set_num_threads(1)
        rates = measure(sources, options)
        torch.set_num_threads(threads)
        waits = {} if not options.iterations else wait(sources["memory map of the chunks"], options)
    print(f"{options.patch}² patches a second of one core, from {options.size}³ voxels; median "
          f"(least–most) of {options.rounds} rounds\n")  # fmt: skip
    print("| | read | drawn |\n| --- | ---: | ---: |")
    for way in WAYS:
        print(f"| {way} | {spread(rates[way, 'read'])} | {spread(rates[way, 'drawn'])} |")
    if waits:
        print(f"\nA network of width {options.width}, depth {options.depth} on {waits['device']} "
              f"in {waits['precision']}, batches of {options.batch}, drawn in {waits['threads']} "
              f"thread(s): {waits['seconds_per_iteration']:.2f} s an iteration, "
              f"{waits['waited']:.1%} of it waiting for patches")  # fmt: skip
    document = {f"{way}, {what}": found for (way, what), found in rates.items()}
    write_json(options.json, {"patches_per_s": document, "network": waits})


def make_sources(folder: Path, size: int) -> dict[str, Sources]:
    """Write a working copy and its labels; give the ways to read them."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((64, size, size)), 3)
    slab = noise / noise.std() / 6 + 0.5
    grey = (slab.clip(0, 1) * STEPS).astype(np.uint16)
    labels = np.digitize(slab, [0.4, 0.55, 0.7]).astype(np.uint8)
    grid = Grid((size,) * 3, (5.0,) * 3)
    paths = folder / "image.h5", folder / "classes.h5"
    for path, block, dtype, scale in (
        (paths[0], grey, np.uint16, (1 / STEPS, 0.0)), (paths[1], labels, np.uint8, None),
    ):  # fmt: skip
        with create_hdf5(path, grid, dtype, scale=scale) as sink:
            for start in range(0, size, 64):
                stop = min(start + 64, size)
                sink[start:stop] = np.roll(block, start, axis=1)[: stop - start]
    volumes = [open_volume(path) for path in paths]
    image, classes = (volume.read() for volume in volumes)
    mapped_image, mapped_classes = (TiledArray.of(volume) for volume in volumes)
    if mapped_image is None or mapped_classes is None:
        raise SystemExit("the chunks are not where they can be mapped")
    return {
        "memory": (image, classes),
        "memory map of the chunks": (mapped_image, mapped_classes),
        "h5py": (volumes[0].source, volumes[1].source),
    }


def measure(
    sources: dict[str, Sources], options: argparse.Namespace
) -> dict[tuple[str, str], list[float]]:
    """Take the rates; the ways take turns."""
    samplers = {way: make_sampler(pair, options.patch) for way, pair in sources.items()}
    rates: dict[tuple[str, str], list[float]] = {}
    for number in range(options.rounds + 1):
        for way in WAYS:
            boxes = make_boxes(options, number)
            began = time.process_time()
            for box in boxes:
                for source in sources[way]:
                    np.ascontiguousarray(source[box])
            read = time.process_time() - began
            began = time.process_time()
            for first in range(0, options.patches, 4):
                samplers[way].draw(number, range(first, min(options.patches, first + 4)))
            drawn = time.process_time() - began
            if number:  # the first round warms up
                rates.setdefault((way, "read"), []).append(options.patches / read)
                rates.setdefault((way, "drawn"), []).append(options.patches / drawn)
    return rates


def make_sampler(pair: Sources, patch: int) -> PatchSampler:
    """Make a sampler with the paper's augmentation."""
    return PatchSampler([LabelledVolume(*pair)], standard_planes(3), patch, Augmentation())


def make_boxes(options: argparse.Namespace, seed: int) -> list[tuple[slice, slice, slice]]:
    """Draw squares from slices along all axes, the same for every way."""
    rng = np.random.default_rng(seed)
    boxes = []
    for number in range(options.patches):
        first = rng.integers(0, options.size - options.patch + 1, 3).tolist()
        box = [slice(n, n + options.patch) for n in first]
        index = int(rng.integers(options.size))
        box[number % 3] = slice(index, index + 1)
        boxes.append((box[0], box[1], box[2]))
    return boxes


def wait(pair: Sources, options: argparse.Namespace) -> dict[str, object]:
    """Train for some iterations, and tell how long the network waited for its patches."""
    device = choose_device("auto")
    precision = choose_precision("auto", device)
    torch.manual_seed(0)
    network = create_backbone("unet", n_classes=4, width=options.width, depth=options.depth)
    network.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    loss = get_loss("cross-entropy")
    sampler = make_sampler(pair, options.patch)
    threads = 1 if device.type == "cpu" else min(usable_cores(), 4)
    warm = max(2, options.iterations // 5)
    batches = ahead(lambda i: sampler.draw(i, range(options.batch)),
                    range(warm + options.iterations), threads)  # fmt: skip
    waited, began = 0.0, time.perf_counter()
    for number in range(warm + options.iterations):
        if number == warm:
            waited, began = 0.0, time.perf_counter()
        asked = time.perf_counter()
        images, classes, _ = next(batches)
        waited += time.perf_counter() - asked
        images = images.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(images)
        optimizer.zero_grad(set_to_none=True)
        loss(logits.float(), classes.to(device), None).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return {
        "device": str(device), "precision": precision, "threads": threads,
        "seconds_per_iteration": seconds / options.iterations, "waited": waited / seconds,
    }  # fmt: skip


def spread(values: list[float]) -> str:
    """Write a median with its range."""
    return f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"


if __name__ == "__main__":
    main()
