"""What the fuzzer found once, what it begins with, and a short run of it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOUND = sorted((HERE / "found").glob("*/*"))


@pytest.fixture(scope="module")
def fuzzer():
    """The modules of the fuzzer, which are found beside this file as its command finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        import changes
        import judge
        import readers
        import seeds

        yield {"changes": changes, "judge": judge, "readers": readers, "seeds": seeds}
        for name in ("changes", "judge", "readers", "seeds", "models"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_refused(fuzzer, tmp_path, path):
    target = fuzzer["readers"].TARGETS[path.parent.name]
    case = fuzzer["judge"].judged(target, path.read_bytes(), tmp_path / "case")
    assert case.refused
    assert [finding.report for finding in case.findings if finding.kind != "slow"] == []


@pytest.mark.parametrize(
    "name", ["hdf5", "tiff", "slices", "nrrd", "seg-nrrd", "mha", "nifti", "amira", "ome-zarr",
             "stl", "toml", "dseg", "dataset", "correction", "transform-json", "checkpoint"],
)  # fmt: skip
def test_the_inputs_to_begin_with_are_read(fuzzer, tmp_path, name):
    read = []
    for data in fuzzer["seeds"].seeds(name):
        case = fuzzer["judge"].judged(fuzzer["readers"].TARGETS[name], data, tmp_path / "case")
        assert [f.report for f in case.findings if f.kind not in ("slow", "large")] == []
        read.append(not case.refused)
    # of some, a step is refused as it should be: grey values are no labels
    assert any(read) or name == "hdf5"


def test_faults_are_noticed(fuzzer, tmp_path):
    """A judge that says nothing proves nothing."""
    judge, readers = fuzzer["judge"], fuzzer["readers"]

    def wrong(case):
        with case.step():
            raise ZeroDivisionError
        with case.step():
            raise judge.SRSegError("something is wrong")
        with case.step():
            (Path(__file__).parents[2] / "README.md").read_bytes()
        bytearray(judge.MIB * 3 << 19)

    watch = judge.Watch()
    watch._homes = ()
    found = judge.judged(readers.Target("a", wrong), b"", tmp_path / "case", watch).findings
    assert {f.kind for f in found} >= {"ZeroDivisionError", "unnamed", "large", "outside"}


def test_several_files_in_one_input(fuzzer):
    judge = fuzzer["judge"]
    files = {"a/b.json": b"{}", "c": b"\n\n1", "e": b""}
    assert judge.unpack(judge.pack(files)) == files
    bad = {"../a": b"1", "/a": b"2", "a/./b": b"3", "a//b": b"4", "ok": b"5"}
    assert judge.unpack(judge.pack(bad)) == {"ok": b"5"}


def test_values_of_json_are_changed(fuzzer):
    import random

    changes = fuzzer["changes"]
    text = b'{"a": [1, {"b": 2.5}], "c": "x"}'
    made = {changes.change_json(text, random.Random(seed)) for seed in range(200)}
    assert len(made) > 100
    assert changes.change_json(b"{", random.Random(0)) is None


def test_numbers_are_changed_where_there_are_any(fuzzer):
    import random

    data = bytes(500) + b"TREE\1\2\3\4" + bytes(500)
    made = {fuzzer["changes"].change_numbers(data, random.Random(seed)) for seed in range(200)}
    assert len(made) > 100
    assert {len(one) for one in made} == {len(data)}
    assert not any(any(one[:400]) for one in made)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is in the extra 'fuzz'")
def test_a_short_run_finds_nothing(tmp_path):
    readers = ["nrrd", "mha", "tiff", "hdf5", "toml", "dseg", "transform-json", "amira", "raw"]
    done = subprocess.run(
        [sys.executable, HERE / "fuzz.py", "--inputs", "250", "--seed", "9",
         "--out", tmp_path / "out", "--readers", *readers],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| all |" in done.stdout
