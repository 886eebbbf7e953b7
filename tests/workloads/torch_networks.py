"""Published networks with random weights, and example inputs: what `export_torch.py` exports."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
import torchvision
import transformers
from torch import nn

from tests.workloads.huggingface.configurations import TINY, TRANSLATED

Network = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


def _image(size: int = 224, channels: int = 3) -> torch.Tensor:
    return torch.randn(1, channels, size, size)


def _vision(name: str, size: int = 224, **options: Any) -> Network:
    return torchvision.models.get_model(name, weights=None, **options), (_image(size),), {}


def _segmentation(name: str) -> Network:
    return _vision(name, 224, weights_backbone=None)


def _video(name: str) -> Network:
    video = torch.randn(1, 3, 8, 112, 112)
    return torchvision.models.get_model(name, weights=None), (video,), {}


class _Features(nn.Module):
    """A detector's backbone with its feature pyramid, without what looks at boxes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        detector = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        self.backbone = detector.backbone

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return list(self.backbone(image).values())


class _Detector(_Features):
    """A detector with the heads that see its features, without what looks at boxes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        detector = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        self.head = detector.rpn.head if hasattr(detector, "rpn") else detector.head

    def forward(self, image: torch.Tensor) -> Any:
        return self.head(super().forward(image))


def _detector(name: str) -> Network:
    return _Detector(name), (_image(320),), {}


def _backbone(name: str) -> Network:
    return _Features(name), (_image(320),), {}


def _timm(name: str, size: int = 224) -> Network:
    return timm.create_model(name, pretrained=False), (_image(size),), {}


def _language(model: str, config: str, *, both: bool = False, **settings: Any) -> Network:
    found = getattr(transformers, config)(**settings)
    found.use_cache = False
    network = getattr(transformers, model)(found)
    tokens = torch.randint(2, 90, (1, 16))
    if both:
        return network, (), {"input_ids": tokens, "decoder_input_ids": tokens}
    return network, (tokens,), {}


def _transformer(model: str, config: str, inputs: dict[str, Any], **settings: Any) -> Network:
    found = getattr(transformers, config)(**settings)
    found.use_cache = False
    return getattr(transformers, model)(found), (), inputs


class _Recommender(nn.Module):
    """Embedding bags, two towers and their dot products: DLRM's shape."""

    def __init__(self, tables: int = 8, features: int = 16) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(1000, features) for _ in range(tables))
        self.bottom = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, features))
        pairs = (tables + 1) ** 2
        self.top = nn.Sequential(nn.Linear(pairs + features, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, dense: torch.Tensor, sparse: torch.Tensor) -> torch.Tensor:
        low = self.bottom(dense)
        found = [table(sparse[:, n]) for n, table in enumerate(self.tables)]
        both = torch.stack([low, *found], dim=1)
        pairs = torch.bmm(both, both.transpose(1, 2)).flatten(1)
        return torch.sigmoid(self.top(torch.cat([low, pairs], dim=1)))


def _recommender() -> Network:
    return _Recommender(), (torch.randn(4, 13), torch.randint(0, 1000, (4, 8, 3))), {}


class _Tagger(nn.Module):
    """An embedding, a recurrent network and a classifier of every token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.words = nn.Embedding(1000, 32)
        recurrent = nn.LSTM if kind == "lstm" else nn.GRU
        self.recurrent = recurrent(32, 48, num_layers=2, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(96, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(self.words(tokens))
        return self.classify(states)


def _tagger(kind: str) -> Network:
    return _Tagger(kind), (torch.randint(0, 1000, (1, 6)),), {}


class _UNet(nn.Module):
    """A network of contraction and expansion with transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(self._block(a, b) for a, b in ((3, 32), (32, 64), (64, 128)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, a // 2, 2, 2) for a in (128, 64))
        self.join = nn.ModuleList(self._block(a, a // 2) for a in (128, 64))
        self.last = nn.Conv2d(32, 2, 1)

    @staticmethod
    def _block(before: int, after: int) -> nn.Module:
        layers = [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        kept = []
        for place, block in enumerate(self.down):
            image = block(image if not place else nn.functional.max_pool2d(image, 2))
            kept.append(image)
        for up, join, skipped in zip(self.up, self.join, kept[-2::-1], strict=True):
            image = join(torch.cat([up(image), skipped], dim=1))
        return self.last(image)


def _unet() -> Network:
    return _UNet(), (_image(64),), {}


def _tiny(name: str) -> Network:
    """Return a network of the configurations of the Hugging Face loader's tests."""
    data = dict(TINY[name])
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "decoder_start_token_id"), 2)
    settings = {**special, "pad_token_id": 1 if name == "fsmt" else 0, **_PYTORCH.get(name, {})}
    config = transformers.AutoConfig.for_model(data.pop("model_type"), **data, **settings)
    config.use_cache = False
    config._experts_implementation = "batched_mm"  # the counter doesn't see others
    kind = transformers.AutoModel if name in ("bert", "vit") else transformers.AutoModelForCausalLM
    if name in (*TRANSLATED, "whisper"):
        kind = transformers.AutoModelForSeq2SeqLM
    if name == "whisper":
        kind = transformers.AutoModelForSpeechSeq2Seq
    tokens = torch.randint(3, 39, (1, 16))
    inputs = {"input_ids": tokens}
    if name in TRANSLATED:
        inputs["decoder_input_ids"] = tokens[:, :8]
    elif name == "whisper":
        inputs = {"input_features": torch.randn(1, 8, 20), "decoder_input_ids": tokens[:, :8]}
    elif name == "vit":
        inputs = {"pixel_values": _image(16)}
    return kind.from_config(config), (), inputs


#: What transformers needs besides, or has another default for than the published networks.
_PYTORCH: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"first_k_dense_replace": 2, "num_experts_per_tok": 1},
    "deepseek_experts": {"n_group": 1, "topk_group": 1},
    "fsmt": {"langs": ["en", "de"]},
}
_SMALL = {
    **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 96, "vocab_size": 100},
}
_SMALL_VISION = {
    **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 96, "image_size": 64},
}
_LLAMA = {
    **{"num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 512},
    **{"num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1000},
}
_SPEECH = {"num_hidden_layers": 2}

NETWORKS: dict[str, Callable[[], Network]] = {
    **{
        name: partial(_vision, name)
        for name in (
            *("alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "squeezenet1_1"),
            *("densenet121", "mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0"),
            *("shufflenet_v2_x1_0", "regnet_y_400mf", "efficientnet_b0", "convnext_tiny"),
            *("vit_b_16", "swin_t", "swin_v2_t", "maxvit_t"),
        )
    },
    "googlenet": partial(_vision, "googlenet", init_weights=False),
    "inception_v3": partial(_vision, "inception_v3", 299, init_weights=False),
    "deeplabv3_mobilenet": partial(_segmentation, "deeplabv3_mobilenet_v3_large"),
    "lraspp_mobilenet": partial(_segmentation, "lraspp_mobilenet_v3_large"),
    "fcn_resnet50": partial(_segmentation, "fcn_resnet50"),
    "fasterrcnn_backbone": partial(_backbone, "fasterrcnn_resnet50_fpn"),
    "retinanet_backbone": partial(_backbone, "retinanet_resnet50_fpn"),
    "r3d_18": partial(_video, "r3d_18"),
    "timm_mixer_s32": partial(_timm, "mixer_s32_224"),
    "timm_resnetv2_50": partial(_timm, "resnetv2_50"),
    "timm_nfnet_l0": partial(_timm, "nfnet_l0", 256),
    "timm_deit_tiny": partial(_timm, "deit_tiny_patch16_224"),
    "timm_mobilevit_xs": partial(_timm, "mobilevit_xs", 256),
    "unet": _unet,
    "bert": partial(_language, "BertModel", "BertConfig", num_hidden_layers=2),
    "gpt2": partial(_language, "GPT2LMHeadModel", "GPT2Config", n_layer=2),
    "llama": partial(_language, "LlamaForCausalLM", "LlamaConfig", **_LLAMA),
    "mistral": partial(_language, "MistralForCausalLM", "MistralConfig", **_LLAMA),
    "qwen2": partial(_language, "Qwen2ForCausalLM", "Qwen2Config", **_LLAMA),
    "roberta": partial(_language, "RobertaModel", "RobertaConfig", num_hidden_layers=2),
    "albert": partial(
        *(_language, "AlbertModel", "AlbertConfig"),
        **{"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4},
        intermediate_size=512,
    ),
    "opt": partial(_language, "OPTForCausalLM", "OPTConfig", num_hidden_layers=2),
    "t5": partial(_language, "T5Model", "T5Config", both=True, num_layers=2),
    "bart": partial(
        *(_language, "BartModel", "BartConfig"), both=True, encoder_layers=2, decoder_layers=2
    ),
    "clip_text": partial(_language, "CLIPTextModel", "CLIPTextConfig", num_hidden_layers=2),
    "segformer": lambda: _transformer(
        *("SegformerForSemanticSegmentation", "SegformerConfig", {"pixel_values": _image()})
    ),
    "dinov2": lambda: _transformer(
        *("Dinov2Model", "Dinov2Config", {"pixel_values": _image()}), num_hidden_layers=2
    ),
    "whisper": lambda: _transformer(
        "WhisperModel",
        "WhisperConfig",
        {
            "input_features": torch.randn(1, 80, 3000),
            "decoder_input_ids": torch.randint(2, 90, (1, 8)),
        },
        encoder_layers=2,
        decoder_layers=2,
    ),
    "wav2vec2": lambda: _transformer(
        *("Wav2Vec2Model", "Wav2Vec2Config", {"input_values": torch.randn(1, 16000)}), **_SPEECH
    ),
    "hubert": lambda: _transformer(
        *("HubertModel", "HubertConfig", {"input_values": torch.randn(1, 16000)}), **_SPEECH
    ),
    "deberta_v2": partial(
        *(_language, "DebertaV2Model", "DebertaV2Config"),
        **_SMALL,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=32,
    ),
    "bloom": partial(
        *(_language, "BloomForCausalLM", "BloomConfig"),
        **{"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100},
    ),
    "electra": partial(_language, "ElectraModel", "ElectraConfig", embedding_size=32, **_SMALL),
    "falcon": partial(_language, "FalconForCausalLM", "FalconConfig", **_SMALL),
    "gpt_neox": partial(_language, "GPTNeoXForCausalLM", "GPTNeoXConfig", **_SMALL),
    "phi3": partial(_language, "Phi3ForCausalLM", "Phi3Config", pad_token_id=0, **_SMALL),
    "stablelm": partial(
        *(_language, "StableLmForCausalLM", "StableLmConfig"), num_key_value_heads=2, **_SMALL
    ),
    "clip": lambda: _transformer(
        "CLIPModel",
        "CLIPConfig",
        {"input_ids": torch.randint(3, 90, (1, 16)), "pixel_values": _image(64)},
        text_config={**_SMALL, "eos_token_id": 2},
        vision_config={**_SMALL_VISION, "patch_size": 16},
    ),
    "detr": lambda: _transformer(
        *("DetrForObjectDetection", "DetrConfig", {"pixel_values": _image(128)}),
        **{"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "num_queries": 10},
        **{"encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "encoder_attention_heads": 4},
        **{"decoder_attention_heads": 4, "use_pretrained_backbone": False},
        **{"use_timm_backbone": True, "backbone": "resnet18"},
    ),
    "swin_hf": lambda: _transformer(
        *("SwinModel", "SwinConfig", {"pixel_values": _image(64)}),
        **{"image_size": 64, "embed_dim": 24, "window_size": 4},
        depths=[2, 2],
        num_heads=[2, 4],
    ),
    "beit": lambda: _transformer(
        *("BeitModel", "BeitConfig", {"pixel_values": _image(64)}),
        **_SMALL_VISION,
        use_relative_position_bias=True,
    ),
    "audio_spectrogram": lambda: _transformer(
        *("ASTModel", "ASTConfig", {"input_values": torch.randn(1, 64, 32)}),
        **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"intermediate_size": 96, "max_length": 64, "num_mel_bins": 32},
    ),
    "retinanet_heads": partial(_detector, "retinanet_resnet50_fpn"),
    "fasterrcnn_proposals": partial(_detector, "fasterrcnn_mobilenet_v3_large_320_fpn"),
    "ssdlite_heads": partial(_detector, "ssdlite320_mobilenet_v3_large"),
    "mc3_18": partial(_video, "mc3_18"),
    "r2plus1d_18": partial(_video, "r2plus1d_18"),
    "timm_nf_resnet26": partial(_timm, "nf_resnet26"),
    "timm_levit_192": partial(_timm, "levit_192"),
    "timm_efficientformerv2": partial(_timm, "efficientformerv2_s0"),
    **{f"tiny_{name}": partial(_tiny, name) for name in TINY},
    "tagger_lstm": partial(_tagger, "lstm"),
    "tagger_gru": partial(_tagger, "gru"),
    "recommender": _recommender,
}

#: Networks that are only counted: PyTorch doesn't export code that decides by data (FSMT), and
#: complex numbers (DeepSeek-V2's positions) aren't read.
COUNTED_ONLY = ("tiny_fsmt", "tiny_deepseek_v2")


class _Functions(nn.Module):
    """Views, writes into them, masks, indices, and functions of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 4))
        self.register_buffer("places", torch.tensor([0, 2, 3, 8, 1, 7]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch, size = x.shape
        mask = torch.zeros(size, size)
        mask[: size // 2, size // 2 :] = 1
        both = torch.einsum("bi,bj->bij", x, x).masked_fill(mask.bool(), 0.5)
        whole = x.new_zeros(batch, size)
        whole[:, 1:3] = x[:, 2:4] * 2
        rolled = torch.roll(whole, 1, 1) + x.clamp(-1, 1)
        looked = torch.einsum("...i,io->...o", rolled, self.table[self.places])
        parts = torch.stack(x.chunk(2, dim=1)).var(0, unbiased=False).rsqrt()
        windows = nn.functional.unfold(both[:, None], 3, padding=1, stride=2)
        return both, rolled, parts, windows, looked


class _Attention(nn.Module):
    """Attention of four query heads to two, with a mask."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = x[:, :4], x[:, 4:6], x[:, 6:]
        mask = torch.ones(5, 5, dtype=torch.bool).tril()
        return nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, enable_gqa=True
        )


def _images() -> Network:
    layers = [
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU()),
        *(nn.ConvTranspose2d(8, 6, 3, 2, 1, 1, groups=2), nn.GroupNorm(3, 6), nn.PReLU(6)),
        *(nn.Upsample(scale_factor=2, mode="bilinear"), nn.InstanceNorm2d(6, affine=True)),
        *(nn.AvgPool2d(4), nn.Mish(), nn.Flatten(), nn.Linear(384, 10), nn.LayerNorm(10)),
        *(nn.ELU(), nn.Softmax(-1)),
    ]
    return nn.Sequential(*layers), (_image(8),), {}


def _volumes() -> Network:
    layers = [nn.Conv3d(3, 4, 3, padding=1, bias=False), nn.BatchNorm3d(4), nn.ReLU()]
    layers += [nn.MaxPool3d(2), nn.ConvTranspose3d(4, 2, 2, 2)]
    return nn.Sequential(*layers), (torch.randn(1, 3, 4, 8, 8),), {}


#: Small networks that are exported with their weights, inputs and outputs.
CASES: dict[str, Callable[[], Network]] = {
    "images": _images,
    "volumes": _volumes,
    "lstm": lambda: (nn.LSTM(4, 6, 2, bidirectional=True), (torch.randn(5, 1, 4),), {}),
    "gru": lambda: (nn.GRU(4, 6, batch_first=True), (torch.randn(2, 3, 4),), {}),
    "transformer": lambda: (
        nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
        (torch.randn(1, 5, 8), torch.randn(1, 4, 8)),
        {},
    ),
    "attention": lambda: (_Attention(), (torch.randn(1, 8, 5, 4),), {}),
    "functions": lambda: (_Functions(), (torch.randn(2, 6),), {}),
}
