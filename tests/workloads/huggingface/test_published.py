"""Parameters of published networks, and the zoo's networks once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.huggingface.configurations import TINY, built, published
from workloads.loaders.yaml import load_zoo, parse_network, to_yaml

#: ``sum(p.numel() for p in model.parameters())`` of the class in each file, tied tensors once, as
#: many report who loaded these models of huggingface.co: google-bert/bert-base-uncased (as
#: BertModel), FacebookAI/roberta-base (as RobertaModel), openai-community/gpt2, facebook/opt-125m
#: and opt-350m, meta-llama/Llama-2-7b-hf, Meta-Llama-3-8B and 70B, mistralai/Mistral-7B-v0.1 and
#: Mixtral-8x7B-v0.1, Qwen/Qwen2-7B and Qwen3-0.6B, google/gemma-2b, gemma-2-2b and
#: vit-base-patch16-224, google-t5/t5-small, google/flan-t5-small, openai/whisper-tiny,
#: deepseek-ai/DeepSeek-V2-Lite and DeepSeek-V3 (without its layer for several tokens, with the
#: correction of its router), state-spaces/mamba-130m-hf, facebook/bart-base, and
#: Helsinki-NLP/opus-mt-en-de (of which transformers' documentation says: 298 MB of fp32).
#: GPT-3: the closed form of the zoo's tests.
PARAMETERS = {
    "bert_base": 109_482_240,
    "roberta_base": 124_645_632,
    "gpt2": 124_439_808,
    "gpt3_175b": 174_604_259_328,
    "opt_125m": 125_239_296,
    "opt_350m": 331_196_416,
    "llama2_7b": 6_738_415_616,
    "llama3_8b": 8_030_261_248,
    "llama3_70b": 70_553_706_496,
    "mistral_7b": 7_241_732_096,
    "mixtral_8x7b": 46_702_792_704,
    "qwen2_7b": 7_615_616_512,
    "qwen3_0_6b": 596_049_920,
    "gemma_2b": 2_506_172_416,
    "gemma2_2b": 2_614_341_888,
    "deepseek_v2_lite": 15_706_484_224,
    "deepseek_v3": 671_026_419_200,
    "vit_base": 86_567_656,
    "t5_small": 60_506_624,
    "flan_t5_small": 76_961_152,
    "whisper_tiny": 37_760_640,
    "bart_base": 139_420_416,
    "opus_mt_en_de": 74_410_496,
}
#: Those whose decoding needs other parameters than the whole: the encoder's are missing.
OF_TWO_PARTS = ("bart_base", "opus_mt_en_de", "t5_small", "flan_t5_small", "whisper_tiny")
ENCODERS = ("bert_base", "roberta_base", "vit_base")


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published(name: str) -> None:
    assert published(name).total_parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", sorted({*PARAMETERS} - {*OF_TWO_PARTS, *ENCODERS}))
def test_a_phase_has_the_same_parameters(name: str) -> None:
    assert published(name, phase="prefill:16").total_parameters == PARAMETERS[name]
    assert published(name, phase="decode:1@64", batch=3).total_parameters == PARAMETERS[name]


def test_mamba_has_the_published_parameters_in_both_phases() -> None:
    for phase in ("decode:1@1", "prefill:100"):
        assert published("mamba_130m", phase=phase).total_parameters == 129_135_360


@pytest.mark.parametrize(
    ("name", "zoo", "asked"),
    [
        ("bert_base", "bert_base", {"dims": {"seq": 384}}),
        ("gpt2", "gpt2", {}),
        ("vit_base", "vit_b16", {}),
        ("gpt3_175b", "gpt3_175b_prefill", {"phase": "prefill:2048"}),
        ("gpt3_175b", "gpt3_175b_decode", {"phase": "decode:1@2048", "batch": 8}),
    ],
)
def test_a_network_of_the_zoo_layer_by_layer(name: str, zoo: str, asked: dict[str, Any]) -> None:
    expected = load_zoo(zoo, batch=asked.get("batch"))
    assert replace(published(name, **asked), name=expected.name) == expected


def _llama_macs(tokens: int, context: int, *, batch: int, logits: int) -> int:
    """Multiply-accumulates of Llama 3 70B: arXiv:2407.21783, table 3."""
    hidden, between, layers, heads, key_heads, vocabulary = 8192, 28672, 80, 64, 8, 128256
    width = hidden // heads
    projections = 2 * hidden * hidden + 2 * hidden * key_heads * width
    attention = 2 * context * heads * width
    layer = projections + attention + 3 * hidden * between
    return batch * (tokens * layers * layer + logits * hidden * vocabulary)


def test_llama_macs_in_closed_form() -> None:
    assert published("llama3_70b").total_macs == _llama_macs(2048, 2048, batch=1, logits=2048)
    prefill = published("llama3_70b", phase="prefill:512", batch=2)
    assert prefill.total_macs == _llama_macs(512, 512, batch=2, logits=1)
    step = published("llama3_70b", phase="decode:4@4096", batch=64)
    assert step.total_macs == _llama_macs(4, 4096, batch=64, logits=4)


def test_a_cache_holds_the_heads_of_keys() -> None:
    step = published("llama3_70b", phase="decode:1@4096", batch=64)
    cached = sum(t.size_bytes for name, t in step.tensors.items() if name.endswith("_cache"))
    assert cached == 64 * 4096 * 80 * 2 * 8 * 128 * 2  # bf16


def test_a_window_limits_the_cache() -> None:
    step = published("mistral_7b", phase="decode:1@30000")
    assert step.tensors["decoder.0.key_cache"].shape == (1, 4096, 8, 128)
    step = published("gemma2_2b", phase="decode:1@8000")
    rows = [step.tensors[f"decoder.{layer}.key_cache"].shape[1] for layer in range(4)]
    assert rows == [4096, 8000, 4096, 8000]


def test_the_file_may_say_which_layers_have_a_window(tmp_path: Path) -> None:
    types = ["full_attention", "sliding_attention"]
    config = {**TINY["qwen3"], "sliding_window": 5, "layer_types": types}
    step = built(tmp_path, config, phase="decode:1@9")
    rows = [step.tensors[f"decoder.{layer}.value_cache"].shape[1] for layer in range(2)]
    assert rows == [9, 5]


def test_a_latent_cache_is_small() -> None:
    # arXiv:2405.04434, section 2.1.4: (512 + 64) elements a token and layer.
    step = published("deepseek_v3", phase="decode:1@1000")
    cached = sum(t.size_elements for name, t in step.tensors.items() if name.endswith("_cache"))
    assert cached == 61 * 1000 * (512 + 64)


@pytest.mark.parametrize("phase", ["prefill:128", "prefill:101", "decode:1@64", "decode:3@64"])
def test_experts_compute_what_is_routed_to_them(phase: str) -> None:
    step = published("mixtral_8x7b", phase=phase)
    tokens = int(phase.split(":")[1].split("@")[0])
    experts = [
        layer for layer in step.layers if ".busier." in layer.name or ".experts." in layer.name
    ]
    # arXiv:2401.04088, table 1 and section 2.1: 2 of 8 experts, three matrices each.
    assert sum(map(step.macs, experts)) == 32 * tokens * 2 * 3 * 4096 * 14336


def test_weights_of_experts_that_nobody_takes_are_not_read() -> None:
    step = published("mixtral_8x7b", phase="decode:1@64")
    read = {name for layer in step.layers for name in (*layer.inputs, *layer.parameters.values())}
    idle = {name: t for name, t in step.tensors.items() if name.endswith(".idle")}
    assert not read & {*idle}
    assert sum(t.size_elements for t in idle.values()) == 32 * 6 * 3 * 4096 * 14336
    assert to_yaml(step).count("idle: true") == 32
    assert not any(
        "idle" in name for name in published("mixtral_8x7b", phase="decode:4@64").tensors
    )


def test_a_file_keeps_weights_that_nobody_reads(tmp_path: Path) -> None:
    step = built(tmp_path, TINY["mixtral"], phase="decode:1@9")
    assert parse_network(to_yaml(step), "a.yaml") == step


def test_the_transformer_of_the_zoo_decodes_as_one_of_fairseq(tmp_path: Path) -> None:
    config = {
        **TINY["marian"],
        **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 2048),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 8),
        **dict.fromkeys(("encoder_layers", "decoder_layers"), 6),
        "d_model": 512,
        "vocab_size": 37000,
    }
    whole = built(tmp_path, config, dims={"seq": 32, "target": 32})
    zoo = load_zoo("transformer_base")
    positions = 2 * 64 * 512  # sines, which are parameters there
    assert whole.total_parameters == zoo.total_parameters + positions
    assert whole.total_macs == zoo.total_macs
