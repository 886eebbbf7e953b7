"""The cache on disk: never a wrong entry, whatever happens to its files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from accel.energy import required_energies
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from mapper.kernel import Kernel, Role
from mapper.mapping import Mapping
from mapper.search.cache import MappingCache, user_folder
from mapper.search.encoding import as_text, plain
from mapper.search.find import DEFAULT, SearchOptions, find_mapping
from mapper.search.problem import Effort
from mapper.search.stored import key_of
from tests.mapper.search.small import small_kernel

KEY = {"kernel": [1, 2], "spec": "a"}


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, warned: list[str]) -> MappingCache:
    return MappingCache(tmp_path / "cache", warn=warned.append)


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.json")
    return path


def kernel() -> Kernel:
    return small_kernel(Random(1))


def test_what_was_put_is_there_for_others(cache: MappingCache, tmp_path: Path) -> None:
    assert cache.get(KEY) is None
    cache.put(KEY, {"x": [1.5, float("-inf")]})
    assert MappingCache(tmp_path / "cache").get(KEY) == {"x": [1.5, float("-inf")]}
    assert cache.get({**KEY, "spec": "b"}) is None


def test_every_flipped_byte_is_noticed(
    cache: MappingCache, tmp_path: Path, warned: list[str]
) -> None:
    cache.put(KEY, {"cycles": 1234})
    path = only_file(tmp_path / "cache")
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert cache.get(KEY) is None, place
    assert warned == [f"mapping cache '{path}': the entry is damaged; it is made anew"]
    cache.put(KEY, {"cycles": 1234})
    assert cache.get(KEY) == {"cycles": 1234}


def test_every_truncation_is_noticed(cache: MappingCache, tmp_path: Path) -> None:
    cache.put(KEY, {"cycles": 1234})
    path = only_file(tmp_path / "cache")
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        assert cache.get(KEY) is None, length


def test_an_entry_of_another_key_is_not_taken(cache: MappingCache, tmp_path: Path) -> None:
    cache.put(KEY, 1)
    one = only_file(tmp_path / "cache")
    cache.put({**KEY, "spec": "b"}, 2)
    (other,) = [path for path in (tmp_path / "cache").glob("*.json") if path != one]
    other.write_bytes(one.read_bytes())
    assert cache.get({**KEY, "spec": "b"}) is None


def test_a_process_killed_while_writing_leaves_no_entry(
    cache: MappingCache, tmp_path: Path, warned: list[str]
) -> None:
    folder = tmp_path / "cache"
    code = f"""
