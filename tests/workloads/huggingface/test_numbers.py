"""What networks compute: steps of decoding against whole passes, and both against plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foundation.numerics import Array
from tests.workloads.huggingface.configurations import TINY, TRANSLATED, built
from workloads.evaluate import evaluate
from workloads.graph import Graph, TensorKind
from workloads.random_values import random_tensors

BATCH, TOKENS = 2, 9
#: Caches, and of a whole pass the last of these layers, whose output they hold.
CACHED = {
    "key_cache": ("key_turned", "key_norm", "key_heads"),
    "value_cache": ("value_heads",),
    "latent_cache": ("latent_norm",),
    "position_cache": ("key_rows",),
}


def _values(graph: Graph) -> dict[str, Array]:
    """Return random values, weights small enough for scores of a few."""
    values = random_tensors(graph, seed=7)
    return {
        name: value if value.dtype.kind == "i" or name.endswith("gamma") else value * 0.4
        for name, value in values.items()
    }


def _given_to_a_step(
    step: Graph, whole: Graph, values: dict[str, Array], computed: dict[str, Array], new: int
) -> dict[str, Array]:
    """Return a step's inputs and parameters, all as in the whole pass."""
    given = {}
    for name, tensor in step.tensors.items():
        prefix, _, last = name.rpartition(".")
        dot = "." if prefix else ""
        if tensor.kind is TensorKind.ACTIVATION:
            continue
        if last in CACHED:
            names = (f"{prefix}{dot}{layer}" for layer in CACHED[last])
            value = computed[next(found for found in names if found in computed)]
        elif last in ("key_content_weight", "value_weight"):
            layer = f"{prefix}.{last.removesuffix('_weight')}.weight"
            heads = values[layer].reshape(len(values[layer]), tensor.shape[0], -1)
            value = (
                heads.transpose(1, 2, 0) if last == "key_content_weight" else heads.swapaxes(0, 1)
            )
        elif name in ("tokens", "positions"):
            value = values[name][:, -new:]
        elif name in ("cosine", "sine", "decoder.buckets"):
            value = values[name][-new:]
        else:
            value = values[name]
        assert value.shape == tensor.shape, name
        given[name] = value
    return given


@pytest.mark.parametrize("new", [1, 3])
@pytest.mark.parametrize(
    "name", sorted({*TINY} - {"bert", "vit", "mamba", "mixtral", "deepseek_experts"})
)
def test_a_step_of_decoding_gives_the_logits_of_a_whole_pass(
    name: str, new: int, tmp_path: Path
) -> None:
    # Without a mask every token sees all others, so that what a pass leaves for its last tokens is
    # what a step finds that reads the other keys and values from caches.
    target = "target" if name in (*TRANSLATED, "whisper") else "seq"
    dims = {target: TOKENS, **({"seq": 6} if name in TRANSLATED else {})}
    whole = built(tmp_path, TINY[name], dtype="fp32", batch=BATCH, dims=dims)
    source = {"dims": {"seq": 6}} if name in TRANSLATED else {}
    phase = f"decode:{new}@{TOKENS}"
    step = built(tmp_path, TINY[name], dtype="fp32", batch=BATCH, phase=phase, **source)
    values = _values(whole)
    computed = evaluate(whole, values)
    found = evaluate(step, _given_to_a_step(step, whole, values, computed, new))
    last = whole.layers[-1].name
    assert found[last].shape == (BATCH, new, 50)
    np.testing.assert_allclose(found[last], computed[last][:, -new:], rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["gpt2", "deepseek_v3", "marian"])
def test_beams_have_the_scores_of_the_logits(name: str, tmp_path: Path) -> None:
    plain = built(tmp_path, TINY[name], dtype="fp32", batch=6, phase="decode:1@5")
    search = built(tmp_path, TINY[name], dtype="fp32", batch=2, beams=3, phase="decode:1@5")
    values = _values(search)
    logits = evaluate(plain, values)["head"]
    scores = np.log(_softmax(logits)) + values["beam_scores"]
    found = evaluate(search, values)
    np.testing.assert_allclose(found["scores"], scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["best_score"], scores.max(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "deepseek_v3"])
