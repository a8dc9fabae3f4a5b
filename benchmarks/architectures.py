"""Vision architectures from transformers, with random weights: nothing is downloaded.

Every function is a factory as edgecut's loader takes one: an ``nn.Module`` of one image. Sizes are
the configurations' defaults, or those of a small published variant; 1,000 categories.
"""

from __future__ import annotations

from typing import Any

LABELS = 1000
# Factory -> input size.
IMAGES = {
    "resnet50": 64,
    "regnet": 64,
    "bit": 64,
    "mobilenet_v1": 96,
    "mobilenet_v2": 96,
    "efficientnet_b0": 96,
    "convnext": 64,
    "poolformer_s12": 64,
    "vit_tiny": 96,
    "swin_tiny": 128,
    "pvt_tiny": 64,
    "levit_128s": 96,
    "mobilevit_xs": 64,
    "segformer_b0": 64,
    "yolos_tiny": 96,
}


def _built(architecture: str, task: str = "ImageClassification", **settings: Any) -> Any:
    import torch
    import transformers

    class OneImage(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> Any:
            found = self.network(pixel_values=image)
            # What no output shows would be left out of the ONNX file.
            boxes = getattr(found, "pred_boxes", None)
            return found.logits if boxes is None else (found.logits, boxes)

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(num_labels=LABELS, **settings)
    return OneImage(getattr(transformers, f"{architecture}For{task}")(config)).eval()


def resnet50() -> Any:
    """Bottlenecks (He et al. 2016)."""
    return _built("ResNet")


def regnet() -> Any:
    """Grouped convolutions and squeeze-excitation (Radosavovic et al. 2020)."""
    return _built("RegNet")


def bit() -> Any:
    """Weight-standardised convolutions and group normalisation (Kolesnikov et al. 2020)."""
    return _built("Bit", depths=[1, 1, 1, 1])


def mobilenet_v1() -> Any:
    """Depthwise and pointwise convolutions (Howard et al. 2017)."""
    return _built("MobileNetV1")


def mobilenet_v2() -> Any:
    """Inverted residuals (Sandler et al. 2018)."""
    return _built("MobileNetV2")


def efficientnet_b0() -> Any:
    """Inverted residuals with squeeze-excitation (Tan and Le 2019)."""
    scale = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280}
    return _built("EfficientNet", **scale)


def convnext() -> Any:
    """7x7 depthwise convolutions, layer normalisation, linear layers (Liu et al. 2022)."""
    return _built("ConvNext")


def poolformer_s12() -> Any:
    """Pooling in the place of attention (Yu et al. 2022)."""
    return _built("PoolFormer")


def vit_tiny() -> Any:
    """The plain vision transformer (Dosovitskiy et al. 2021; the size: Touvron et al. 2021)."""
    return _built("ViT", **_tiny(), image_size=IMAGES["vit_tiny"])


def swin_tiny() -> Any:
    """Attention in shifted windows (Liu et al. 2021); its fused attention cannot be exported."""
    size = IMAGES["swin_tiny"]
    return _built("Swin", image_size=size, window_size=4, attn_implementation="eager")


def pvt_tiny() -> Any:
    """A pyramid of attention with reduced keys and values (Wang et al. 2021)."""
    return _built("Pvt", image_size=IMAGES["pvt_tiny"])


def levit_128s() -> Any:
    """Attention as batch-normalised linear layers (Graham et al. 2021)."""
    return _built("Levit", image_size=IMAGES["levit_128s"])


def mobilevit_xs() -> Any:
    """Inverted residuals and transformers in turn (Mehta and Rastegari 2022)."""
    return _built("MobileViT", image_size=IMAGES["mobilevit_xs"])


def segformer_b0() -> Any:
    """A segmenter: a transformer's pyramid, resized and fused (Xie et al. 2021)."""
    return _built("Segformer", "SemanticSegmentation")


def yolos_tiny() -> Any:
    """A detector: a vision transformer with detection tokens (Fang et al. 2021)."""
    size = IMAGES["yolos_tiny"]
    return _built("Yolos", "ObjectDetection", **_tiny(), image_size=[size, size])


def _tiny() -> dict[str, int]:
    return {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
