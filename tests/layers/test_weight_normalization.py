"""g * v / ||v||, around any layer with a kernel, and nothing else."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_reinit.layers import WeightNormalization


def numpy(x):
    return ops.convert_to_numpy(x)


# Each: (make the layer, shape of one example, {kernel: axes summed over}).
CASES = {
    "dense": (lambda **o: layers.Dense(4, "relu", **o), (5,), {"kernel": 0}),
    "conv1d": (lambda **o: layers.Conv1D(4, 3, padding="causal", **o), (6, 3), {"kernel": (0, 1)}),
    "conv2d": (lambda **o: layers.Conv2D(4, 3, groups=2, **o), (5, 5, 4), {"kernel": (0, 1, 2)}),
    "conv3d": (lambda **o: layers.Conv3D(4, 2, **o), (3, 3, 3, 2), {"kernel": (0, 1, 2, 3)}),
    "transposed": (lambda **o: layers.Conv2DTranspose(4, 3, **o), (4, 4, 2), {"kernel": (0, 1, 3)}),
    "depthwise": (
        lambda **o: layers.DepthwiseConv2D(3, depth_multiplier=2, **o),
        (5, 5, 3),
        {"kernel": (0, 1)},
    ),
    "separable": (
        lambda **o: layers.SeparableConv2D(4, 3, **o),
        (5, 5, 3),
        {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2)},
    ),
    "einsum": (
        lambda **o: layers.EinsumDense("...a,bac->...bc", (3, 4), bias_axes="c", **o),
        (6, 5),
        {"kernel": 1},
    ),
    "simple_rnn": (
        lambda **o: layers.SimpleRNN(4, **o),
        (6, 5),
        {"kernel": 0, "recurrent_kernel": 0},
    ),
    "lstm": (
        lambda **o: layers.LSTM(4, return_sequences=True, **o),
        (6, 5),
        {"kernel": 0, "recurrent_kernel": 0},
    ),
    "gru": (lambda **o: layers.GRU(4, **o), (6, 5), {"kernel": 0, "recurrent_kernel": 0}),
}
every_layer = pytest.mark.parametrize("case", CASES)


def wrapped(case, rng, **options):
    """A weight-normalised layer in a model, all its weights random, and a batch."""
    make, shape, _ = CASES[case]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, WeightNormalization(make(name=case, **options))(inputs))
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model, rng.normal(size=(3, *shape)).astype("float32")


@every_layer
def test_the_layer_computes_with_the_normalised_kernels(case, rng):
    make, _, axes = CASES[case]
    model, x = wrapped(case, rng)
    weights = {weight.name: numpy(weight) for weight in model.weights}
    bare = make()
    bare.build((None, *x.shape[1:]))
    for weight in bare.weights:
        value = weights[weight.name]
        if weight.name in axes:
            norm = np.sqrt((value**2).sum(axis=axes[weight.name], keepdims=True))
            g = weights[weight.name.replace("kernel", "g")]
            value = g.reshape(norm.shape) * value / norm
        weight.assign(value)
    np.testing.assert_allclose(numpy(model(x)), numpy(bare(x)), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), numpy(bare(x)), rtol=2e-5, atol=2e-5)
    assert len(model.trainable_weights) == len(bare.trainable_weights) + len(axes)
    assert model.output_shape[1:] == bare(x).shape[1:]


@every_layer
def test_a_new_layer_computes_what_the_wrapped_one_does(case, rng):
    make, shape, _ = CASES[case]
    layer = make()
    x = rng.normal(size=(2, *shape)).astype("float32")
    before = numpy(layer(x))
    normalised = WeightNormalization(layer)
    np.testing.assert_allclose(numpy(normalised(x)), before, rtol=1e-5, atol=1e-6)
    assert normalised.name == layer.name


@every_layer
def test_length_of_v_means_nothing(case, rng):
    model, x = wrapped(case, rng)
    before = numpy(model(x))
    for weight in model.weights:
        if weight.name in CASES[case][2]:
            weight.assign(7 * weight.value)
    np.testing.assert_allclose(numpy(model(x)), before, rtol=2e-5, atol=2e-5)


@every_layer
def test_file_and_configuration(case, rng, tmp_path):
    model, x = wrapped(case, rng)
    model.layers[-1].gain_initializer = keras.initializers.Constant(3.0)
    model.save(tmp_path / "model.keras")
    revived = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(revived.predict(x, verbose=0), model.predict(x, verbose=0))
    clone = keras.models.clone_model(model)
    for weight in clone.weights:
        if weight.name.endswith("g"):
            np.testing.assert_array_equal(numpy(weight), 3.0)
    model.save_weights(tmp_path / "model.weights.h5")
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(numpy(clone(x)), numpy(model(x)))
    twin = WeightNormalization.from_config(model.layers[-1].get_config())
    assert twin.get_config() == model.layers[-1].get_config()


@pytest.mark.backends("tensorflow", reason="gradient tapes")
@pytest.mark.parametrize("case", ["dense", "conv2d", "depthwise", "einsum", "lstm"])
def test_gradients_are_those_of_finite_differences(case, rng):
    import tensorflow as tf

    keras.config.set_floatx("float64")
    try:
        options = {"activation": "tanh"} if case != "dense" else {}
        make, shape, _ = CASES[case]
        layer = WeightNormalization(make(dtype="float64", **options))
        x = rng.normal(size=(3, *shape))
        layer.build(x.shape)
        target = rng.normal(size=layer.compute_output_shape(x.shape))

        def loss():
            return ops.sum(target * layer(x))

        with tf.GradientTape() as tape:
            value = loss()
        weights = layer.trainable_weights
        gradients = tape.gradient(value, [weight.value for weight in weights])
        assert {weight.name for weight in weights} >= {"g", "kernel", "bias"}
        for weight, gradient in zip(weights, gradients, strict=True):
            direction, at = rng.normal(size=weight.shape), numpy(weight)
            losses = []
            for step in (1e-6, -1e-6):
                weight.assign(at + step * direction)
                losses.append(float(loss()))
            weight.assign(at)
            slope = (losses[0] - losses[1]) / 2e-6
            assert float(np.sum(numpy(gradient) * direction)) == pytest.approx(slope, rel=1e-6)
    finally:
        keras.config.set_floatx("float32")


def test_the_gradient_of_v_is_orthogonal_to_v(rng):
    model, x = wrapped("conv2d", rng)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    v = model.layers[-1].layer.kernel
    before = numpy(v)
    model.fit(x, 0 * model.predict(x, verbose=0), verbose=0)
    step = numpy(v) - before
    assert np.abs(step).max() > 1e-3
    along = (step * before).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(along, 0, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])  # a norm that float16 cannot hold
def test_the_norm_is_taken_in_single_precision(policy, scale, rng):
    layer = WeightNormalization(layers.Dense(3, use_bias=False, dtype=policy))
    x = rng.normal(size=(4, 2000)).astype("float32") / 50
    layer.build(x.shape)
    v = scale * rng.normal(size=(2000, 3))
    layer.layer.kernel.assign(v)
    layer.gains[0].assign([1.0, 2.0, 3.0])
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    held = numpy(ops.cast(layer.layer.kernel.value, "float32")).astype("float64")
    expected = x @ held / np.linalg.norm(held, axis=0) * [1.0, 2.0, 3.0]
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), expected, atol=0.03)


@pytest.mark.backends("tensorflow", "jax", reason="XLA")
def test_a_model_trains_in_mixed_precision_and_with_xla(blobs):
    keras.config.set_dtype_policy("mixed_float16")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            WeightNormalization(layers.Dense(8, "relu")),
            layers.Dense(3, dtype="float32"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], jit_compile=True)
    history = model.fit(*blobs, epochs=15, batch_size=32, verbose=0)
    assert history.history["accuracy"][-1] > 0.8
    assert [weight.dtype for weight in model.weights] == ["float32"] * 5


def test_replicas_and_one_device_agree(strategy, blobs):
    def network():
        return keras.Sequential(
            [keras.Input((6,)), WeightNormalization(layers.Dense(8, "relu")), layers.Dense(3)]
        )

    plain = network()
    with strategy.scope():
        spread = network()
    spread.set_weights(plain.get_weights())
    for model in (plain, spread):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        with strategy.scope() if model is spread else keras.name_scope("plain"):
            model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(*blobs, epochs=2, batch_size=96, shuffle=False, verbose=0)
    for one, other in zip(plain.get_weights(), spread.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.backends("tensorflow", reason="tf.saved_model")
def test_export(tmp_path, rng):
    import tensorflow as tf

    model, x = wrapped("conv2d", rng)
    model.export(str(tmp_path / "saved"), verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(numpy(saved.serve(x)), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("make", [layers.SimpleRNNCell, layers.GRUCell, layers.LSTMCell])
def test_recurrent_cells(make, rng):
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    cell = make(4)
    bare = layers.RNN(cell)
    expected = numpy(bare(x))
    network = layers.RNN(WeightNormalization(cell), return_state=True)
    output, *states = network(x)
    np.testing.assert_allclose(numpy(output), expected, rtol=1e-5, atol=1e-6)
    assert len(states) == (2 if make is layers.LSTMCell else 1)
    assert {"g", "recurrent_g"} <= {weight.name for weight in network.trainable_weights}
    stacked = layers.RNN([WeightNormalization(make(4)), WeightNormalization(make(3))])
    assert stacked(x).shape == (2, 3)


class Subclassed(keras.Model):
    """A model that is built when it is first trained."""

    def __init__(self):
        super().__init__()
        self.parts = [WeightNormalization(layers.Dense(4, "relu")), layers.Dense(3)]

    def call(self, x):
        return self.parts[1](self.parts[0](x))


@pytest.mark.parametrize("make", [Subclassed, lambda: keras.Sequential(Subclassed().parts)])
def test_a_model_that_is_built_in_fit(make, blobs):
    model = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    model.fit(*blobs, verbose=0)
    g, v = (numpy(weight) for weight in model.weights[:2])
    np.testing.assert_allclose(g, np.linalg.norm(v, axis=0), rtol=1e-6)


def test_a_stateful_layer_keeps_its_states(rng):
    layer = WeightNormalization(layers.LSTM(3, stateful=True))
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    first, second = numpy(layer(x)), numpy(layer(x))
    assert np.abs(first - second).max() > 1e-4
    layer.layer.reset_state()
    np.testing.assert_allclose(numpy(layer(x)), first, rtol=1e-6)


def test_everything_else_is_the_wrapped_layers(rng):
    inputs = keras.Input((4,), dtype="int32")
    x = layers.Embedding(5, 3, mask_zero=True)(inputs)
    lstm = layers.LSTM(2, activity_regularizer=keras.regularizers.L2(1.0), dropout=0.5)
    layer = WeightNormalization(lstm)
    model = keras.Model(inputs, layer(x))
    padded, short = np.array([[1, 2, 0, 0]]), np.array([[1, 2]])
    np.testing.assert_allclose(
        numpy(model(padded)), numpy(layer(model.layers[1](short))), rtol=1e-5
    )
    assert numpy(model.losses[0]) > 0
    outputs = [numpy(model(padded, training=True)) for _ in range(2)]  # a new mask each time
    assert np.abs(outputs[0] - outputs[1]).max() > 0
    dense = WeightNormalization(layers.Dense(2, kernel_regularizer="l2"))
    dense.build((None, 3))
    v = numpy(dense.layer.kernel)
    assert numpy(dense.losses[0]) == pytest.approx(0.01 * (v**2).sum(), rel=1e-5)
    dense.trainable = False
    assert dense.trainable_weights == []


def test_threads_do_not_disturb_each_other(rng):
    model, x = wrapped("dense", rng)
    layer = model.layers[-1]
    expected, kernel, wrong = numpy(layer(x)), layer.layer.kernel, []

    def work():
        for _ in range(50):
            if not np.array_equal(numpy(layer(x)), expected) or layer.layer.kernel is not kernel:
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_new_kernel_does_not_retrace(rng):
    model, x = wrapped("dense", rng)
    model.predict(x, verbose=0)
    layer = model.layers[-1]
    layer.gains[0].assign(0 * layer.gains[0].value)
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y, np.maximum(0, y[:1] * np.ones_like(y)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: layers.Embedding(3, 2), "no kernel"),
        (lambda: layers.LayerNormalization(), "no kernel"),
        (lambda: layers.Dense(2, kernel_initializer="zeros"), "all zero"),
    ],
)
def test_layers_that_cannot_be_normalised(make, reason):
    with pytest.raises(ValueError, match=reason):
        WeightNormalization(make()).build((None, 3))


def test_one_dead_unit_is_refused():
    layer = layers.Dense(3)
    layer.build((None, 2))
    layer.kernel.assign([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    with pytest.raises(ValueError, match="Layer 'dense.*all zero"):
        WeightNormalization(layer).build((None, 2))
    assert WeightNormalization(layers.Dense(3))(np.ones((1, 2), "float32")).shape == (1, 3)


def test_quantised_layers_are_refused():
    dense = layers.Dense(2)
    dense.build((None, 3))
    layer = WeightNormalization(dense)
    layer.build((None, 3))
    dense.quantize("int8")
    for act in (lambda: layer(np.ones((1, 3), "float32")), lambda: WeightNormalization(dense)):
        with pytest.raises(ValueError, match="quantised.*Received: quantization_mode='int8'"):
            act()


def test_arguments_that_mean_nothing():
    with pytest.raises(ValueError, match="Received: dtype='float16'"):
        WeightNormalization(layers.Dense(2), dtype="float16")
    with pytest.raises(ValueError, match="Wrap the recurrent layer instead"):
        WeightNormalization(layers.LSTMCell(2, dropout=0.1))
    with pytest.raises(ValueError, match="layer"):
        WeightNormalization("dense")
