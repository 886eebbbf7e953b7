"""What can't be a network ends in an error that names file, key and rule."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import WorkloadError
from tests.workloads.huggingface.configurations import TINY, built
from workloads.graph import Graph

LLAMA = TINY["llama"]


def refusal(folder: Path, data: object, **asked: Any) -> str:
    with pytest.raises(WorkloadError) as caught:
        built(folder, data, **asked)
    return str(caught.value).removeprefix(f"{folder / 'tiny.json'}:").strip()


def _without(config: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**LLAMA, "model_type": "lama"}, "2: model_type: must be one of bart, bert, "),
        ({**LLAMA, "model_type": "lama"}, " but is 'lama'; did you mean 'llama'?"),
        ({**LLAMA, "model_type": 3}, "but is 3"),
        ({"name": "left-pad"}, "isn't a Hugging Face configuration: key 'model_type' is missing"),
        ([1, 2], "must be a mapping (key: value) but is a list of 2"),
        ("{", "isn't valid JSON"),
        ('{"model_type": "bert", "model_type": "bert"}', "key 'model_type' is given twice"),
        (_without(LLAMA, "vocab_size"), "key 'vocab_size' is missing; add it"),
        ({**LLAMA, "hidden_size": "24"}, "3: hidden_size: must be a whole number but is '24'"),
        ({**LLAMA, "hidden_size": 24.5}, "hidden_size: must be a whole number but is 24.5"),
        ({**LLAMA, "hidden_size": True}, "hidden_size: must be a whole number but is true"),
        ({**LLAMA, "hidden_size": 0}, "hidden_size: must be at least 1 but is 0"),
        ({**LLAMA, "num_hidden_layers": -1}, "num_hidden_layers: must be at least 1 but is -1"),
        ({**LLAMA, "num_hidden_layers": 10**6}, "must be at most 1000 but is 1000000"),
        (
            {**LLAMA, "num_key_value_heads": 3},
            "num_attention_heads is 4 but must be a multiple of num_key_value_heads, which is 3",
        ),
        (
            {**_without(LLAMA, "head_dim"), "hidden_size": 26},
            "hidden_size is 26 but must be a multiple of num_attention_heads, which is 4",
        ),
        ({**LLAMA, "layer_types": ["full_attention"]}, "layer_types has 1 items but there are 2"),
        ({**LLAMA, "head_dim": 5}, "a head has 5 features but must have an even number"),
        ({**LLAMA, "hidden_act": "silo"}, "but is 'silo'; did you mean 'silu'?"),
        ({**LLAMA, "torch_dtype": "float8_e4m3fn"}, "torch_dtype 'float8_e4m3fn': must be one of"),
        ({**LLAMA, "architectures": ["LlamaForQuestions"]}, "did you mean 'LlamaForCausalLM'?"),
        ({**LLAMA, "architectures": "Llama"}, "architectures: must be a list of names of classes"),
        (_without(TINY["mistral"], "num_key_value_heads"), "key 'num_key_value_heads' is missing"),
        ({**TINY["mixtral"], "num_experts_per_tok": 5}, "num_experts_per_tok is 5 but there are"),
        ({**TINY["deepseek_experts"], "num_experts_per_tok": 5}, "is 5 but there are only 4"),
        (_without(TINY["deepseek_v3"], "q_lora_rank"), "key 'q_lora_rank' is missing; add it"),
        ({**TINY["deepseek_v3"], "n_routed_experts": 4}, "moe_intermediate_size is missing"),
        ({**TINY["deepseek_v3"], "qk_rope_head_dim": 3}, "qk_rope_head_dim is 3 but must be even"),
        ({**TINY["vit"], "patch_size": 5}, "image_size is 16 but must be a multiple of patch_size"),
        ({**TINY["bert"], "position_embedding_type": "relative_key"}, "must be 'absolute'"),
        ({**TINY["bert"], "hidden_size": 25}, "must be a multiple of num_attention_heads"),
        (
            {**TINY["bert"], "model_type": "roberta", "max_position_embeddings": 2},
            "max_position_embeddings is 2 but must be more than 2",
        ),
        (
            {**TINY["gpt2"], "add_cross_attention": True},
            "add_cross_attention is true but isn't built",
        ),
        ({**TINY["t5"], "feed_forward_proj": "gelu"}, "must be relu or gated-gelu but is 'gelu'"),
        (
            {**TINY["marian"], "decoder_vocab_size": 51},
            "vocab_size is 50 but decoder_vocab_size is 51; make them equal, or give",
        ),
        ({**TINY["bart"], "d_model": 25}, "must be a multiple of encoder_attention_heads"),
    ],
)
def test_bad_configurations(data: object, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        (
            "mamba",
            {"phase": "decode:2@9"},
            "a step of decoding computes 1 token but 2 are asked for",
        ),
        ("bert", {"phase": "prefill:9"}, "has no phase 'prefill:9': it generates no tokens"),
        ("vit", {"phase": "decode:1@9"}, "leave --phase out"),
        ("vit", {"dims": {"seq": 9}}, "has no dimension 'seq' but none to choose"),
        ("bert", {"dims": {"sek": 9}}, "no dimension 'sek' but only seq; did you mean 'seq'?"),
        ("bert", {"dims": {"seq": 65}}, "65 tokens are asked for but there are positions for 64"),
        ("gpt2", {"phase": "decode:1@65"}, "65 tokens are asked for but there are positions for"),
        ("llama", {"phase": "prefill"}, "phase 'prefill': must be prefill:TOKENS or decode:TOK"),
        ("llama", {"phase": "prefill:0"}, "phase 'prefill:0': must be"),
        ("llama", {"phase": "decode:4@3"}, "the context is 3 but includes the 4 new tokens"),
        ("llama", {"phase": "prefill:9", "dims": {"seq": 9}}, "says what --dim seq would"),
        ("t5", {"phase": "decode:1@9", "dims": {"target": 9}}, "says what --dim target would"),
        ("llama", {"dtype": "int9"}, "dtype 'int9': must be one of"),
        ("llama", {"dims": {"seq": 10**9}}, "elements but at most"),
    ],
)
def test_bad_questions(name: str, asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, TINY[name], **asked)


def test_the_class_tells_the_family(tmp_path: Path) -> None:
    config = {**_without(LLAMA, "model_type"), "architectures": ["LlamaModel"]}
    assert built(tmp_path, config).layers[-1].name == "norm"


def test_a_configuration_is_named_after_its_folder(tmp_path: Path) -> None:
    from workloads.loaders.huggingface.load import load

    (tmp_path / "small").mkdir()
    path = tmp_path / "small" / "config.json"
    path.write_text(json.dumps(LLAMA))
    assert load(path).name == "small"


JUNK: st.SearchStrategy[Any] = st.one_of(
    st.integers(-3, 9),
    st.sampled_from([None, True, "", "x", 1.5, -1e300, 10**12, [], {}, ["a"], "auto", "relu"]),
)
OPTIONAL = (
    *("architectures", "dtype", "head_dim", "id2label", "max_window_layers", "n_inner"),
    *("num_decoder_layers", "num_labels", "sliding_window", "tie_word_embeddings"),
    *("time_step_rank", "torch_dtype", "use_sliding_window", "attn_logit_softcapping"),
)
PHASES = st.sampled_from([None, "prefill:3", "decode:1@5", "decode:2@1", "x", "decode:1@"])


@settings(max_examples=250, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(TINY)), phase=PHASES)
def test_only_workload_errors_come_out(data: st.DataObject, name: str, phase: str | None) -> None:
    config = dict(TINY[name])
    keys = st.sampled_from([*config, *OPTIONAL])
    for key in data.draw(st.lists(keys, min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            config[key] = data.draw(JUNK)
        else:
            config.pop(key, None)
    text = json.dumps(config)
    if data.draw(st.integers(0, 9)) == 0:
        text = text[: data.draw(st.integers(0, len(text)))]
    with TemporaryDirectory() as folder:
        outcome = _outcome(Path(folder), text, phase)
    if isinstance(outcome, Graph):
        assert outcome.total_macs > 0
    else:
        assert outcome.startswith(f"{folder}/tiny.json:")


def _outcome(folder: Path, text: str, phase: str | None) -> Graph | str:
    try:
        return built(folder, text, phase=phase)
    except WorkloadError as error:
        return str(error)
