"""Hardware files: presets, variations, round trips, and the documented examples."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from accel.spec_file import load_preset, load_spec, parse_spec, preset_names, schema, to_yaml
from accel.timing import TIMINGS
from foundation.document import read
from foundation.errors import SpecError

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "accel" / "FORMAT.md").read_text(), re.DOTALL)
UNLIMITED = """\
name: ideal
clock: 1GHz
array: {rows: 2, columns: 3, dataflow: os, dtypes: [int8]}
scratchpads:
  all: {capacity: 1PiB, holds: [input, weight, psum, output], bandwidth: unlimited}
vector: {lanes: 4}
dma: {outstanding: 1}
memories:
  dram: {capacity: 1PiB, bandwidth: unlimited, latency: 0ns, holds: [parameters, activations]}
"""


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_written_out_is_the_same_machine(name: str) -> None:
    spec = load_preset(name)
    assert spec.name == name
    assert parse_spec(to_yaml(spec), "again.yaml") == spec


@pytest.mark.parametrize("name", preset_names())
def test_every_value_of_a_preset_has_its_source_beside_it(name: str) -> None:
    """A quantity stands in a line with a comment, or below one that speaks for its block."""
    lines = (ROOT / "accel" / "presets" / f"{name}.yaml").read_text().splitlines()
    for line in lines:
        if re.search(r"(capacity|clock|latency|lanes|outstanding): ", line):
            assert "#" in line or "{" in line, line


@pytest.mark.parametrize("name", preset_names())
def test_presets_follow_the_schema(name: str) -> None:
    data = read(ROOT / "accel" / "presets" / f"{name}.yaml", SpecError).data
    jsonschema.validate(data, schema())


@pytest.mark.parametrize("text", EXAMPLES)
def test_documented_examples_follow_the_schema(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: tpu_v2", "'tpu_v2' is not one of"),
        ("{base: tpu_v1, colour: red}", "'colour' was unexpected"),
        ("{base: tpu_v1, array: {row: 2}}", "'row' was unexpected"),
        ("name: whole", "is a required property"),
    ],
)
def test_the_schema_refuses_what_a_variation_can_not_say(text: str, message: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate(yaml.safe_load(text), schema())


def test_the_schema_refuses_an_unknown_key() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**yaml.safe_load(UNLIMITED), "colour": "red"}, schema())


def test_defaults_and_unlimited() -> None:
    spec = parse_spec(UNLIMITED, "ideal.yaml")
    assert (spec.array.dataflow, spec.array.timing) == ("OS", TIMINGS["rtl"])
    assert spec.vector.startup_cycles == 0
    assert spec.bandwidth_bytes_per_s == inf
    assert parse_spec(to_yaml(spec), "again.yaml") == spec


def test_a_variation_changes_what_it_says_and_nothing_else() -> None:
    base = load_preset("tpu_v1")
    spec = parse_spec(
        "base: tpu_v1\nname: wide\narray: {columns: 512}\nmemories: {host: {latency: 2us}}\n", "w"
    )
    assert (spec.name, spec.array.rows, spec.array.columns) == ("wide", 256, 512)
    assert spec.memories[1].latency_fs == 2 * 10**9
    assert spec.memories[0] == base.memories[0]
    assert spec.scratchpads == base.scratchpads


def test_a_mistake_in_a_variation_points_into_its_own_file() -> None:
    message = "w.yaml:3: array.columns: must be at least 1 but is 0"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_spec("base: tpu_v1\narray:\n  columns: 0\n", "w.yaml")


@pytest.mark.parametrize("name", ["null", "Null", "true", "False", "on", "_", "tpu.v1/a-b"])
def test_any_name_reads_back(name: str) -> None:
    spec = parse_spec(UNLIMITED.replace("name: ideal", f'name: "{name}"'), "quoted.yaml")
    assert parse_spec(to_yaml(spec), "again.yaml") == spec


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("two  \nlines")
@example("a\u2028b\x85c\x00d")
@example("- x: #y\n  indented")
def test_any_notes_read_back(notes: str) -> None:
    spec = replace(parse_spec(UNLIMITED, "ideal.yaml"), notes=notes.strip())
    assert parse_spec(to_yaml(spec), "again.yaml") == spec


def test_a_machine_named_like_a_tensor_class_is_told_the_right_line() -> None:
    text = UNLIMITED.replace("ideal", "parameters").replace("psum, ", "")
    message = (
        "m.yaml:4: machine 'parameters': 'psum' must be held by exactly 1 memory but 0 list it"
        " (none); correct 'holds'"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_spec(text, "m.yaml")


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^hardware 'tpu': isn't a preset \(.*\); did you mean"):
        load_preset("tpu")


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_documented_examples_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(text)
    assert load_spec(path).array.pes > 0


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 11
