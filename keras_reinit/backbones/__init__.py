"""Networks of the papers as plain Functional models whose blocks end in layers `block<k>_out`."""

from keras_reinit.backbones.birnn import birnn
from keras_reinit.backbones.cifar_resnet import cifar_resnet
from keras_reinit.backbones.impala import impala
from keras_reinit.backbones.mlp import mlp
from keras_reinit.backbones.mobilenet import mobilenet
from keras_reinit.backbones.plain_cnn import plain_cnn
from keras_reinit.backbones.resnet18 import preact_resnet18, resnet18
from keras_reinit.backbones.resnet50 import resnet50
from keras_reinit.backbones.scnn import scnn
from keras_reinit.backbones.vgg16 import vgg16
from keras_reinit.backbones.wide_resnet import wide_resnet

__all__ = [
    "birnn",
    "cifar_resnet",
    "impala",
    "mlp",
    "mobilenet",
    "plain_cnn",
    "preact_resnet18",
    "resnet18",
    "resnet50",
    "scnn",
    "vgg16",
    "wide_resnet",
]
