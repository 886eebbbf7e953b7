"""MACs and memory of a step: closed forms, published rules, and a count written separately."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.graphs import chains
from tests.workloads.training.networks import TRANSFORMER
from tests.workloads.training.test_gradients import WITHOUT_GRADIENT, has_gradients, learned
from workloads.graph import Graph
from workloads.layers import Reshape
from workloads.loaders.yaml import load_zoo, parse_network, zoo_path
from workloads.training.memory import CLASSES, memory_of
from workloads.training.options import Training
from workloads.training.step import TrainingStep, build_step


def macs(step: TrainingStep, phase: str) -> int:
    layers = (x for x in step.graph.layers if step.phases[x.name] == phase)
    return sum(step.graph.macs(layer) for layer in layers)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet50", "mobilenet_v2", "densenet121"])
def test_backward_is_twice_forward_but_for_the_input(name: str) -> None:
    """Each product has two gradients; an image needs none."""
    graph = load_zoo(name, dtype="bf16")
    step = build_step(graph, Training())
    first = next(layer for layer in graph.layers if graph.macs(layer))
    assert macs(step, "forward") == graph.total_macs
    assert macs(step, "backward") == 2 * graph.total_macs - graph.macs(first)
    assert macs(step, "loss") == macs(step, "update") == 0


def test_recomputation_adds_the_products_whose_results_are_read() -> None:
    graph = load_zoo("gpt2", dtype="bf16")
    kept, again = (build_step(graph, Training(recompute=names)) for names in ((), ("blocks",)))
    decoder = [layer for layer in graph.layers if layer.name.startswith("decoder.")]
    # The last product of a block flows into a sum, which nobody needs again.
    needed = sum(graph.macs(x) for x in decoder if not x.name.endswith(".contract"))
    assert macs(again, "backward") - macs(kept, "backward") == needed
    before, after = memory_of(kept).most_bytes, memory_of(again).most_bytes
    assert after["activations"] < before["activations"] / 20
    for same in ("weights", "gradients", "optimizer state"):
        assert after[same] == before[same]
    # What is kept: what the first block reads, and what each block gives.
    row = graph.tensors["embedding"].size_bytes
    inputs = sum(graph.tensors[name].size_bytes for name in ("tokens", "positions"))
    assert after["activations"] == 13 * row + graph.tensors["norm"].size_bytes + inputs


def test_mixed_adam_takes_sixteen_bytes_a_parameter() -> None:
    """2 of the weight, 2 of its gradient, 12 of the optimizer.

    S. Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models",
    SC 2020, arXiv:1910.02054, section 3.1. Biases are in fp32 here: 4 + 4 + 8, as many.
    """
    text = zoo_path("gpt3_175b_prefill").read_text().replace("repeat: 96", "repeat: 2")
    graph = parse_network(text, "gpt3.yaml", dtype="bf16")
    memory = memory_of(build_step(graph, Training())).most_bytes
    count = graph.total_parameters
    biases = sum(t.size_elements for t in graph.tensors.values() if t.name.endswith(".bias"))
    assert memory["weights"] == 2 * count + 2 * biases
    assert memory["gradients"] == 2 * count + 2 * biases
    assert memory["optimizer state"] == 12 * count - 4 * biases
    held = sum(memory[name] for name in ("weights", "gradients", "optimizer state"))
    assert held == 16 * count


@pytest.mark.parametrize(("sequence", "hidden", "heads", "batch"), [(4, 8, 2, 2), (16, 8, 4, 3)])
def test_activations_of_a_transformer_layer(
    sequence: int, hidden: int, heads: int, batch: int
) -> None:
    """``sbh · (34 + 5as/h)`` bytes, less dropout.

    V. Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", MLSys
    2023, arXiv:2205.05198, section 4.1. There are no dropouts here: behind attention and behind
    the block a mask of one byte, of the scores a mask and a result of 2: 3 · a · s² · b.
    """
    text = TRANSFORMER.replace("sequence: 4", f"sequence: {sequence}")
    text = text.replace("hidden: 8", f"hidden: {hidden}").replace("heads: 2", f"heads: {heads}")
    each = []
    for repeat in (2, 3):
        own = text.replace("repeat: 2", f"repeat: {repeat}")
        graph = parse_network(own, "transformer.yaml", dtype="bf16", batch=batch)
        each.append(memory_of(build_step(graph, Training())).most_bytes["activations"])
    published = sequence * batch * hidden * (34 + 5 * heads * sequence / hidden)
    masks = 2 * sequence * batch * hidden + 3 * heads * sequence * sequence * batch
    assert each[1] - each[0] == published - masks


@settings(max_examples=25)
@given(graph=chains("fp32", WITHOUT_GRADIENT), optimizer=st.sampled_from(["sgd", "adam"]))
def test_memory_is_what_a_walk_over_the_layers_finds(graph: Graph, optimizer: str) -> None:
    """A tensor is there from its layer to its last reader; views and updates are no new ones."""
    if not has_gradients(graph):
        return
    step = build_step(learned(graph), Training(optimizer=optimizer))
    layers, tensors = step.graph.layers, step.graph.tensors
    names = {layer.name for layer in layers}
    views = {x.name: x.inputs[0] for x in layers if isinstance(x.operator, Reshape)}

    def root(name: str) -> str:
        while name in views or name in step.replaced:
            name = step.replaced.get(name) or views[name]
        return name

    held = []
    for now in range(len(layers)):
        alive = {name for name in tensors if name not in names}
        made = {layer.name for layer in layers[: now + 1]}
        read = {root(name) for layer in layers[now:] for name in layer.inputs}
        alive |= {name for name in made if root(name) == name and name in read}
        alive |= {root(layers[now].name)}
        held.append(sum(tensors[name].size_bytes for name in alive))
    memory = memory_of(step)
    assert memory.total_peak_bytes == max(held)
    assert memory.peak_layer == layers[int(np.argmax(held))].name
    assert list(memory.most_bytes) == list(memory.peak_bytes) == list(CLASSES)
    assert all(memory.peak_bytes[name] <= memory.most_bytes[name] for name in CLASSES)
