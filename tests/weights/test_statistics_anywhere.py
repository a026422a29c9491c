"""Statistics of BatchNormalization wherever it stands: which go with which layer, in which mode."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr

ops = keras.ops


def numpy(x):
    return ops.convert_to_numpy(x)


class Branches(layers.Layer):
    """Two dense layers first, then the normalisation of each: the order alone would mislead."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right = layers.Dense(4, name="left"), layers.Dense(4, name="right")
        self.of_left = layers.BatchNormalization(name="of_left")
        self.of_right = layers.BatchNormalization(name="of_right")

    def build(self, shape):
        for dense in (self.left, self.right):
            dense.build(shape)
        for norm in (self.of_left, self.of_right):
            norm.build((None, 4))

    def call(self, x, training=None):
        a, b = ops.relu(self.left(x)), ops.relu(self.right(x))
        return self.of_left(a, training=training) + self.of_right(b, training=training)


def in_graph():
    inputs = keras.Input((8,))
    a = layers.Activation("relu")(layers.Dense(4, name="left")(inputs))
    b = ops.relu(layers.Dense(4, name="right")(inputs))
    both = [layers.BatchNormalization(name=f"of_{n}")(x) for n, x in (("left", a), ("right", b))]
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.Add()(both)))


def in_a_layer():
    return keras.Sequential([keras.Input((8,)), Branches(name="own"), layers.Dense(3, name="head")])


def nested_twice():
    inner = in_graph()
    middle = keras.Sequential([keras.Input((8,)), inner], name="middle")
    return keras.Sequential([keras.Input((8,)), middle, layers.Dense(2, name="outer_head")])


def in_a_subclass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.own, self.head = Branches(name="own"), layers.Dense(3, name="head")

        def call(self, inputs, training=None):
            return self.head(self.own(inputs, training=training))

    model = Own()
    model(np.ones((2, 8), "float32"))
    return model


def beside_the_graph():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3, name="head")(inputs))
    model.beside = in_graph()
    return model


EVERYWHERE = pytest.mark.parametrize(
    "make", [in_graph, in_a_layer, nested_twice, in_a_subclass, beside_the_graph]
)


def normalizations(model):
    return {
        layer.name: layer
        for layer in model._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
    }


def disturb(model, value=5.0):
    for layer in normalizations(model).values():
        for statistic in layer.non_trainable_variables:
            statistic.assign(np.full(statistic.shape, value))


def as_new(layer):
    mean, variance = numpy(layer.moving_mean), numpy(layer.moving_variance)
    return bool((mean == 0).all() and (variance == 1).all())


@EVERYWHERE
@pytest.mark.parametrize("drawn", ["left", "right", "head", "of_right"])
def test_they_go_with_the_layer_that_feeds_them(make, drawn):
    model = make()
    disturb(model)
    kr.reinitialize(model, f".*/{drawn}|{drawn}", seed=0)
    renewed = {name for name, layer in normalizations(model).items() if as_new(layer)}
    feeds = {"left": {"of_left"}, "right": {"of_right"}, "head": set(), "of_right": {"of_right"}}
    assert renewed == feeds[drawn]


