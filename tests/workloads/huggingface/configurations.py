"""Configurations for tests: published ones as files, and tiny ones as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workloads.graph import Graph
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.load import load

FOLDER = Path(__file__).parent / "configs"


def published(name: str, **asked: Any) -> Graph:
    """Return the network of a published configuration."""
    return load(FOLDER / f"{name}.json", Asked(**asked))


def written(folder: Path, data: object) -> Path:
    """Return the file that holds a configuration."""
    path = folder / "tiny.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=2))
    return path


def built(folder: Path, data: object, **asked: Any) -> Graph:
    """Return the network of a configuration."""
    return load(written(folder, data), Asked(**asked))


_LLAMA = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "vocab_size": 50,
    "max_position_embeddings": 64,
}
_DEEPSEEK = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "q_lora_rank": 10,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
    "vocab_size": 50,
    "max_position_embeddings": 64,
}
_EXPERTS = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "first_k_dense_replace": 1,
}

_TRANSLATION = {
    "d_model": 24,
    "encoder_layers": 1,
    "encoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}

#: Those whose prompt is an encoder's.
TRANSLATED = ("bart", "fsmt", "marian", "t5")
#: Small networks of every family, by a name of their own.
TINY: dict[str, dict[str, Any]] = {
    "bert": {
        "model_type": "bert",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "vocab_size": 50,
    },
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 3,
        "n_positions": 64,
        "vocab_size": 50,
    },
    "opt": {
        "model_type": "opt",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "ffn_dim": 40,
        "word_embed_proj_dim": 16,
        "do_layer_norm_before": False,
        "max_position_embeddings": 64,
        "vocab_size": 50,
    },
    "llama": {"model_type": "llama", **_LLAMA},
    "mistral": {"model_type": "mistral", **_LLAMA, "sliding_window": 32},
    "mixtral": {
        "model_type": "mixtral",
        **_LLAMA,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "qwen2": {"model_type": "qwen2", **_LLAMA},
    "qwen3": {"model_type": "qwen3", **_LLAMA},
    "gemma": {"model_type": "gemma", **_LLAMA},
    "gemma2": {"model_type": "gemma2", **_LLAMA},
    "deepseek_v2": {"model_type": "deepseek_v2", **_DEEPSEEK, "q_lora_rank": None},
    "deepseek_v3": {"model_type": "deepseek_v3", **_DEEPSEEK},
    "deepseek_experts": {"model_type": "deepseek_v3", **_DEEPSEEK, **_EXPERTS},
    "t5": {
        "model_type": "t5",
        "vocab_size": 50,
        "d_model": 24,
        "d_kv": 6,
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 3,
        "n_positions": 64,
    },
    "whisper": {
        "model_type": "whisper",
        "vocab_size": 50,
        "num_mel_bins": 8,
        "d_model": 24,
        "encoder_layers": 1,
        "encoder_attention_heads": 3,
        "encoder_ffn_dim": 40,
        "decoder_layers": 2,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 32,
        "max_source_positions": 10,
        "max_target_positions": 64,
    },
    "bart": {"model_type": "bart", **_TRANSLATION, "vocab_size": 50},
    "marian": {"model_type": "marian", **_TRANSLATION, "vocab_size": 50, "scale_embedding": True},
    "fsmt": {"model_type": "fsmt", **_TRANSLATION, "src_vocab_size": 40, "tgt_vocab_size": 50},
    "vit": {
        "model_type": "vit",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "image_size": 16,
        "patch_size": 4,
    },
    "mamba": {
        "model_type": "mamba",
        "vocab_size": 50,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "state_size": 4,
        "conv_kernel": 3,
    },
}