def test_a_prefill_gives_the_logits_of_the_last_token(name: str, tmp_path: Path) -> None:
    whole = built(tmp_path, TINY[name], dtype="fp32", dims={"seq": TOKENS})
    prefill = built(tmp_path, TINY[name], dtype="fp32", phase=f"prefill:{TOKENS}")
    values = _values(whole)
    last = whole.layers[-1].name
    expected, found = evaluate(whole, values)[last], evaluate(prefill, values)[last]
    np.testing.assert_allclose(found, expected[:, -1:], rtol=1e-4, atol=1e-5)


def _rms(x: Array, gamma: Array) -> Array:
    normalized: Array = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gamma
    return normalized


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    shares: Array = powers / powers.sum(-1, keepdims=True)
    return shares


def _rotated(x: Array, angles: Array) -> Array:
    """Turn [batch, tokens, heads, features] as transformers' ``apply_rotary_pos_emb`` does."""
    half = x.shape[-1] // 2
    both = np.concatenate((angles, angles), -1)[:, None]
    swapped = np.concatenate((-x[..., half:], x[..., :half]), -1)
    turned: Array = x * np.cos(both) + swapped * np.sin(both)
    return turned


def _llama(values: dict[str, Array], angles: Array, layers: int) -> Array:
    """Return the logits as LlamaForCausalLM computes them, keys repeated for the heads they serve.

    Heads of the query are stored in another order than there: head i of group g is at i * 2 + g.
    """
    heads, key_heads, features = 4, 2, 6
    group = heads // key_heads
    order = [i * key_heads + g for g in range(key_heads) for i in range(group)]
    x = values["token_embedding.table"][values["tokens"]]
    batch, tokens, _ = x.shape
    for layer in range(layers):

        def of(name: str, at: int = layer) -> Array:
            return values[f"decoder.{at}.{name}"]

        y = _rms(x, of("norm1.gamma"))
        query = (y @ of("query.weight")).reshape(batch, tokens, heads, features)[:, :, order]
        key = (y @ of("key.weight")).reshape(batch, tokens, key_heads, features)
        value = (y @ of("value.weight")).reshape(batch, tokens, key_heads, features)
        key, value = np.repeat(_rotated(key, angles), group, 2), np.repeat(value, group, 2)
        scores = np.einsum("bshd,bthd->bhst", _rotated(query, angles), key)
        context = np.einsum("bhst,bthd->bshd", _softmax(scores), value)
        project = of("project.weight").reshape(heads, features, -1)[order]
        x = x + np.einsum("bshd,hdo->bso", context, project)
        y = _rms(x, of("norm2.gamma"))
        gate = y @ of("gate.weight")
        x = x + (gate / (1 + np.exp(-gate)) * (y @ of("expand.weight"))) @ of("contract.weight")
    logits: Array = _rms(x, values["norm.gamma"]) @ values["head.weight"]
    return logits


def test_llama_computes_what_its_pytorch_module_does(tmp_path: Path) -> None:
    graph = built(tmp_path, TINY["llama"], dtype="fp32", batch=BATCH, dims={"seq": TOKENS})
    values = _values(graph)
    angles = np.random.default_rng(3).uniform(0, 6, (TOKENS, 3)).astype(np.float32)
    cosine, sine = np.cos(angles), np.sin(angles)
    values["cosine"] = np.concatenate((cosine, cosine), -1)[:, None]
    values["sine"] = np.concatenate((-sine, sine), -1)[:, None]
    expected = _llama(values, angles, layers=2)
    np.testing.assert_allclose(evaluate(graph, values)["head"], expected, rtol=1e-3, atol=1e-3)


def _mamba(values: dict[str, Array], layers: int) -> Array:
    """Return the logits of one step as MambaForCausalLM's ``slow_forward`` with a cache does."""
    x = values["token_embedding.table"][values["tokens"]][:, 0]
    for layer in range(layers):

        def of(name: str, at: int = layer) -> Array:
            return values[f"decoder.{at}.{name}"]

        y = _rms(x, of("norm.gamma"))
        z = y @ of("gate.weight")
        kernel = of("conv.weight")[:, :, 0, 0].T
        u = (of("conv_cache") * kernel).sum(1) + of("conv.bias")
        u = u / (1 + np.exp(-u))
        time = np.log1p(np.exp(u @ of("time_rank.weight") @ of("time.weight") + of("time.bias")))
        state = of("state") * np.exp(time[..., None] * of("decay_rate"))
        state = state + (time * u)[..., None] * (u @ of("write.weight"))[:, None]
        read = (state * (u @ of("read.weight"))[:, None]).sum(-1)
        read = (read + u * of("skip_weight")) * (z / (1 + np.exp(-z)))
        x = x + read @ of("contract.weight")
    logits: Array = _rms(x, values["norm.gamma"]) @ values["token_embedding.table"].T
    return logits