@pytest.mark.parametrize("make", [in_graph, in_a_layer, nested_twice, in_a_subclass])
def test_they_are_measured_there(make, rng):
    model = make()
    x = rng.normal(2.0, 3.0, (64, 8)).astype("float32")
    kr.recalibrate(model, x)
    for name, layer in normalizations(model).items():
        dense = next(d for d in model._flatten_layers() if f"of_{d.name}" == name)
        z = np.maximum(numpy(dense(x)), 0)
        np.testing.assert_allclose(numpy(layer.moving_mean), z.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(numpy(layer.moving_variance), z.var(0), rtol=1e-4, atol=1e-5)


def test_what_a_call_does_not_reach_is_named(rng):
    with pytest.raises(ValueError, match="does not reach.*of_left"):
        kr.recalibrate(beside_the_graph(), rng.normal(size=(8, 8)))


def test_a_model_without_a_call_is_refused_by_the_names_of_its_normalisations(rng):
    class Parts(keras.Model):
        def __init__(self):
            super().__init__(name="parts")
            self.part = in_graph()

    with pytest.raises(ValueError, match="'parts' has no `call`.*of_left"):
        kr.recalibrate(Parts(), rng.normal(size=(8, 8)))


class FineTuned(keras.Model):
    """A base in inference mode, as guides to fine-tuning have it, and its own normalisation."""

    def __init__(self, function=None):
        super().__init__()
        self.base = keras.Sequential(
            [keras.Input((8,)), layers.Dense(4), layers.BatchNormalization(name="of_base")]
        )
        self.own, self.head = layers.BatchNormalization(name="own"), layers.Dense(3)
        self.function = function or ops.relu

    def call(self, inputs, training=None):
        features = self.function(self.base(inputs, training=False))
        return self.head(self.own(features, training=training))


def for_numpy_alone(x):
    """Something that no symbolic tensor of Keras goes through."""
    assert not isinstance(x, keras.KerasTensor)
    return x


@pytest.mark.parametrize("function", [None, for_numpy_alone])
@pytest.mark.parametrize(
    "act",
    [
        lambda model, x: kr.reinitialize(model, seed=0),
        lambda model, x: kr.shrink_perturb(model, 0.5, 0.1, seed=0),
        lambda model, x: kr.apply(model, kr.methods.FullReset(), seed=0),
        lambda model, x: kr.recalibrate(model, x),
    ],
)
def test_those_in_inference_mode_are_left_alone(act, function, rng):
    x = rng.normal(size=(16, 8)).astype("float32")
    model = FineTuned(function)
    model(x)
    disturb(model)
    act(model, x)
    found = normalizations(model)
    np.testing.assert_array_equal(numpy(found["of_base"].moving_mean), 5)
    np.testing.assert_array_equal(numpy(found["of_base"].moving_variance), 5)
    assert not (numpy(found["own"].moving_mean) == 5).any()


def test_a_model_that_is_never_told_the_mode_runs_in_inference_mode(rng):
    class Untold(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm, self.head = layers.BatchNormalization(name="norm"), layers.Dense(1)

        def call(self, inputs):
            return self.head(self.norm(inputs))

    x = rng.normal(3.0, 1.0, (16, 4)).astype("float32")
    model = Untold()
    model.compile("sgd", "mse", run_eagerly=keras.backend.backend() != "jax")
    model.fit(x, np.ones((16, 1)), verbose=0)
    assert as_new(model.norm)  # Keras leaves it alone, and so do methods
    disturb(model)
    kr.reinitialize(model, seed=0)
    np.testing.assert_array_equal(numpy(model.norm.moving_mean), 5)


@pytest.mark.parametrize(
    "inner",
    [
        lambda: layers.TimeDistributed(layers.BatchNormalization(name="norm")),
        lambda: layers.TimeDistributed(
            keras.Sequential([layers.Dense(3, name="in"), layers.BatchNormalization(name="norm")])
        ),
    ],
    ids=["alone", "in a model"],
)
@pytest.mark.parametrize("steps", [5, None])
def test_in_every_moment_of_time(inner, steps, rng):
    inputs = keras.Input((steps, 4))
    x = layers.TimeDistributed(layers.Dense(3, name="before"))(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(2)(inner()(x))))
    data = rng.normal(1.0, 2.0, (16, 5, 4)).astype("float32")
    kr.recalibrate(model, data)
    norm = normalizations(model)["norm"]
    z = data
    for dense in [d for d in model._flatten_layers() if d.name in ("before", "in")]:
        z = numpy(dense(z))
    np.testing.assert_allclose(numpy(norm.moving_mean), z.mean((0, 1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(norm.moving_variance), z.var((0, 1)), rtol=1e-4, atol=1e-5)
    kr.reinitialize(model, ".*before", seed=0)
    is_fed_by_it = not any(d.name == "in" for d in model._flatten_layers())
    assert as_new(norm) == is_fed_by_it


@pytest.mark.parametrize(
    "options",
    [
        {"axis": 1},
        {"axis": -2},
        {"center": False},
        {"scale": False},
        {"momentum": 0.0},
        {"epsilon": 0.1},
        pytest.param(
            {"synchronized": True},
            marks=pytest.mark.backends("tensorflow", reason="synchronized statistics"),
        ),
        {"renorm": True},
        {"renorm": True, "renorm_clipping": {"rmax": 3.0, "rmin": 0.3, "dmax": 5.0}},
    ],
    ids=str,
)
def test_whatever_the_layer_is_told(options, rng):
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            layers.Conv1D(3, 3, name="conv"),
            layers.BatchNormalization(name="norm", **options),
            layers.Flatten(),
            layers.Dense(2, name="head"),
        ]
    )
    norm = model.get_layer("norm")
    fresh = [numpy(v) for v in norm.non_trainable_variables]
    disturb(model)
    kr.reinitialize(model, "conv", seed=0)
    for variable, value in zip(norm.non_trainable_variables, fresh, strict=True):
        np.testing.assert_array_equal(numpy(variable), value)
    x = rng.normal(1.0, 2.0, (32, 6, 4)).astype("float32")
    kr.recalibrate(model, x)
    z = numpy(model.get_layer("conv")(x))
    over = tuple(i for i in range(3) if i != norm.axis % 3)
    np.testing.assert_allclose(numpy(norm.moving_mean), z.mean(over), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(norm.moving_variance), z.var(over), rtol=1e-4, atol=1e-5)
    if norm.renorm:
        stddev = np.sqrt(z.var(over) + norm.epsilon)
        for variable in (norm.moving_stddev, norm.renorm_stddev):
            np.testing.assert_allclose(numpy(variable), stddev, rtol=1e-4)
        np.testing.assert_allclose(numpy(norm.renorm_mean), z.mean(over), rtol=1e-4, atol=1e-5)


def test_what_is_masked_does_not_count(rng):
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.LSTM(3)(x)))
    data = rng.integers(1, 9, (20, 6)) * (np.arange(6) < rng.integers(1, 7, (20, 1)))
    kr.recalibrate(model, data)
    z = numpy(model.get_layer("embedding")(data))[data != 0]
    norm = model.get_layer("norm")
    np.testing.assert_allclose(numpy(norm.moving_mean), z.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(numpy(norm.moving_variance), z.var(0), rtol=1e-4, atol=1e-6)


def test_a_shared_one_pools_its_calls(rng):
    norm = layers.BatchNormalization(name="norm")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    outputs = layers.Dense(1)(layers.Concatenate()([norm(a), norm(b)]))
    model = keras.Model([a, b], outputs)
    x = [rng.normal(size=(16, 3)), rng.normal(4.0, 2.0, size=(16, 3))]
    kr.recalibrate(model, x)
    both = np.concatenate(x)
    np.testing.assert_allclose(numpy(norm.moving_mean), both.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(norm.moving_variance), both.var(0), rtol=1e-4)


def test_layers_that_they_are_inside_of_may_be_named(rng):
    model = in_a_layer()
    x = rng.normal(3.0, 1.0, (16, 8)).astype("float32")
    kr.recalibrate(model, x, [model.get_layer("head")])
    assert all(map(as_new, normalizations(model).values()))
    kr.recalibrate(model, x, [model.get_layer("own")])
    assert not any(map(as_new, normalizations(model).values()))


@pytest.mark.parametrize("make", [in_graph, in_a_layer, nested_twice])
def test_nothing_is_left_on_the_layers(make, rng):
    model = make()

    def nodes():
        return sum(len(layer._inbound_nodes) for layer in model._flatten_layers())

    before = nodes()
    for _ in range(3):
        kr.recalibrate(model, rng.normal(size=(8, 8)))
        kr.reinitialize(model, seed=0)
    assert nodes() == before


def test_the_memory_of_a_stateful_layer_is_left_alone(rng):
    inputs = keras.Input(batch_shape=(4, 3, 2))
    x = layers.LSTM(5, stateful=True, return_sequences=True, name="lstm")(inputs)
    model = keras.Model(inputs, layers.BatchNormalization(name="norm")(x))
    data = rng.normal(size=(8, 3, 2)).astype("float32")
    model.predict(data[:4], batch_size=4, verbose=0)
    states = [numpy(s) for s in model.get_layer("lstm").states]
    kr.recalibrate(model, data)
    for before, after in zip(states, model.get_layer("lstm").states, strict=True):
        np.testing.assert_array_equal(before, numpy(after))
    with pytest.raises(ValueError, match="batches of 4 examples.*a sample of 7.*multiple of 4"):
        kr.recalibrate(model, data[:7])
