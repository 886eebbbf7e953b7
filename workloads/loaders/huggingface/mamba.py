"""Mamba: layers with a state instead of attention; prompts, and steps of one token.

References
----------
.. [1] A. Gu and T. Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
   arXiv:2312.00752, algorithm 2 and figure 3.
"""

from __future__ import annotations

from typing import Literal

from foundation.errors import WorkloadError
from workloads.graph import Tensor
from workloads.layers import Window
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.language import language_head, token_embedding
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import USUAL_TOKENS, Reads, Run
from workloads.loaders.huggingface.settings import Activation, Layers, Settings, Size


class MambaSettings(Settings):
    """Keys of a Mamba."""

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Layers
    state_size: Size
    conv_kernel: Size
    intermediate_size: Size | None = None
    expand: Size = 2
    time_step_rank: Size | Literal["auto"] = "auto"
    use_bias: bool = False
    use_conv_bias: bool = True
    hidden_act: Activation = "silu"
    tie_word_embeddings: bool = True

    @property
    def usual_tokens(self) -> int:
        """As many as are taken where nobody says: a state has no end."""
        return USUAL_TOKENS

    @property
    def inner(self) -> int:
        """Features between the projections."""
        return self.intermediate_size or self.expand * self.hidden_size

    @property
    def rank(self) -> int:
        """Features from which the length of a time step comes."""
        rank = self.time_step_rank
        return -(-self.hidden_size // 16) if isinstance(rank, str) else rank


def _build(net: NetworkBuilder, settings: MambaSettings, run: Run, head: str) -> None:
    if run.is_step and run.tokens > 1:
        raise WorkloadError(
            f"mamba: a step of decoding computes 1 token but {run.tokens} are asked for; give"
            " --phase decode:1@CONTEXT, or prefill:TOKENS from an empty state"
        )
    if run.page is not None:
        raise WorkloadError("mamba: has no keys and values to keep in pages; leave --page out")
    x = token_embedding(net, run, settings.vocab_size, settings.hidden_size)
    for index in range(settings.num_hidden_layers):
        with net.scope(f"decoder.{index}"):
            y = _mixer(net, settings, run, net.normalize("norm", "rms_norm", x))
            x = net.function("add", "add", y, x)
    x = net.normalize("norm", "rms_norm", x)
    if head == "words":
        language_head(net, run, x, settings.vocab_size, tied=settings.tie_word_embeddings)


def _mixer(net: NetworkBuilder, settings: MambaSettings, run: Run, x: Tensor) -> Tensor:
    """Add a mixer: every token is convolved with those before, and moves a state that it reads.

    In a step of decoding the cache of the convolution is read as if the new token stood in it
    already, and the state is given; a prompt starts from zeros. The matrix A is learned as the
    logarithm of its negative; what is stored here is A.
    """
    inner, kernel = settings.inner, settings.conv_kernel
    expanded = net.linear("expand", x, inner, bias=settings.use_bias)
    gate = net.linear("gate", x, inner, bias=settings.use_bias, activation=settings.hidden_act)
    before, recent = kernel - 1, expanded
    if run.is_step:
        before, recent = 0, net.input("conv_cache", run.batch, kernel, inner)
    token = net.convolution(
        "conv",
        recent,
        inner,
        Window(kernel, pad_before=before),
        groups=inner,
        bias=settings.use_conv_bias,
        activation=settings.hidden_act,
    )
    read = _state(net, settings, run, token)
    skip = net.function("skip", "multiply", token, net.learned("skip_weight", inner))
    both = net.function("read_add", "add", read, skip)
    gated = net.function("gated", "multiply", both, gate)
    return net.linear("contract", gated, settings.hidden_size, bias=settings.use_bias)


def _state(net: NetworkBuilder, settings: MambaSettings, run: Run, token: Tensor) -> Tensor:
    """Add the state's next values and what is read of them, shape (batch, tokens, inner)."""
    batch = run.batch
    inner, size = settings.inner, settings.state_size
    rank = net.linear("time_rank", token, settings.rank, bias=False)
    write = net.linear("write", token, size, bias=False)
    read = net.linear("read", token, size, bias=False)
    time = net.linear("time", rank, inner, bias=True, activation="softplus")
    if not run.is_step:
        return net.scan("scan", token, time, write, read)
    state = net.input("state", batch, inner, size)
    rows = net.reshape("time_rows", time, batch, inner, 1)
    decay = net.function("decay", "multiply", rows, net.learned("decay_rate", inner, size))
    kept = net.function("kept", "multiply", net.function("decayed", "exp", decay), state)
    moved = net.reshape(
        "moved", net.function("token_time", "multiply", token, time), batch, inner, 1
    )
    added = net.function("added", "multiply", moved, write)
    new = net.function("new_state", "add", kept, added)
    column = net.reshape("read_column", read, batch, size, 1)
    result = net.product("state_read", "bis,bso->bio", new, column)
    return net.reshape("read_row", result, batch, 1, inner)


MAMBA = Family(
    settings=MambaSettings,
    reads=Reads.GENERATED,
    heads={"MambaForCausalLM": "words", "MambaModel": "none"},
    build=_build,
)
