"""Counts of the zoo's networks that torchvision doesn't have, against papers and closed forms."""

from __future__ import annotations

from itertools import pairwise

import pytest

from workloads.layers import Embedding
from workloads.loaders.yaml import load_zoo

#: Weights and biases of two norms of a transformer's layer, of its four projections and of its
#: feed-forward network of four times the hidden size, as multiples of the hidden size.
LAYER_VECTORS = 4 + 4 + 5


def transformer_layer(hidden: int) -> int:
    """Return the parameters of a layer of BERT, GPT-2, OPT, ViT or DeiT."""
    return 12 * hidden**2 + LAYER_VECTORS * hidden


def attention_macs(tokens: int, others: int, size: int) -> int:
    """Return the MACs of the scores of ``tokens`` on ``others`` and of their contexts."""
    return 2 * tokens * others * size


def test_deit_small() -> None:
    # H. Touvron et al., ICML 2021, table 1: 22M; timm 0.9, deit_small_patch16_224: 22,050,664.
    graph, tokens, hidden = load_zoo("deit_small"), 197, 384
    patch = 16 * 16 * 3
    parameters = (
        (patch + 1) * hidden  # patches
        + hidden * (1 + tokens)  # class token and positions
        + 12 * transformer_layer(hidden)
        + 2 * hidden
        + (hidden + 1) * 1000
    )
    assert graph.total_parameters == parameters == 22_050_664
    layer = 12 * tokens * hidden**2 + attention_macs(tokens, tokens, hidden)
    assert graph.total_macs == 196 * patch * hidden + 12 * layer + hidden * 1000


def test_mlp_mixer_b16() -> None:
    # I. Tolstikhin et al., NeurIPS 2021, table 1: 59M; timm 0.9, mixer_b16_224: 59,880,472.
    graph, tokens, hidden = load_zoo("mlp_mixer_b16"), 196, 768
    patch, over_tokens, over_channels = 16 * 16 * 3, 384, 3072
    layer = (
        4 * hidden  # two norms
        + (tokens + 1) * over_tokens
        + (over_tokens + 1) * tokens
        + (hidden + 1) * over_channels
        + (over_channels + 1) * hidden
    )
    parameters = (patch + 1) * hidden + 12 * layer + 2 * hidden + (hidden + 1) * 1000
    assert graph.total_parameters == parameters == 59_880_472
    macs = 2 * tokens * hidden * (over_tokens + over_channels)
    assert graph.total_macs == tokens * patch * hidden + 12 * macs + hidden * 1000


def test_roberta_base() -> None:
    # Y. Liu et al., arXiv:1907.11692: 125M; transformers' RobertaModel of roberta-base has
    # 124,645,632 with its pooler.
    graph, sequence, hidden = load_zoo("roberta_base"), 512, 768
    tables = (50265 + 514 + 1) * hidden + 2 * hidden
    parameters = tables + 12 * transformer_layer(hidden) + (hidden + 1) * hidden
    assert graph.total_parameters == parameters == 124_645_632
    layer = 12 * sequence * hidden**2 + attention_macs(sequence, sequence, hidden)
    assert graph.total_macs == 12 * layer + hidden**2


def test_opt_125m() -> None:
    # S. Zhang et al., arXiv:2205.01068, table 1: 125M; transformers' facebook/opt-125m has
    # 125,239,296.
    graph, sequence, hidden = load_zoo("opt_125m"), 2048, 768
    parameters = (50272 + 2050) * hidden + 12 * transformer_layer(hidden) + 2 * hidden
    assert graph.total_parameters == parameters == 125_239_296
    layer = 12 * sequence * hidden**2 + attention_macs(sequence, sequence, hidden)
    assert graph.total_macs == 12 * layer + sequence * hidden * 50272


#: Vocabulary, keys and values that heads share, units of the feed-forward network, and parameters:
#: 6.74B in H. Touvron et al., arXiv:2307.09288 (transformers' Llama-2-7b: 6,738,415,616); 8B in
#: A. Grattafiori et al., arXiv:2407.21783 (Meta-Llama-3-8B: 8,030,261,248); 7B in A. Jiang et al.,
#: arXiv:2310.06825 (Mistral-7B-v0.1: 7,241,732,096).
LLAMAS = {
    "llama2_7b": (32000, 32, 11008, 6_738_415_616),
    "llama3_8b": (128256, 8, 14336, 8_030_261_248),
    "mistral_7b": (32000, 8, 14336, 7_241_732_096),
}


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("name", LLAMAS)
def test_llamas(name: str, phase: str) -> None:
    vocabulary, shared, units, published = LLAMAS[name]
    graph, hidden, context = load_zoo(f"{name}_{phase}"), 4096, 2048
    weights = 2 * hidden**2 + 2 * hidden * shared * 128 + 3 * hidden * units
    parameters = 2 * vocabulary * hidden + 32 * (weights + 2 * hidden) + hidden
    assert graph.total_parameters == parameters == published
    tokens = context if phase == "prefill" else 1
    layer = tokens * weights + attention_macs(tokens, context, hidden)
    assert graph.total_macs == 32 * layer + hidden * vocabulary
    caches = [t.size_elements for name, t in graph.tensors.items() if name.endswith("_cache")]
    assert caches == ([] if phase == "prefill" else 64 * [context * shared * 128])


