"""Architectures from transformers, small, with random weights: nothing is downloaded.

Each name of ``TABLE`` is a factory as edgecut's loader takes one,
``benchmarks.zoo.architectures:vit``. Widths and depths are cut down, so that hundreds of runs take
minutes; the structure is the authors'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.zoo.settled import settled

CATEGORIES = 12
IMAGE = (1, 3, 64, 64)
LARGER = (1, 3, 128, 128)  # of what would end with a single place, for which attention is idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model of transformers: class names without ``Config``, settings, and where categories lie.

    ``backbone`` is the configuration of another one, by name. ``slots`` is what follows the
    output's name in ``--slots``, of each output that has categories, and ``outputs`` what the
    outputs are called, where they are not the scores and the boxes or masks.
    """

    config: str
    task: str = "ImageClassification"
    settings: Mapping[str, Any] = field(default_factory=dict)
    backbone: str | None = None
    image: tuple[int, ...] = IMAGE
    takes: str = "pixel_values"
    slots: str = f"1:{CATEGORIES}"
    outputs: tuple[str, ...] = ()
    family: str = "classifier"
    categories: int = CATEGORIES


STAGES = [f"stage{i}" for i in range(1, 5)]
DEPTHS = {"depths": [1, 1, 1, 1]}
WIDTHS = {"hidden_sizes": [16, 24, 32, 48], **DEPTHS}
TRANSFORMER = {"hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 96}
VIT = {**TRANSFORMER, "num_hidden_layers": 2, "image_size": 64}
SWIN = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "image_size": 64, "window_size": 4}
PYRAMID = {**SWIN, **DEPTHS, "num_heads": [1, 2, 2, 4], "out_features": STAGES}
EAGER = {"attn_implementation": "eager"}  # its fused attention cannot be exported
DECODER = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 9,
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 48 for side in ("encoder", "decoder")},
}
RT_DETR = {
    **DECODER,
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [24, 32, 48],
    "decoder_in_channels": [32, 32, 32],
    "hidden_expansion": 0.5,
    "num_denoising": 0,
}
SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_feat_extract_layers": 3,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": CATEGORIES,
}
HGNET = {
    "embedding_size": 8,
    "hidden_sizes": [16, 24, 32, 48],
    "stem_channels": [3, 8, 8],
    "stage_in_channels": [8, 16, 24, 32],
    "stage_mid_channels": [8, 12, 16, 24],
    "stage_out_channels": [16, 24, 32, 48],
    "stage_numb_of_layers": [2, 2, 2, 2],
}
RESNET = {**WIDTHS, "embedding_size": 16, "layer_type": "basic"}
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNet", {**RESNET, "out_features": STAGES[3:]}),
    "rt_resnet": ("RTDetrResNet", {**RESNET, "out_features": STAGES[1:]}),
    "convnext": ("ConvNext", {**WIDTHS, "out_features": STAGES}),
    "swin": ("Swin", PYRAMID),
}


def _detector(config: str, backbone: str, **settings: Any) -> Architecture:
    slots, outputs = settings.pop("slots", f"2:{CATEGORIES}+1"), settings.pop("outputs", ())
    return Architecture(
        config=config,
        task=settings.pop("task", "ObjectDetection"),
        settings=settings,
        backbone=backbone,
        slots=slots,
        outputs=outputs,
        family="detector",
    )


def _segmenter(config: str, **settings: Any) -> Architecture:
    backbone, image = settings.pop("backbone", None), settings.pop("image", IMAGE)
    return Architecture(
        config=config,
        task="SemanticSegmentation",
        settings=settings,
        backbone=backbone,
        image=image,
        family="segmenter",
    )


def _speech(config: str) -> Architecture:
    return Architecture(
        config=config,
        task="CTC",
        settings=SPEECH,
        image=(1, 2000),
        takes="input_values",
        slots=f"2:1+{CATEGORIES - 1}",
        family="recogniser",
        categories=CATEGORIES - 1,
    )


def _classifier(config: str, **settings: Any) -> Architecture:
    image = settings.pop("image", IMAGE)
    return Architecture(config=config, settings=settings, image=image)


def _dino(config: str) -> Architecture:
    settings = {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 2}
    return _classifier(config, **settings, image_size=56, patch_size=14, image=(1, 3, 56, 56))