import os, signal
from pathlib import Path
from mapper.search.cache import MappingCache
write = os.fdopen
def half(*arguments, **others):
    file = write(*arguments, **others)
    class Half:
        def __enter__(self): return self
        def __exit__(self, *error): return None
        def write(self, text):
            file.write(text[: len(text) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return Half()
os.fdopen = half
MappingCache(Path({str(folder)!r})).put({KEY!r}, [1])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 1, "half an entry, beside its place"
    assert cache.get(KEY) is None
    cache.put(KEY, [1])
    assert cache.get(KEY) == [1]
    assert not warned


def test_two_processes_write_and_read_the_same_entries(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from mapper.search.cache import MappingCache
def fail(line): raise SystemExit(line)
cache = MappingCache(Path({str(tmp_path / "cache")!r}), warn=fail, largest_count=8)
for turn in range(300):
    key = [turn % 10]
    found = cache.get(key)
    assert found in (None, list(range(turn % 10, 500))), found
    cache.put(key, list(range(turn % 10, 500)))
"""
    root = Path(__file__).parents[3]
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=root) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = MappingCache(tmp_path / "cache", largest_count=40)
    for number in range(200):
        cache.put([number], number)
        os.utime(cache._path(as_text([number])), (number, number))  # the clock is too coarse
        assert len(list((tmp_path / "cache").iterdir())) <= 41
    assert cache.get([199]) == 199
    assert cache.get([0]) is None


def test_what_a_crash_left_goes_when_it_is_old(cache: MappingCache, tmp_path: Path) -> None:
    cache.put(KEY, 1)
    for name, age_s in (("old", 7200), ("young", 60)):
        path = tmp_path / "cache" / f"{name}.new"
        path.write_text("half")
        written = only_file(tmp_path / "cache").stat().st_mtime - age_s
        os.utime(path, (written, written))
    MappingCache(tmp_path / "cache").put([2], 2)
    assert [path.stem for path in (tmp_path / "cache").glob("*.new")] == ["young"]


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "file").write_text("")
    cache = MappingCache(tmp_path / "file" / "cache", warn=warned.append)
    cache.put(KEY, 1)
    cache.put(KEY, 1)
    assert len(warned) == 1
    assert "can't be written" in warned[0]


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "rooftile" / "mappings"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert user_folder() == Path.home() / ".cache" / "rooftile" / "mappings"


def variants(spec: AcceleratorSpec) -> list[AcceleratorSpec]:
    """Return machines that differ in one field."""
    (pad, *pads), (memory, *memories) = spec.scratchpads, spec.memories
    energy = required_energies(spec)
    array, vector = spec.array, spec.vector
    return [
        replace(spec, clock_hz=spec.clock_hz + 1),
        replace(spec, array=replace(array, rows=array.rows + 1)),
        replace(spec, array=replace(array, dataflow="WS")),
        replace(spec, array=replace(array, timing=replace(array.timing, adder_cycles=2))),
        replace(spec, vector=replace(vector, lanes=vector.lanes + 1)),
        replace(spec, vector=replace(vector, cycles_per_element={"gelu": 7.0})),
        replace(spec, dma=replace(spec.dma, outstanding=spec.dma.outstanding + 1)),
        replace(spec, scratchpads=(replace(pad, capacity_bytes=pad.capacity_bytes + 1), *pads)),
        replace(spec, memories=(replace(memory, latency_fs=memory.latency_fs + 1), *memories)),
        replace(spec, energy=replace(energy, leakage_mw=1.0)),
        replace(spec, energy=replace(energy, mac_pj={"int8": 7.0})),
        replace(spec, energy=None),
    ]


def test_a_change_of_one_field_is_another_key() -> None:
    spec = load_preset("edge_32x32")
    keys = [as_text(key_of(kernel(), one, {})) for one in (spec, *variants(spec))]
    keys.append(as_text(key_of(kernel(), spec, {"seed": 1})))
    keys.append(as_text(key_of(small_kernel(Random(2)), spec, {})))
    assert len(set(keys)) == len(keys)
    renamed = replace(spec, name="other", notes="other")
    assert as_text(key_of(kernel(), renamed, {})) == keys[0]


def test_what_is_no_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^object isn't plain data$"):
        plain({"x": object()})


def test_a_search_finds_the_same_with_and_without(cache: MappingCache, tmp_path: Path) -> None:
    spec = load_preset("edge_32x32")
    options = replace(DEFAULT, cache=cache)
    plainly, first, second = (
        find_mapping(kernel(), spec, "layer", one) for one in (DEFAULT, options, options)
    )
    assert plainly == first == second
    assert second.runner_up() == plainly.runner_up()
    assert len(list((tmp_path / "cache").glob("*.json"))) == 1


def test_other_energies_are_another_search(cache: MappingCache) -> None:
    spec = load_preset("edge_32x32")
    options = SearchOptions(objective="energy", cache=cache)
    energy = required_energies(spec)
    others = replace(energy, vector_pj=7.0)
    first, same, other = (
        find_mapping(kernel(), one, "layer", options).best()[1].energy_pj
        for one in (spec, spec, replace(spec, energy=others))
    )
    assert first is not None
    assert first == same
    assert first != other


def test_what_a_search_had_no_time_for_is_not_kept(cache: MappingCache, tmp_path: Path) -> None:
    ticks = iter(range(10**9))
    effort = Effort(seconds=0.5, clock=lambda: float(next(ticks)))
    options = SearchOptions(strategy="random", effort=effort, cache=cache)
    several = next(k for n in range(99) if (k := small_kernel(Random(n))).numbers(Role.M))
    found = find_mapping(several, load_preset("edge_32x32"), "layer", options)
    assert not found.coverage.is_complete
    assert not (tmp_path / "cache").exists()


def unknown(_kernel: Kernel, _spec: AcceleratorSpec, mappings: Sequence[Mapping]) -> list[float]:
    return [float(len(mapping.loops)) for mapping in mappings]


def test_what_unknown_code_has_refined_is_not_kept(cache: MappingCache, tmp_path: Path) -> None:
    options = SearchOptions(refine=unknown, cache=cache)
    find_mapping(kernel(), load_preset("edge_32x32"), "layer", options)
    assert not (tmp_path / "cache").exists()
