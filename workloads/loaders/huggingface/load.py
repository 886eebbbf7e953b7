"""The door: a ``config.json`` becomes a network."""

from __future__ import annotations

from pathlib import Path

from foundation.document import Document
from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError, nearest
from foundation.json_document import read_json
from foundation.validation import describe
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.huggingface import (
    bert,
    deepseek,
    gpt,
    llama,
    mamba,
    t5,
    translation,
    vit,
    whisper,
)
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, run_of
from workloads.loaders.huggingface.settings import DTYPE_NAMES, Settings

#: ``model_type`` to the family that builds it.
FAMILIES = {
    "bart": translation.BART,
    "bert": bert.BERT,
    "deepseek_v2": deepseek.DEEPSEEK_V2,
    "deepseek_v3": deepseek.DEEPSEEK_V3,
    "fsmt": translation.FSMT,
    "gemma": llama.GEMMA,
    "gemma2": llama.GEMMA2,
    "gpt2": gpt.GPT2,
    "llama": llama.LLAMA,
    "mamba": mamba.MAMBA,
    "marian": translation.MARIAN,
    "mistral": llama.MISTRAL,
    "mixtral": llama.MIXTRAL,
    "opt": gpt.OPT,
    "qwen2": llama.QWEN2,
    "qwen3": llama.QWEN3,
    "roberta": bert.ROBERTA,
    "t5": t5.T5,
    "vit": vit.VIT,
    "whisper": whisper.WHISPER,
}


def load(path: Path, asked: Asked = AS_IT_IS) -> Graph:
    """Return the network of a configuration file, named after the file, or its folder.

    Raises
    ------
    WorkloadError
        When the file is no configuration that is known, lacks a size, or doesn't have what is
        asked for.
    """
    asked.check()
    document = read_json(path, WorkloadError)
    family = _family(document)
    head = _head(document, family)
    settings = document.validate(family.settings)
    name = path.stem if path.stem != "config" else path.resolve().parent.name
    try:
        run = run_of(asked, family.reads, settings)
        if run.parts and not family.mixes_lengths:
            mixed = [known for known, one in FAMILIES.items() if one.mixes_lengths]
            raise WorkloadError(
                f"phase '{asked.phase}': batches of mixed lengths are built for"
                f" {', '.join(mixed)} only; give one length and --batch"
            )
        net = NetworkBuilder(name or "network", run.sequences, _dtype(settings, asked))
        family.build(net, settings, run, head)
    except WorkloadError as error:
        raise WorkloadError(f"{path}: {error}") from None
    return net.graph.build()


def reads_of(path: Path) -> Reads:
    """Return what flows through the network of a configuration file.

    Raises
    ------
    WorkloadError
        When the file is no configuration that is known.
    """
    return _family(read_json(path, WorkloadError)).reads


def _family(document: Document) -> Family:
    """Return the family that a configuration's ``model_type`` names, or its class."""
    data = document.data
    if not isinstance(data, dict):
        raise document.failure((), f"must be a mapping (key: value) but is {describe(data)}")
    if "model_type" in data:
        name = data["model_type"]
        if not isinstance(name, str) or name not in FAMILIES:
            hint = nearest(name, FAMILIES) if isinstance(name, str) else ""
            raise document.failure(
                ("model_type",),
                f"must be one of {', '.join(FAMILIES)} but is {describe(name)}{hint}",
            )
        return FAMILIES[name]
    for family in FAMILIES.values():
        if _class(document) in family.heads:
            return family
    raise document.failure(
        (),
        "isn't a Hugging Face configuration: key 'model_type' is missing, and no class in"
        " 'architectures' tells it; add it",
    )


def _class(document: Document) -> str | None:
    """Return the class that a configuration was saved from, if it says."""
    names = document.data.get("architectures")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise document.failure(("architectures",), "must be a list of names of classes")
    return names[0] if names else None


def _head(document: Document, family: Family) -> str:
    """Return what stands on top of the network."""
    name = _class(document)
    if name is None:
        return next(iter(family.heads.values()))
    if name not in family.heads:
        raise document.failure(
            ("architectures",),
            f"class '{name}' must be one of {', '.join(family.heads)}{nearest(name, family.heads)}",
        )
    return family.heads[name]


def _dtype(settings: Settings, asked: Asked) -> Dtype:
    """Return the type that is asked for, or that of the weights, or int8 as in YAML."""
    if asked.dtype is not None:
        return DTYPES[asked.dtype]
    name = (settings.torch_dtype or settings.dtype or "").removeprefix("torch.")
    if name and name not in DTYPE_NAMES:
        raise WorkloadError(
            f"torch_dtype '{name}': must be one of {', '.join(DTYPE_NAMES)}; give --dtype"
        )
    return DTYPES[DTYPE_NAMES[name] if name else "int8"]