TABLE: dict[str, Architecture] = {
    "resnet_basic": _classifier("ResNet", **RESNET),
    "resnet_bottleneck": _classifier("ResNet", **WIDTHS, embedding_size=16),
    "regnet_x": _classifier("RegNet", **WIDTHS, embedding_size=16, groups_width=8, layer_type="x"),
    "regnet_y": _classifier("RegNet", **WIDTHS, embedding_size=16, groups_width=8),
    "bit": _classifier(
        "Bit", **DEPTHS, hidden_sizes=[32, 32, 64, 64], embedding_size=16, num_groups=8
    ),
    "convnext": _classifier("ConvNext", **WIDTHS),
    "convnext_v2": _classifier("ConvNextV2", **WIDTHS),
    "mobilenet_v1": _classifier("MobileNetV1", depth_multiplier=0.25),
    "mobilenet_v2": _classifier("MobileNetV2", depth_multiplier=0.35),
    "efficientnet": _classifier(
        "EfficientNet",
        width_coefficient=0.25,
        depth_coefficient=0.3,
        hidden_dim=320,
        pooling_type="max",
    ),
    "textnet": _classifier("TextNet", hidden_sizes=[8, 12, 16, 24, 32], stem_out_channels=8),
    "hgnet_v2": _classifier("HGNetV2", **HGNET),
    "poolformer": _classifier("PoolFormer", **WIDTHS),
    "vit": _classifier("ViT", **VIT),
    "deit": _classifier("DeiT", **VIT),
    "vit_msn": _classifier("ViTMSN", **VIT),
    "ijepa": _classifier("IJepa", **VIT, patch_size=16),
    "dinov2": _dino("Dinov2"),
    "dinov2_registers": _dino("Dinov2WithRegisters"),
    "beit": _classifier("Beit", **VIT, **EAGER, use_relative_position_bias=True),
    "data2vec_vision": _classifier(
        "Data2VecVision", **VIT, **EAGER, use_relative_position_bias=True
    ),
    "swin": _classifier("Swin", **SWIN, **EAGER),
    "swin_v2": _classifier("Swinv2", **SWIN),
    "donut_swin": _classifier("DonutSwin", **SWIN),
    "focalnet": _classifier(
        "FocalNet", **DEPTHS, embed_dim=16, hidden_sizes=[16, 32, 48, 64], image_size=64
    ),
    "hiera": _classifier(
        "Hiera", **DEPTHS, embed_dim=16, num_heads=[1, 2, 2, 4], image_size=[64, 64]
    ),
    "pvt": _classifier(
        "Pvt",
        **DEPTHS,
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 2, 3, 4],
        image_size=64,
    ),
    "pvt_v2": _classifier(
        "PvtV2",
        **DEPTHS,
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 2, 3, 4],
        image_size=64,
    ),
    "levit": _classifier(
        "Levit",
        hidden_sizes=[32, 48, 64],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
        image_size=128,
        image=LARGER,
    ),
    "cvt": _classifier("Cvt", embed_dim=[16, 32, 48], num_heads=[1, 2, 3], depth=[1, 2, 3]),
    "mobilevit": _classifier(
        "MobileViT",
        hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 12, 16, 24, 32, 40, 80],
        image_size=128,
        image=LARGER,
    ),
    "mobilevit_v2": _classifier("MobileViTV2", width_multiplier=0.25, image_size=128, image=LARGER),
    "swiftformer": _classifier("SwiftFormer", **DEPTHS, embed_dims=[16, 24, 32, 48], image_size=64),
    "segformer_classifier": _classifier(
        "Segformer", **WIDTHS, num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=32
    ),
    "videomae": Architecture(
        config="VideoMAE",
        task="VideoClassification",
        settings={**VIT, "image_size": 32, "num_frames": 4},
        image=(1, 4, 3, 32, 32),
    ),
    "audio_spectrogram": Architecture(
        config="AST",
        task="AudioClassification",
        settings={**VIT, "max_length": 64, "num_mel_bins": 32},
        image=(1, 64, 32),
        takes="input_values",
        family="recogniser",
    ),
    "wav2vec2_ctc": _speech("Wav2Vec2"),
    "hubert_ctc": _speech("Hubert"),
    "wavlm_ctc": _speech("WavLM"),
    "segformer": _segmenter(
        "Segformer", **WIDTHS, num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=32
    ),
    "mobilevit_deeplab": _segmenter(
        "MobileViT",
        hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 12, 16, 24, 32, 40, 80],
        aspp_out_channels=24,
        image_size=128,
        image=LARGER,
    ),
    "mobilenet_v2_deeplab": _segmenter("MobileNetV2", depth_multiplier=0.35),
    "beit_segmenter": _segmenter(
        "Beit",
        **{**VIT, "num_hidden_layers": 4},
        **EAGER,
        out_indices=[1, 2, 3, 4],
        pool_scales=[1, 2],
    ),
    "dpt": _segmenter(
        "DPT",
        **{**VIT, "num_hidden_layers": 4},
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=24,
        is_hybrid=False,
        readout_type="project",
    ),
    "upernet_convnext": _segmenter(
        "UperNet",
        backbone="convnext",
        hidden_size=32,
        pool_scales=[1, 2],
        auxiliary_in_channels=32,
        auxiliary_channels=16,
    ),
    "upernet_swin": _segmenter(
        "UperNet",
        backbone="swin",
        hidden_size=32,
        pool_scales=[1, 2],
        auxiliary_in_channels=64,
        auxiliary_channels=16,
    ),
    "yolos": Architecture(
        config="Yolos",
        task="ObjectDetection",
        settings={**VIT, "image_size": [64, 64], "num_detection_tokens": 10},
        slots=f"2:{CATEGORIES}+1",
        family="detector",
    ),
    "detr": _detector("Detr", "resnet", **DECODER),
    "conditional_detr": _detector("ConditionalDetr", "resnet", **DECODER, slots=f"2:{CATEGORIES}"),
    "table_transformer": _detector("TableTransformer", "resnet", **DECODER),
    "rt_detr": _detector("RTDetr", "rt_resnet", **RT_DETR, slots=f"2:{CATEGORIES}"),
    "rt_detr_layers": _detector(
        "RTDetr",
        "rt_resnet",
        **RT_DETR,
        outputs=("logits", "intermediate_logits", "enc_outputs_class", "pred_boxes"),
        slots=f"2:{CATEGORIES} 3:{CATEGORIES} 2:{CATEGORIES}",
    ),
    "maskformer": _detector(
        "MaskFormer",
        "swin",
        task="InstanceSegmentation",
        fpn_feature_size=32,
        mask_feature_size=32,
        decoder_config={"model_type": "detr", "use_timm_backbone": False, **DECODER},
    ),
    "mask2former": _detector(
        "Mask2Former",
        "swin",
        task="UniversalSegmentation",
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=48,
        dim_feedforward=48,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        num_queries=9,
    ),
    "clip": Architecture(config="CLIP", settings={"vision_config": {**VIT, "patch_size": 16}}),
    "siglip": Architecture(config="Siglip", settings={"vision_config": {**VIT, "patch_size": 16}}),
}


