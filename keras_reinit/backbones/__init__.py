"""Networks of the papers as plain Functional models whose blocks end in layers `block<k>_out`."""

from keras_reinit.backbones.mlp import mlp
from keras_reinit.backbones.mobilenet import mobilenet
from keras_reinit.backbones.resnet50 import resnet50
from keras_reinit.backbones.scnn import scnn
from keras_reinit.backbones.vgg16 import vgg16

__all__ = ["mlp", "mobilenet", "resnet50", "scnn", "vgg16"]
