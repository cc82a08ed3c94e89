"""Long work tells how far it is, to whoever listens."""

from contextlib import contextmanager

import pytest

from srseg.progress import Stopped, reporting, stoppable, task


class Recorder:
    def __init__(self):
        self.events = []

    @contextmanager
    def open(self, description, total):
        self.events.append(("open", description, total))
        try:
            yield _RecordingTask(self.events)
        finally:
            self.events.append(("close", description))


class _RecordingTask:
    def __init__(self, events):
        self.events = events

    def advance(self, amount=1, status=""):
        self.events.append((amount, status))


def work():
    with task("counting", total=2) as step:
        step.advance()
        step.advance(1, status="done")


def test_nobody_needs_to_listen():
    work()


def test_a_reporter_hears_what_happens_in_its_block_and_no_more():
    recorder = Recorder()
    with reporting(recorder):
        work()
    work()
    assert recorder.events == [
        ("open", "counting", 2), (1, ""), (1, "done"), ("close", "counting"),
    ]  # fmt: skip


def test_the_innermost_reporter_listens_and_the_outer_one_comes_back():
    outer, inner = Recorder(), Recorder()
    with reporting(outer):
        with reporting(inner):
            work()
        assert outer.events == []
        work()
    assert len(inner.events) == len(outer.events) == 4


def test_a_failure_closes_the_task_and_the_reporter():
    recorder = Recorder()

    def fail():
        with reporting(recorder), task("failing"):
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert recorder.events[-1] == ("close", "failing")
    work()
    assert len(recorder.events) == 2


def test_work_stops_where_it_advances():
    recorder, done = Recorder(), []

    def long_work(stop):
        try:
            with task("outer"), task("inner") as inner:
                stop()
                done.append("went on to the end of the step")
                inner.advance(3, "said")
                done.append("never")
        finally:
            done.append("cleaned up")

    with reporting(recorder), stoppable() as stop, pytest.raises(Stopped):
        long_work(stop)
    assert done == ["went on to the end of the step", "cleaned up"]
    assert recorder.events[2:] == [(3, "said"), ("close", "inner"), ("close", "outer")]


def test_stopping_is_at_once_without_a_task_and_the_second_time():
    with stoppable() as stop:
        with pytest.raises(Stopped):
            stop()
        with task("working"):
            stop()
            with pytest.raises(Stopped):
                stop()
    work()  # nothing of it is left outside of the block


def test_no_handler_of_errors_takes_a_stop_for_one():
    assert not issubclass(Stopped, Exception)
