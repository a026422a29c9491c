"""Networks that others have written: those of KerasHub from a config, and of keras.applications."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.weights.select import list_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.backends("tensorflow", reason="what it says is the same on all"),
    # Keras's own, of attention on a mask that it makes itself.
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning"),
]
LETTERS = tuple(kr.methods.METHODS)


def hub(build):
    module = pytest.importorskip("keras_hub", reason="the extra `hub` is not installed")
    return build(module.models)


def tokens(models):
    return {
        "token_ids": np.random.default_rng(0).integers(1, 20, (4, 6)),
        "padding_mask": np.ones((4, 6), "int32"),
    }


def bert(models):
    backbone = models.BertBackbone(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=6,
    )
    return backbone, {**tokens(models), "segment_ids": np.zeros((4, 6), "int32")}


def gpt2(models):
    backbone = models.GPT2Backbone(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=6,
    )
    return backbone, tokens(models)


def vit(models):
    backbone = models.ViTBackbone(
        image_shape=(8, 8, 3),
        patch_size=(4, 4),
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    return backbone, images(8)


def resnet(models):
    backbone = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(16, 16, 3),
    )
    return backbone, images(16)


def images(size):
    return np.random.default_rng(0).normal(size=(4, size, size, 3)).astype("float32")


def with_head(backbone, data):
    """A classifier on the features of a backbone."""
    outputs = backbone.output
    if isinstance(outputs, dict):
        outputs = outputs["sequence_output"]
    pooling = {
        3: keras.layers.GlobalAveragePooling1D,
        4: keras.layers.GlobalAveragePooling2D,
    }[len(outputs.shape)]
    head = keras.layers.Dense(3, name="classes")(pooling(name="pooled")(outputs))
    return keras.Model(backbone.input, head), data


HUB = {"BERT": bert, "GPT-2": gpt2, "ViT": vit, "ResNet": resnet}
APPLICATIONS = {
    "VGG16": 32,
    "ResNet50V2": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "DenseNet121": 32,
    "EfficientNetB0": 32,
    "Xception": 71,
    "ConvNeXtTiny": 32,
}


def application(name):
    size = APPLICATIONS[name]
    kind = getattr(keras.applications, name)
    return kind(weights=None, input_shape=(size, size, 3), classes=3), images(size)


def make(name):
    keras.utils.clear_session()
    if name in APPLICATIONS:
        return application(name)
    return with_head(*hub(HUB[name]))


def apply(model, letters, x):
    method = kr.methods.get(letters)
    data = (x, np.zeros(4, "int32")) if method.needs_targets else x
    return kr.apply(model, method, data=data if method.needs_data else None, seed=0)


@pytest.mark.parametrize("name", [*HUB, *APPLICATIONS])
def test_methods_and_files(name, tmp_path):
    model, x = make(name)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert {id(w.variable) for w in list_weights(model) if not w.statistic} >= set(
        map(id, model.trainable_variables)
    )
    for letters in LETTERS:
        if letters == "FC" and name == "MobileNetV3Small":  # its head is a convolution
            with pytest.raises(ValueError, match="'MobileNetV3Small' has 0 dense layers"):
                apply(model, letters, x)
        elif letters != "LW":
            assert apply(model, letters, x) > 0 or letters == "BL"
    before = [v.numpy() for v in model.trainable_variables]
    kr.shrink_perturb(model, 0.5, 0.1, seed=1)
    same = [
        v.path
        for v, b in zip(model.trainable_variables, before, strict=True)
        if b.any() and np.array_equal(v.numpy(), b)
    ]
    assert same == []
    expected = model.predict(x, verbose=0)
    wrapped = kr.ReinitModel(model)
    np.testing.assert_array_equal(wrapped.predict(x, verbose=0), expected)
    apply(wrapped, "LW", x)
    if name == "ViT":  # Keras cannot revive its first layer from the config that it gives
        wrapped.save_weights(tmp_path / "model.weights.h5")
        twin = kr.ReinitModel(make(name)[0])
        twin.load_weights(tmp_path / "model.weights.h5")
    else:
        wrapped.save(tmp_path / "model.keras")
        twin = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(wrapped.predict(x, verbose=0), twin.predict(x, verbose=0))
    assert twin.init_norms == wrapped.init_norms
