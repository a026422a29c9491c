"""The networks that the tests of this room run over."""

import functools

import keras
import pytest

import keras_reinit as kr

full_mobilenet = functools.partial(kr.backbones.mobilenet, depth="full")
narrow_resnet18 = functools.partial(kr.backbones.resnet18, width=0.25)
narrow_preact_resnet18 = functools.partial(kr.backbones.preact_resnet18, width=0.25)

# How it is made, and its number of blocks.
NETWORKS = {
    "vgg16": (kr.backbones.vgg16, 13),
    "mobilenet": (kr.backbones.mobilenet, 7),
    "full mobilenet": (full_mobilenet, 14),
    "resnet50": (kr.backbones.resnet50, 16),
    "resnet18": (narrow_resnet18, 8),
    "preact_resnet18": (narrow_preact_resnet18, 8),
}
all_networks = pytest.mark.parametrize(
    "build", [build for build, _ in NETWORKS.values()], ids=list(NETWORKS)
)
all_networks_and_blocks = pytest.mark.parametrize(
    ("build", "blocks"), NETWORKS.values(), ids=list(NETWORKS)
)

# How it is made, its normalisation in the standard network, that network, and its blocks' ends.
standard_networks = pytest.mark.parametrize(
    ("build", "norm", "standard", "ends"),
    [
        (kr.backbones.vgg16, None, keras.applications.VGG16, r"block\d_conv\d"),
        (full_mobilenet, "batch", keras.applications.MobileNet, r"conv1_relu|conv_pw_\d+_relu"),
        (kr.backbones.resnet50, "batch", keras.applications.ResNet50, r"conv\d_block\d_out"),
    ],
    ids=["vgg16", "mobilenet", "resnet50"],
)