def __getattr__(name: str) -> Callable[[], Any]:
    """A factory for each name of the table."""
    if name not in TABLE:
        raise AttributeError(name)
    return lambda: built(TABLE[name])


def built(one: Architecture) -> Any:
    """The network as a module of one image, settled."""
    import torch
    import transformers

    settings = dict(one.settings)
    if one.backbone is not None:
        kind, own = BACKBONES[one.backbone]
        settings["backbone_config"] = getattr(transformers, f"{kind}Config")(**own)
    torch.manual_seed(0)
    config = getattr(transformers, f"{one.config}Config")(num_labels=CATEGORIES, **settings)
    network = getattr(transformers, f"{one.config}For{one.task}")(config)
    if one.backbone == "swin":
        network.set_attn_implementation("eager")
    return settled(_of_one_image(network, one.takes, one.outputs), one.image)


def _of_one_image(network: Any, takes: str, outputs: tuple[str, ...]) -> Any:
    import torch

    class OneImage(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> Any:
            found = self.network(**{takes: image})
            if outputs:
                return tuple(found[name] for name in outputs)
            if hasattr(found, "class_queries_logits"):
                return found.class_queries_logits, found.masks_queries_logits
            boxes = getattr(found, "pred_boxes", None)
            return found.logits if boxes is None else (found.logits, boxes)

    return OneImage()