def test_t5_small() -> None:
    # C. Raffel et al., JMLR 2020, section 3.7: 60M; transformers' t5-small has 60,506,624.
    graph, source, target, hidden = load_zoo("t5_small"), 512, 114, 512
    attention, feed_forward = 4 * hidden**2, 2 * hidden * 2048
    encoder = attention + feed_forward + 2 * hidden
    decoder = 2 * attention + feed_forward + 3 * hidden
    biases = 2 * 32 * 8  # of encoder and decoder: a number for each bucket and head
    parameters = 32128 * hidden + 6 * (encoder + decoder) + 2 * hidden + biases
    assert graph.total_parameters == parameters == 60_506_624
    macs_of_encoder = source * (attention + feed_forward) + attention_macs(source, source, hidden)
    macs_of_decoder = (
        target * (attention + feed_forward)
        + attention_macs(target, target, hidden)
        + (target + source) * attention // 2  # queries and projections, keys and values
        + attention_macs(target, source, hidden)
    )
    head = target * hidden * 32128
    assert graph.total_macs == 6 * (macs_of_encoder + macs_of_decoder) + head


@pytest.mark.parametrize(
    ("name", "hidden", "published"),
    [("transformer_base", 512, 65e6), ("transformer_big", 1024, 213e6)],
)
def test_transformer(name: str, hidden: int, published: float) -> None:
    # A. Vaswani et al., NeurIPS 2017, table 3: 65 and 213 million; "about 37000" words.
    graph, source, target, words = load_zoo(name), 32, 32, 37000
    attention, feed_forward = 4 * hidden**2, 8 * hidden**2
    vectors = 4 * hidden, (4 + 1) * hidden, 2 * hidden  # of projections, feed-forward and a norm
    encoder = attention + feed_forward + vectors[0] + vectors[1] + 2 * vectors[2]
    decoder = encoder + attention + vectors[0] + vectors[2]
    parameters = words * hidden + 6 * (encoder + decoder)
    assert graph.total_parameters == parameters == pytest.approx(published, rel=0.03)
    macs_of_encoder = source * (attention + feed_forward) + attention_macs(source, source, hidden)
    macs_of_decoder = (
        target * (attention + feed_forward)
        + attention_macs(target, target, hidden)
        + (target + source) * attention // 2
        + attention_macs(target, source, hidden)
    )
    head = target * hidden * words
    assert graph.total_macs == 6 * (macs_of_encoder + macs_of_decoder) + head


def test_whisper_tiny() -> None:
    # A. Radford et al., ICML 2023, table 1: 39M; openai-whisper's tiny has 37,184,640 parameters.
    graph, source, target, hidden = load_zoo("whisper_tiny"), 1500, 448, 384
    attention, feed_forward = 4 * hidden**2, 8 * hidden**2
    attention_biases, feed_forward_biases, norm = 3 * hidden, 5 * hidden, 2 * hidden
    encoder = attention + attention_biases + feed_forward + feed_forward_biases + 2 * norm
    decoder = encoder + attention + attention_biases + norm
    convolutions = (3 * 80 + 1) * hidden + (3 * hidden + 1) * hidden
    tables = (51865 + 448) * hidden
    parameters = convolutions + tables + 4 * (encoder + decoder) + 2 * norm
    assert graph.total_parameters == parameters == 37_184_640
    macs_of_encoder = source * (attention + feed_forward) + attention_macs(source, source, hidden)
    macs_of_decoder = (
        target * (attention + feed_forward)
        + attention_macs(target, target, hidden)
        + (target + source) * attention // 2
        + attention_macs(target, source, hidden)
    )
    macs = 3000 * 3 * 80 * hidden + source * 3 * hidden**2 + target * hidden * 51865
    assert graph.total_macs == macs + 4 * (macs_of_encoder + macs_of_decoder)


