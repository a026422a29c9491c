"""Every network in its weight-normalised form: which layers are wrapped, and their gains."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.initializers import gammas
from keras_reinit.layers import WeightNormalization
from tests.backbones.networks import NETWORKS


@pytest.fixture(autouse=True, scope="module")
def _shapes_only():
    """Networks made in this file have weights with shapes, and no values unless they are read."""
    with keras.StatelessScope(initialize_variables=False):
        yield


@pytest.mark.parametrize("build", [*(each for each, _ in NETWORKS.values()), kr.backbones.scnn])
def test_every_hidden_kernel_of_the_networks_for_images(build):
    plain, model = (build((8, 8, 3), classes=3, norm=norm) for norm in (None, "weight"))
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    for one, other in zip(plain.layers, model.layers, strict=True):
        is_hidden = hasattr(one, "kernel") and one.name != "head"
        assert isinstance(other, WeightNormalization) == is_hidden
        if is_hidden:
            assert other.layer.get_config() == one.get_config()
            assert other.layer.use_bias
    found = gammas(model)
    hidden = [layer for layer in model.layers if isinstance(layer, WeightNormalization)]
    assert set(found) == set(hidden)


@pytest.mark.parametrize("norm", ["weight", "batch", "group"])
def test_hidden_layers_of_mlp(norm):
    model = kr.backbones.mlp((7,), classes=3, hidden=(5, 4), norm=norm)
    layers = {
        "weight": ("dense", "out"),
        "batch": ("dense", "norm", "out"),
        "group": ("dense", "norm", "out"),
    }
    expected = [f"block{k}_{layer}" for k in (1, 2) for layer in layers[norm]]
    assert [layer.name for layer in model.layers] == ["input", *expected, "head"]
    wrapped = [layer.name for layer in model.layers if isinstance(layer, WeightNormalization)]
    assert wrapped == (["block1_dense", "block2_dense"] if norm == "weight" else [])
    assert [len(block.layers) for block in kr.ReinitModel(model).blocks] == [len(layers[norm])] * 2


def test_unknown_norm_of_mlp_is_named():
    with pytest.raises(ValueError, match="one of .*'group'.* Received: norm='layer'"):
        kr.backbones.mlp((7,), classes=3, norm="layer")


def test_gammas_of_a_deep_mlp():
    model = kr.backbones.mlp((7,), classes=3, hidden=(4,) * 200, norm="weight")
    assert list(gammas(model).values()) == [2.0] * 200


@pytest.mark.parametrize("norm", ["weight", "batch"])
def test_weight_decay_is_on_every_kernel(norm):
    for build in (kr.backbones.cifar_resnet, kr.backbones.plain_cnn, kr.backbones.wide_resnet):
        depth = {"wide_resnet": 10}.get(build.__name__, 8)
        model = build((8, 8, 3), 3, norm, dropout=0.2, weight_decay=0.1, depth=depth, width=0.25)
        kernels = [weight for weight in model.weights if weight.name == "kernel"]
        assert [weight for weight in model.weights if weight.regularizer] == kernels
        np.testing.assert_allclose([float(each.regularizer.l2) for each in kernels], 0.1)
        assert [layer.name for layer in model.layers][-2:] == ["dropout", "head"]
