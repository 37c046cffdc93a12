"""Preprocessing of the well-known training recipes, by name."""

from __future__ import annotations

from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.preprocess import Preprocess
from pyq8.registry import Registry

PRESETS: Registry[Preprocess] = Registry("preset")

for _preset in (
    # torchvision, timm, most ONNX classifiers
    Preprocess(
        "imagenet",
        resize=256,
        crop=(224, 224),
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    # TensorFlow slim: Inception v3 and v4, MobileNet
    Preprocess("inception", resize=342, crop=(299, 299), mean=(127.5,), std=(127.5,)),
    # TensorFlow Lite
    Preprocess("efficientnet-lite", resize=256, crop=(224, 224), mean=(127.0,), std=(128.0,)),
    # Caffe's model zoo: VGG, the first ResNets
    Preprocess("caffe", color="bgr", resize=256, crop=(224, 224), mean=(103.939, 116.779, 123.68)),
    # torchvision's SSD300
    Preprocess("ssd", stretch=(300, 300), mean=(123.0, 117.0, 104.0)),
    # Ultralytics: YOLOv5, v8, 11 and later
    Preprocess("yolo", letterbox=(640, 640), pad_color=(114.0,), scale=1 / 255),
    # Megvii's YOLOX: pixels 0..255, the image in the corner
    Preprocess("yolox", color="bgr", letterbox=(640, 640), pad_color=(114.0,), pad_at="end"),
    # the PyTorch RetinaFace; its mean is what it sees around an image
    Preprocess(
        "retinaface",
        color="bgr",
        letterbox=(640, 640),
        pad_color=(104.0, 117.0, 123.0),
        pad_at="end",
        mean=(104.0, 117.0, 123.0),
    ),
    # PaddleOCR's detector of text: ImageNet's numbers on BGR
    Preprocess(
        "paddleocr-det",
        color="bgr",
        long_side=960,
        multiple=32,
        fill="stretch",
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    # PaddleOCR's recognizer: a line of text, short ones padded with what becomes 0
    Preprocess(
        "paddleocr-rec",
        color="bgr",
        height=48,
        min_width=320,
        max_width=3200,
        pad_color=(127.5,),
        pad_at="end",
        scale=1 / 255,
        mean=(0.5,),
        std=(0.5,),
    ),
    # torchvision's FCN, DeepLabv3 and LR-ASPP, whose images keep their sides; here every image has one size
    Preprocess(
        "torchvision-segmentation",
        resize=520,
        crop=(520, 520),
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    # pixels 0..255, for models that normalize inside
    Preprocess("raw"),
):
    PRESETS.register(_preset.name)(_preset)


def guess(spec: InputSpec) -> Preprocess:
    """The likeliest preset for a model's input; only a guess, so the caller warns.

    uint8 pixels: raw. 299 pixels: inception. Everything else: imagenet.
    """
    if spec.dtype == "uint8":
        return PRESETS.get("raw")
    # axis 2 is the height in NCHW and the width in NHWC
    is_299 = len(spec.shape) == 4 and spec.shape[2] == 299
    return PRESETS.get("inception" if is_299 else "imagenet")