def test_dqn() -> None:
    # V. Mnih et al., Nature 518, 2015, Methods: 8x8 by 4, 4x4 by 2, 3x3 by 1, 512 units; Atari's 18
    # actions.
    weights = (8 * 8 * 4 * 32, 4 * 4 * 32 * 64, 3 * 3 * 64 * 64, 7 * 7 * 64 * 512, 512 * 18)
    graph = load_zoo("dqn")
    assert graph.total_parameters == sum(weights) + 32 + 64 + 64 + 512 + 18 == 1_693_362
    positions = (20 * 20, 9 * 9, 7 * 7, 1, 1)
    assert graph.total_macs == sum(a * b for a, b in zip(weights, positions, strict=True))


def test_ddpg_actor() -> None:
    # T. Lillicrap et al., ICLR 2016, section 7: 400 and 300 units.
    graph = load_zoo("ddpg_actor")
    assert graph.total_macs == 17 * 400 + 400 * 300 + 300 * 6
    assert graph.total_parameters == graph.total_macs + 400 + 300 + 6


def test_lenet() -> None:
    # S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS
    # 2015, table 1: Caffe's LeNet-5 has 431K parameters.
    graph = load_zoo("lenet")
    assert graph.total_parameters == (
        (25 * 1 + 1) * 20 + (25 * 20 + 1) * 50 + (800 + 1) * 500 + (500 + 1) * 10
    )
    assert graph.total_parameters == 431_080
    assert graph.total_macs == 24**2 * 25 * 20 + 8**2 * 25 * 20 * 50 + 800 * 500 + 500 * 10


def test_dlrm() -> None:
    # M. Naumov et al., arXiv:1906.00091, section 5: about 540M parameters. Criteo Kaggle has
    # 33,762,577 categories in all, 16 columns each.
    graph = load_zoo("dlrm")
    tables = [x.operator for x in graph.layers if isinstance(x.operator, Embedding)]
    assert sum(table.entries for table in tables) == 33_762_577
    interactions = 27 * 26 // 2  # pairs of 27 vectors, beside the dense one
    bottom, top = (13, 512, 256, 64, 16), (16 + interactions, 512, 256, 1)
    weights = sum(before * after for widths in (bottom, top) for before, after in pairwise(widths))
    biases = sum((*bottom[1:], *top[1:]))
    assert graph.total_parameters == 33_762_577 * 16 + weights + biases == 540_677_217
    assert graph.total_macs == weights + 27 * 27 * 16


def lstm(size: int, hidden: int) -> int:
    """Return the weights of an LSTM layer: four gates, of its input and of its state."""
    return 4 * hidden * (size + hidden)


def test_lstm_ptb() -> None:
    # W. Zaremba et al., arXiv:1409.2329, section 4.1, large: two layers of 1500 units, 10000 words,
    # 35 steps. S. Merity et al., ICLR 2018, table 1: 66M parameters. PyTorch has two biases a gate.
    graph, words, hidden, steps = load_zoo("lstm_ptb"), 10_000, 1500, 35
    weights = 2 * lstm(hidden, hidden) + hidden * words
    parameters = words * hidden + weights + 2 * 2 * 4 * hidden + words
    assert graph.total_parameters == parameters == pytest.approx(66e6, rel=0.001)
    assert graph.total_macs == steps * weights


def test_deepspeech2() -> None:
    # D. Amodei et al., ICML 2016, section 3; github.com/SeanNaren/deepspeech.pytorch, model.py:
    # 41x11 by 2x2 and 21x11 by 2x1 over frequencies and frames, 32 channels, normalized, so
    # that model.py's biases before are no parameters of their own; five LSTM layers of both
    # directions, whose sum is normalized; 29 characters without bias.
    graph, hidden, steps = load_zoo("deepspeech2"), 1024, 25
    filters = (41 * 11 * 32, 21 * 11 * 32 * 32)
    features = 41 * 32
    recurrent = 2 * (lstm(features, hidden) + 4 * lstm(hidden, hidden))
    biases = 2 * 5 * 2 * 4 * hidden
    norms = 5 * 2 * hidden
    parameters = sum(filters) + 2 * 2 * 32 + recurrent + biases + norms + hidden * 29
    assert graph.total_parameters == parameters == 86_618_336
    convolutions = steps * (81 * filters[0] + 41 * filters[1])
    assert graph.total_macs == convolutions + steps * (recurrent + hidden * 29)


def test_alphago_zero() -> None:
    # D. Silver et al., Nature 550, 2017, Methods: a convolution and 20 blocks of two, 256 filters
    # of 3x3; heads of two filters and one, 362 moves, 256 hidden units.
    graph, board, filters = load_zoo("alphago_zero"), 19 * 19, 256
    convolutions = 9 * filters * (17 + 40 * filters) + filters * (2 + 1)
    linears = 2 * board * (board + 1) + board * 256 + 256
    vectors = 2 * (41 * filters + 2 + 1) + (board + 1) + 256 + 1
    assert graph.total_parameters == convolutions + linears + vectors
    assert graph.total_macs == board * convolutions + linears
