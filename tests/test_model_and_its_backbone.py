"""A ReinitModel keeps what its backbone is, or says what it cannot keep and what to do."""

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def parts(count=2):
    hidden = [layers.Dense(8, "relu", name=f"d{i + 1}") for i in range(count)]
    return [keras.Input((8,)), *hidden, layers.Dense(3, name="head")]


def plain():
    return keras.Sequential(parts(), name="net")


def graph():
    inputs, *rest = parts()
    x = inputs
    for layer in rest:
        x = layer(x)
    return inputs, x


# -- Inputs ---------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("backbone")
class AddIfThere(layers.Layer):
    def call(self, a, b=None):
        return a if b is None else a + b

    def compute_output_shape(self, a_shape, b_shape=None):
        return a_shape


def with_optional_input():
    a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b", optional=True)
    x = layers.Dense(8, "relu")(layers.Dense(8, "relu")(AddIfThere()(a, b)))
    return keras.Model({"a": a, "b": b}, layers.Dense(3)(x))


def test_an_optional_input_stays_optional(rng, tmp_path):
    backbone = with_optional_input()
    model = kr.ReinitModel(backbone)
    x = rng.normal(size=(16, 8)).astype("float32")
    for data in ({"a": x, "b": None}, {"a": x, "b": x}):
        np.testing.assert_array_equal(numpy(model(data)), numpy(backbone(data)))
        model.calibrate(0, data)
        model.reinitialize(seed=0)
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    data = {"a": x, "b": None}
    np.testing.assert_array_equal(numpy(model(data)), numpy(twin(data)))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4},
        {"dtype": "float16"},
        {"name": "given"},
        {},
        pytest.param(
            {"sparse": True},
            marks=pytest.mark.backends("tensorflow", "jax", reason="sparse tensors"),
        ),
    ],
    ids=str,
)
def test_an_input_stays_what_it_is(options):
    inputs = keras.Input((8,), **options)
    backbone = keras.Model(inputs, layers.Dense(2)(layers.Dense(4, "relu")(inputs)))
    own = kr.ReinitModel(backbone).layers[0].get_config()
    assert own == backbone.layers[0].get_config()


def test_inputs_in_a_structure_of_structures(rng):
    a, b, c = (keras.Input((4,), name=name) for name in "abc")
    x = layers.Dense(4, "relu")(layers.Concatenate()([c, a, b]))
    backbone = keras.Model({"pair": [a, b], "one": {"c": c}}, layers.Dense(2)(x))
    model = kr.ReinitModel(backbone)
    data = [rng.normal(size=(8, 4)).astype("float32") for _ in range(3)]
    data = {"pair": data[:2], "one": {"c": data[2]}}
    np.testing.assert_array_equal(numpy(model(data)), numpy(backbone(data)))
    model.calibrate(0, data)


def test_a_nested_model_that_is_called_by_name(rng):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = keras.Model([a, b], layers.Dense(4, "relu", name="in")(layers.Subtract()([a, b])))
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    x = layers.Dense(4, "relu", name="out")(inner({"b": one, "a": two}))
    backbone = keras.Model([one, two], layers.Dense(2)(x))
    data = [rng.normal(size=(8, 4)).astype("float32") for _ in range(2)]
    np.testing.assert_array_equal(numpy(kr.ReinitModel(backbone)(data)), numpy(backbone(data)))


# -- More than a graph ----------------------------------------------------------------------------


def own(**methods):
    return type("Own", (keras.Model,), methods)(*graph())


@pytest.mark.parametrize(
    "name", ["train_step", "test_step", "compute_loss", "call", "predict_step", "fit"]
)
def test_methods_of_its_own_are_refused_by_name(name):
    def method(self, *args, **kwargs):
        return getattr(keras.Model, name)(self, *args, **kwargs)

    if name == "call":

        def method(self, inputs, training=None):
            return keras.ops.tanh(keras.Model.call(self, inputs, training))

    with pytest.raises(ValueError, match=rf"'{name}'\].*subclass of ReinitModel"):
        kr.ReinitModel(own(**{name: method}))


def test_weights_beside_the_graph_are_refused_by_name():
    model = own()
    model.projection = layers.Dense(2, name="projection")
    model.projection.build((None, 3))
    with pytest.raises(ValueError, match=r"beside it.*'projection/kernel'.*subclass"):
        kr.ReinitModel(model)


def test_the_way_out_leads_out(rng):
    seen = []

    class Own(kr.ReinitModel):
        def train_step(self, *args, **kwargs):
            seen.append(1)
            return super().train_step(*args, **kwargs)

    model = Own(keras.Model(*graph()))
    model.compile("sgd", "mse")
    model.fit(rng.normal(size=(8, 8)), np.zeros((8, 3)), verbose=0)
    assert seen
    assert len(model.blocks) == 2


