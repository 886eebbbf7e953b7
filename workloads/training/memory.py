"""What a training step holds in memory, by class, and when that is most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from workloads.graph import TensorKind
from workloads.layers import Reshape
from workloads.training.step import TrainingStep

CLASSES = ("weights", "gradients", "optimizer state", "activations", "workspace")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMemory:
    """Bytes that a step holds; a tensor counts from the layer that computes it to the last reader.

    Parameters
    ----------
    most_bytes
        Class to the most bytes that it takes at any one time.
    peak_bytes
        Class to its bytes when the sum of all is largest.
    peak_layer
        The layer that runs then.

    Notes
    -----
    Weights, the optimizer's state, inputs and constants are held throughout, updates happen in
    place, and a reshape has the bytes of what it reads. Activations are inputs and results of the
    forward pass that the backward pass reads; gradients are those of parameters; what is left is
    workspace: results that nothing keeps, gradients of activations, recomputed results, constants.
    """

    most_bytes: Mapping[str, int]
    peak_bytes: Mapping[str, int]
    peak_layer: str

    @property
    def total_peak_bytes(self) -> int:
        """Bytes of all classes when that is most."""
        return sum(self.peak_bytes.values())


def memory_of(step: TrainingStep) -> StepMemory:
    """Return what a training step holds in memory."""
    layers = step.graph.layers
    owner = _owners(step)
    classes = _classes(step, owner)
    ends = _last_uses(step, owner)
    changes = {name: [0] * (len(layers) + 1) for name in CLASSES}
    for name, tensor in step.graph.tensors.items():
        if owner[name] == name:
            first, end = ends[name]
            changes[classes[name]][first] += tensor.size_bytes
            changes[classes[name]][end] -= tensor.size_bytes
    held = {name: list(accumulate(change))[:-1] for name, change in changes.items()}
    totals = [sum(at) for at in zip(*held.values(), strict=True)]
    peak = totals.index(max(totals))
    return StepMemory(
        most_bytes={name: max(bytes_) for name, bytes_ in held.items()},
        peak_bytes={name: bytes_[peak] for name, bytes_ in held.items()},
        peak_layer=layers[peak].name,
    )


def _owners(step: TrainingStep) -> dict[str, str]:
    """Return for each tensor whose bytes it has: its own, what it shows, or what it replaces."""
    owner = {name: name for name in step.graph.tensors}
    for layer in step.graph.layers:
        if layer.name in step.replaced:
            owner[layer.name] = owner[step.replaced[layer.name]]
        elif isinstance(layer.operator, Reshape):
            owner[layer.name] = owner[layer.inputs[0]]
    return owner


def _classes(step: TrainingStep, owner: Mapping[str, str]) -> dict[str, str]:
    """Return the class of every tensor that has bytes of its own."""
    kept = {
        owner[name]
        for layer in step.graph.layers
        if step.phases[layer.name] == "backward"
        for name in layer.inputs
    }
    gradients = {owner[name] for name in step.gradients.values()}
    found = {}
    for name, tensor in step.graph.tensors.items():
        if tensor.kind is TensorKind.PARAMETER:
            found[name] = "weights" if tensor.trainable_elements else "workspace"
        elif name in step.states:
            found[name] = "optimizer state"
        elif name in gradients:
            found[name] = "gradients"
        else:
            is_forward = step.phases.get(name, "forward") == "forward"
            found[name] = "activations" if is_forward and name in kept else "workspace"
    return found


def _last_uses(step: TrainingStep, owner: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return numbers of the layer that computes each tensor, and of the one behind its last use."""
    count = len(step.graph.layers)
    found = {
        name: (0, count)
        for name, tensor in step.graph.tensors.items()
        if tensor.kind is not TensorKind.ACTIVATION
    }
    for number, layer in enumerate(step.graph.layers):
        if owner[layer.name] == layer.name:
            found[layer.name] = (number, number + 1)
        for name in layer.inputs:
            first, end = found[owner[name]]
            found[owner[name]] = (first, max(end, number + 1))
    return found
