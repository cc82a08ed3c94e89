"""A part of quantify.py in a process of its own: reads labels once, or quantifies them."""

import time
from collections.abc import Callable

from measuring import Watch, give, read_job

from srseg.io import open_volume
from srseg.progress import reporting
from srseg.quantification import InitialImplant, measure


class Clock:
    """Keeps how long each task took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def open(self, description: str, total: float | None) -> "Clock.Task":  # noqa: ARG002
        """Begin a task."""
        return Clock.Task(lambda taken: self.seconds.update({description: taken}))

    class Task:
        """Times a block."""

        def __init__(self, told: Callable[[float], None]) -> None:
            self.told = told

        def __enter__(self) -> "Clock.Task":
            self.began = time.perf_counter()
            return self

        def __exit__(self, *_: object) -> None:
            self.told(time.perf_counter() - self.began)

        def advance(self, amount: float = 1, status: str = "") -> None:
            """Take note of nothing."""


def main() -> None:
    """Read the labels, or quantify them, and say how it went."""
    job = read_job()
    volume = open_volume(job["path"], labels=True)
    if job["what"] == "read":
        with Watch() as watch:
            for _, slab in volume.slabs():
                slab.max()
        give({"seconds": watch.seconds, "peak": watch.peak})
        return
    clock = Clock()
    implant = InitialImplant(10.0, 40.0, "metadata")
    with Watch() as watch, reporting(clock):
        found = measure(volume, implant=implant, days=84, distances=job["distances"])
    give(
        {
            "seconds": watch.seconds,
            "peak": watch.peak,
            "stages": clock.seconds,
            "measures": {m.name: (m.value, m.unit) for m in found},
        }
    )


if __name__ == "__main__":
    main()