def test_a_step_of_mamba_computes_what_its_pytorch_module_does(tmp_path: Path) -> None:
    graph = built(tmp_path, TINY["mamba"], dtype="fp32", batch=BATCH, phase="decode:1@9")
    values = _values(graph)
    found = evaluate(graph, values)["head"][:, 0]
    np.testing.assert_allclose(found, _mamba(values, layers=2), rtol=1e-3, atol=1e-3)


def _mamba_prompt(values: dict[str, Array], layers: int) -> Array:
    """Return the logits of the last token as ``slow_forward`` without a cache does."""
    x = values["token_embedding.table"][values["tokens"]]
    batch, tokens, _ = x.shape
    for layer in range(layers):

        def of(name: str, at: int = layer) -> Array:
            return values[f"decoder.{at}.{name}"]

        y = _rms(x, of("norm.gamma"))
        expanded, z = y @ of("expand.weight"), y @ of("gate.weight")
        kernel = of("conv.weight")[:, :, 0, 0].T
        padded = np.pad(expanded, ((0, 0), (len(kernel) - 1, 0), (0, 0)))
        state = np.zeros((batch, *of("scan.decay_rate").shape))
        outputs = []
        for token in range(tokens):
            u = (padded[:, token : token + len(kernel)] * kernel).sum(1) + of("conv.bias")
            u = u / (1 + np.exp(-u))
            rank = u @ of("time_rank.weight") @ of("time.weight") + of("time.bias")
            time = np.log1p(np.exp(rank))
            state = state * np.exp(time[..., None] * of("scan.decay_rate"))
            state = state + (time * u)[..., None] * (u @ of("write.weight"))[:, None]
            read = (state * (u @ of("read.weight"))[:, None]).sum(-1)
            gate = z[:, token] / (1 + np.exp(-z[:, token]))
            outputs.append((read + u * of("skip_weight")) * gate)
        x = x + np.stack(outputs, axis=1) @ of("contract.weight")
    logits: Array = _rms(x[:, -1], values["norm.gamma"]) @ values["token_embedding.table"].T
    return logits


def test_a_prompt_of_mamba_computes_what_its_pytorch_module_does(tmp_path: Path) -> None:
    graph = built(tmp_path, TINY["mamba"], dtype="fp32", batch=BATCH, phase="prefill:7")
    values = _values(graph)
    for name in values:
        if name.endswith("decay_rate"):  # a state decays
            values[name] = -np.abs(values[name])
    found = evaluate(graph, values)["head"][:, 0]
    np.testing.assert_allclose(found, _mamba_prompt(values, layers=2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("tokens", "rows"), [(10, (5, 5, 5, 5)), (3, (2, 2, 1, 1)), (1, (1, 1))])
def test_rows_of_tokens_are_spread_over_experts(
    tokens: int, rows: tuple[int, ...], tmp_path: Path
) -> None:
    graph = built(tmp_path, TINY["mixtral"], dtype="fp32", dims={"seq": tokens})
    values = _values(graph)
    computed = evaluate(graph, values)
    x = computed["decoder.0.norm2"][0]
    scores = _softmax(x @ values["decoder.0.router.weight"])[:, :2]
    experts = [
        [values[f"decoder.0.{crew}.{name}_weight"][i] for name in ("gate", "expand", "contract")]
        for crew in ("busier", "experts")
        if f"decoder.0.{crew}.gate_weight" in values
        for i in range(len(values[f"decoder.0.{crew}.gate_weight"]))
    ]
    takers = [expert for expert, count in enumerate(rows) for _ in range(count)]
    assert len(experts) == len(rows)
    expected = np.zeros_like(x)
    for row, expert in enumerate(takers):
        token, choice = divmod(row, 2)
        gate, expand, contract = experts[expert]
        hidden = x[token] @ gate
        hidden = hidden / (1 + np.exp(-hidden)) * (x[token] @ expand)
        expected[token] += scores[token, choice] / scores[token].sum() * (hidden @ contract)
    np.testing.assert_allclose(computed["decoder.0.combined"][0], expected, rtol=1e-3, atol=1e-4)
