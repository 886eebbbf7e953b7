"""The door to training: a network becomes one step of its training, as a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Convolution, Elementwise, Embedding, Normalize
from workloads.training.backward import add_backward, wanted_tensors
from workloads.training.blocks import dropped
from workloads.training.draft import Draft
from workloads.training.functions import FROM_OPERAND
from workloads.training.losses import add_losses
from workloads.training.optimizers import Update, add_update
from workloads.training.options import Training

#: The parts of a step, in order.
PHASES = ("forward", "loss", "backward", "update")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """One step of a network's training.

    Parameters
    ----------
    graph
        All of it, as layers: forward pass, loss, backward pass, update.
    loss
        The layer that computes the loss, shape (1,).
    phases
        Layer to the part of the step that it belongs to, one of ``PHASES``.
    gradients
        Parameter to the tensor that holds the loss's gradient by it.
    states
        What the optimizer keeps from step to step; tensors that are given to it.
    replaced
        Layer to the parameter or state in whose place its result comes.
    """

    graph: Graph
    loss: str
    phases: Mapping[str, str]
    gradients: Mapping[str, str]
    states: tuple[str, ...]
    replaced: Mapping[str, str]


def training_step(graph: Graph, training: Training | None = None) -> Graph:
    """Return one step of a network's training: forward pass, loss, backward pass and update.

    Its inputs are the network's, ``target``, and the optimizer's state; it computes the loss, and
    ``update.PARAMETER`` for every parameter, ``update.PARAMETER.momentum`` and so on for states.

    Parameters
    ----------
    graph
        The network, in floating point.
    training
        How it is trained; by default with Adam.

    Raises
    ------
    WorkloadError
        As `build_step`.
    """
    return build_step(graph, training or Training()).graph


def build_step(graph: Graph, training: Training) -> TrainingStep:
    """Return one step of a network's training, and what its tensors are.

    Raises
    ------
    WorkloadError
        Training isn't what it can be; the network computes with integers, learns nothing, has a
        tensor with a name of the step's own, or an operator without a gradient.
    """
    training.check()
    forward = _with_operands_kept(graph)
    _check_types(forward)
    wanted = wanted_tensors(forward)
    outputs = [name for name in forward.outputs if name in wanted]
    if not outputs:
        raise WorkloadError(
            f"training: '{graph.name}' has no floating-point output that depends on a parameter"
        )
    builder = GraphBuilder.of(forward)
    draft = Draft(builder)
    ends = [len(forward.layers)]
    loss, seeds = add_losses(draft, forward, outputs, training.loss)
    ends.append(builder.layer_count)
    again = dropped(forward, training.recompute, outputs)
    found = add_backward(draft, forward, seeds, wanted, again)
    ends.append(builder.layer_count)
    parameters = [
        tensor
        for tensor in forward.tensors.values()
        if tensor.kind is TensorKind.PARAMETER and tensor.name in found
    ]
    updates = [add_update(draft, one, found[one.name], training) for one in parameters]
    step = replace(builder.build(), notes=(*graph.notes, *_notes(forward, training)))
    return TrainingStep(
        graph=step,
        loss=loss.name,
        phases=_phases(step, ends),
        gradients={one.name: found[one.name].name for one in parameters},
        states=tuple(name for update in updates for name in update.states),
        replaced=_joined(updates),
    )


def _joined(updates: Iterable[Update]) -> dict[str, str]:
    return {new: old for update in updates for new, old in update.replaced.items()}


def _phases(step: Graph, ends: list[int]) -> dict[str, str]:
    """Return the phase of every layer; ``ends`` are the numbers of layers up to each end."""
    bounds = zip(PHASES, [0, *ends], [*ends, len(step.layers)], strict=True)
    return {layer.name: phase for phase, first, end in bounds for layer in step.layers[first:end]}


def _check_types(graph: Graph) -> None:
    for layer in graph.layers:
        tensor = graph.output_tensor(layer)
        if tensor.dtype.name == "int8":
            raise WorkloadError(
                f"layer '{layer.name}': is int8 but training needs floating point; take dtype bf16,"
                " fp16 or fp32"
            )


def _with_operands_kept(graph: Graph) -> Graph:
    """Return a graph in which functions whose gradient needs the operand are layers of their own.

    At a product's end they would leave nothing but their result. ``LAYER.gelu`` is then what
    ``LAYER`` was.
    """
    tensors = dict(graph.tensors)
    renamed: dict[str, str] = {}
    layers: list[Layer] = []
    for layer in graph.layers:
        inputs = tuple(renamed.get(name, name) for name in layer.inputs)
        function = getattr(layer.operator, "activation", "identity")
        if function not in FROM_OPERAND:
            layers.append(replace(layer, inputs=inputs))
            continue
        own = f"{layer.name}.{function}"
        if own in tensors:
            raise WorkloadError(
                f"layer '{layer.name}': training adds a layer '{own}', which exists; rename one"
            )
        plain = replace(layer.operator, activation="identity")  # type: ignore[type-var]
        layers.append(replace(layer, operator=plain, inputs=inputs))
        layers.append(_function(own, function, layer.name))
        tensors[own] = replace(tensors[layer.name], name=own)
        renamed[layer.name] = own
    return replace(graph, tensors=tensors, layers=tuple(layers))


def _function(name: str, function: str, operand: str) -> Layer:
    return Layer(
        name=name, operator=Elementwise(function=function), inputs=(operand,), parameters={}
    )


def _notes(graph: Graph, training: Training) -> tuple[str, ...]:
    """Return what the reader of the step's numbers should know."""
    notes = [f"one training step: {training.optimizer}, {training.loss}, {training.precision}"]
    if any(_is_batch_norm(layer) for layer in graph.layers):
        notes.append("batch normalization scales and shifts; its statistics are constants")
    if any(isinstance(layer.operator, Embedding) for layer in graph.layers):
        notes.append("gradients of tables are products with one-hot rows")
    return tuple(notes)


def _is_batch_norm(layer: Layer) -> bool:
    match layer.operator:
        case Convolution(batch_norm=True) | Normalize(function="batch_norm"):
            return True
        case _:
            return False