def test_a_nested_model_with_a_call_of_its_own_keeps_it(rng):
    class Negated(keras.Model):
        def call(self, inputs, training=None):
            return -super().call(inputs, training=training)

    inner_inputs = keras.Input((8,))
    inner = Negated(inner_inputs, layers.Dense(8, "relu", name="inside")(inner_inputs))
    inputs = keras.Input((8,))
    x = layers.Dense(8, "relu", name="outside")(inner(inputs))
    backbone = keras.Model(inputs, layers.Dense(3, name="head")(x))
    x = rng.normal(size=(8, 8)).astype("float32")
    model = kr.ReinitModel(backbone)
    np.testing.assert_array_equal(numpy(model(x)), numpy(backbone(x)))
    assert [layer.name for layer in model.blocks[0].layers] == [inner.name]


def test_wrapping_leaves_nothing_on_the_layers_but_the_model():
    backbone = plain()
    before = len(backbone.layers[0]._inbound_nodes)
    kr.ReinitModel(backbone)
    assert len(backbone.layers[0]._inbound_nodes) == before + 1


# -- A new head, and norms by name ----------------------------------------------------------------


def test_a_new_head_on_old_features(rng, tmp_path):
    old = kr.ReinitModel(plain())
    norms = old.init_norms
    old.get_layer("d1").kernel.assign(old.get_layer("d1").kernel * 3)
    grown = keras.Model(old.input, layers.Dense(5, name="head5")(old.layers[-2].output))
    with pytest.raises(ValueError, match=r"Expected ReinitModel\(model, norms=old.init_norms\)"):
        kr.ReinitModel(grown)
    model = kr.ReinitModel(grown, norms=norms)
    assert [block.name for block in model.blocks] == ["block1", "block2"]
    assert model.init_norms["d1/kernel"] == pytest.approx(norms["d1/kernel"])
    new_head = np.linalg.norm(numpy(model.get_layer("head5").kernel))
    assert model.init_norms["head5/kernel"] == pytest.approx(new_head)
    kr.apply(model, kr.methods.Layerwise(), data=rng.normal(size=(32, 8)), seed=0)
    kernel = numpy(model.get_layer("d1").kernel)
    assert np.linalg.norm(kernel) == pytest.approx(norms["d1/kernel"], rel=1e-5)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").init_norms == model.init_norms


def changed_later(model, how):
    if how == "lora":
        model.get_layer("d1").enable_lora(2)
    else:
        model.get_layer("d2").quantize("int8")
    return model


@pytest.mark.parametrize("how", ["lora", "int8"])
def test_what_changes_the_weights_later_leaves_a_file_that_loads(how, tmp_path, rng):
    model = changed_later(kr.ReinitModel(plain()), how)
    norms = model.init_norms
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    assert twin.init_norms.items() <= norms.items()
    x = rng.normal(size=(4, 8)).astype("float32")
    np.testing.assert_array_equal(numpy(model(x)), numpy(twin(x)))
    name = "d1" if how == "lora" else "d2"
    before = model.get_weights()
    with pytest.raises(ValueError, match=name):
        kr.apply(model, kr.methods.Layerwise(), data=x, seed=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_of_before_without_names_loads(tmp_path):
    model, twin = kr.ReinitModel(plain()), kr.ReinitModel(plain())
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        del file["vars"]["norm_names"]
    twin.load_weights(tmp_path / "m.weights.h5")
    assert twin.init_norms == model.init_norms


# -- Precision and channels -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16", "float64"])
def test_a_normalisation_computes_in_the_precision_of_what_it_normalises(policy, rng):
    hidden = [layers.Dense(8, "relu", dtype=policy) for _ in range(2)]
    backbone = keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(3, dtype=policy)])
    model = kr.ReinitModel(backbone)
    x = rng.normal(size=(8, 8)) * 100
    np.testing.assert_array_equal(numpy(model(x)), numpy(backbone(x)))
    expected = keras.DTypePolicy(policy).compute_dtype
    assert {block.normalization.compute_dtype for block in model.blocks} == {expected}


def test_raw_operations_before_a_normalisation(rng):
    inputs = keras.Input((8,), dtype="float64")
    x = keras.ops.relu(layers.Dense(8, dtype="float64")(inputs))
    backbone = keras.Model(inputs, layers.Dense(3, dtype="float64")(x))
    x = rng.normal(size=(8, 8))
    np.testing.assert_array_equal(numpy(kr.ReinitModel(backbone)(x)), numpy(backbone(x)))


def test_channels_first(rng):
    options = {"padding": "same", "activation": "relu", "data_format": "channels_first"}
    convolutions = [layers.Conv2D(4, 3, **options) for _ in range(2)]
    dense = [layers.Flatten(), layers.Dense(5, "relu"), layers.Dense(3)]
    backbone = keras.Sequential([keras.Input((1, 8, 8)), *convolutions, *dense])
    model = kr.ReinitModel(backbone, axis=-1)
    normalization = model.blocks[0].normalization
    assert normalization.axis == 1
    assert normalization.mean.shape == (4,)
    x = rng.normal(size=(16, 1, 8, 8)).astype("float32")
    model.calibrate(0, x)
    z = numpy(convolutions[0](x))
    np.testing.assert_allclose(numpy(normalization.mean), z.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(numpy(normalization.stddev), z.std((0, 2, 3)), rtol=1e-4)
    y = numpy(normalization(z))
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, rtol=1e-3)
