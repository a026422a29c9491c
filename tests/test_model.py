"""A network that knows its blocks, wherever it goes."""

import copy

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr

tf_data = pytest.mark.backends("tensorflow", reason="tf.data")


def data_set(arrays):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays)


def backbone(dropout=0.5):
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(name="pool"),
            layers.Dropout(dropout, name="drop"),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv2"),
            layers.Flatten(name="flatten"),
            layers.Dense(3, name="head"),
        ],
        name="net",
    )


@pytest.fixture
def images(rng):
    return rng.normal(1.0, 2.0, size=(40, 8, 8, 2)).astype("float32")


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def everything(model):
    return [variable.numpy() for variable in model.variables]


def assert_same(a, b):
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, two)


def trained(model, rng):
    """The model with other weights than at wrapping, and a frozen first block."""
    for variable in model.trainable_variables:
        variable.assign(numpy(variable) * 1.7 + rng.uniform(0.1, 0.2, variable.shape))
    model.blocks[0].normalization.freeze(0.3, 1.9)
    return model


# -- A new model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, -1])
def test_a_new_model_gives_the_outputs_of_its_backbone_bit_for_bit(axis, images):
    plain = backbone()
    model = kr.ReinitModel(plain, axis=axis)
    np.testing.assert_array_equal(
        model.predict(images, verbose=0), plain.predict(images, verbose=0)
    )
    np.testing.assert_array_equal(numpy(model(images)), numpy(plain(images)))


def test_layers_are_shared_under_their_names():
    plain = backbone()
    model = kr.ReinitModel(plain)
    assert model.name == "reinit_net"
    for layer in plain.layers:
        assert model.get_layer(layer.name) is layer
    assert [block.name for block in model.blocks] == ["block1", "block2"]
    assert model.blocks[1].normalization is model.get_layer("block2_normalization")
    assert model.blocks[0].layers == tuple(map(plain.get_layer, ("conv1", "norm1", "relu1")))
    assert model.count_params() - plain.count_params() == 2 * 2 + len(model.init_norms)
    assert [v.path for v in model.trainable_variables] == [
        v.path for v in plain.trainable_variables
    ]


def test_norms_are_those_at_wrapping():
    plain = backbone()
    plain.get_layer("head").trainable = False
    model = kr.ReinitModel(plain)
    expected = {
        f"{layer.name}/{weight.name}": np.linalg.norm(weight.numpy())
        for layer in plain.layers
        for weight in layer.weights
        if "moving" not in weight.name
    }
    assert model.init_norms == pytest.approx(expected)
    for weight in plain.trainable_variables:
        weight.assign(weight.value + 1)
    assert model.init_norms == pytest.approx(expected)


def test_wrapped_twice_is_refused():
    model = kr.ReinitModel(backbone())
    around = keras.Model(model.inputs[0], model.outputs[0], name="around")
    for wrapped in (model, around):
        with pytest.raises(ValueError, match=f"'{wrapped.name}' .*has its normalisations already"):
            kr.ReinitModel(wrapped)


def test_two_nested_models_with_layers_of_one_name_are_refused_by_name():
    inputs = keras.Input((4,))
    parts = [
        keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu", name="same")], name=name)
        for name in ("left", "right")
    ]
    model = keras.Model(inputs, layers.Dense(2, name="head")(parts[1](parts[0](inputs))))
    with pytest.raises(ValueError, match="same"):
        kr.ReinitModel(model)


@pytest.mark.parametrize("block", [2, -1, 0.0, True, "block0", "conv1", None])
def test_an_unknown_block_is_refused(block):
    model = kr.ReinitModel(backbone())
    before = everything(model)
    for act in (
        lambda: model.rescale(block),
        lambda: model.calibrate(block, np.ones((2, 8, 8, 2))),
        lambda: model.reinitialize(block, seed=0) if block is not None else model.rescale(None),
    ):
        with pytest.raises(ValueError, match="no such block. Received: block=.*'block1'"):
            act()
    assert_same(before, everything(model))


# -- Calibration ----------------------------------------------------------------------------------


def by_hand(model, images):
    """Raw output of both blocks in NumPy-checked steps: statistics on the images, no dropout."""
    conv1, norm1 = model.get_layer("conv1"), model.get_layer("norm1")
    z = numpy(conv1(images)).astype("float64")
    mean, variance = z.mean((0, 1, 2)), z.var((0, 1, 2))
    z = (z - mean) / np.sqrt(variance + norm1.epsilon) * numpy(norm1.gamma) + numpy(norm1.beta)
    return np.maximum(z, 0), (mean, variance)


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize(
    "kind",
    ["array", "tensor", *(pytest.param(k, marks=tf_data) for k in ("data set", "pairs"))],
)
def test_calibration_with_dropout_and_batch_normalisation(axis, kind, images, rng):
    model = trained(kr.ReinitModel(backbone(), axis=None), rng)
    if axis:
        model = trained_per_channel(rng)
    sample = {
        "array": lambda: images,
        "tensor": lambda: keras.ops.convert_to_tensor(images),
        "data set": lambda: data_set(images).batch(40),
        "pairs": lambda: data_set((images, np.zeros(40))).batch(40),
    }[kind]()
    model.calibrate(0, sample)
    z, (mean, variance) = by_hand(model, images)
    over = (0, 1, 2) if axis else None
    first = model.blocks[0].normalization
    np.testing.assert_allclose(numpy(first.mean), z.mean(over), rtol=1e-4)
    np.testing.assert_allclose(numpy(first.stddev), z.std(over), rtol=1e-4)
    np.testing.assert_allclose(numpy(model.get_layer("norm1").moving_mean), mean, rtol=1e-4)
    np.testing.assert_allclose(numpy(model.get_layer("norm1").moving_variance), variance, rtol=1e-4)

    model.calibrate("block2", sample)
    y = (z - z.mean(over)) / z.std(over)
    y = model.get_layer("conv2")(model.get_layer("pool")(y.astype("float32")))
    second = model.blocks[1].normalization
    np.testing.assert_allclose(numpy(second.mean), numpy(y).mean(over), rtol=1e-4)
    np.testing.assert_allclose(numpy(second.stddev), numpy(y).std(over), rtol=1e-4)
    np.testing.assert_allclose(numpy(first.mean), z.mean(over), rtol=1e-4)  # left as it was


def trained_per_channel(rng):
    model = kr.ReinitModel(backbone(), axis=-1)
    for variable in model.trainable_variables:
        variable.assign(numpy(variable) * 1.7 + rng.uniform(0.1, 0.2, variable.shape))
    return model


def test_calibration_normalises_the_output(images, rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    for block in (0, 1):
        model.calibrate(block, images)
        probe = keras.Model(model.inputs[0], model.outputs[0])
        normalization = model.blocks[block].normalization
        seen = []
        probe._run_through_graph(
            images,
            call_fn=lambda op, *args, seen=seen, end=normalization, **kw: (
                seen.append(op(*args, **kw)) or seen[-1] if op is end else op(*args, **kw)
            ),
        )
        z = numpy(seen[0])
        assert z.mean() == pytest.approx(0, abs=1e-4)
        assert z.std() == pytest.approx(1, rel=1e-3)


def test_calibration_of_one_block_touches_the_statistics_below_and_nothing_else(images, rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    before = {id(v): v.numpy() for v in model.variables}
    model.calibrate(1, images)
    allowed = {
        id(v)
        for v in (*model.blocks[1].normalization.weights, *model.get_layer("norm1").weights[2:])
    }
    changed = {id(v) for v in model.variables if np.any(v.numpy() != before[id(v)])}
    assert changed == allowed


@tf_data
def test_the_size_of_batches_does_not_matter_without_batch_normalisation(rng):
    x = rng.normal(size=(70, 5)).astype("float32")
    results = []
    for sample in (x, data_set(x).batch(7)):
        keras.utils.set_random_seed(3)
        model = kr.ReinitModel(kr.backbones.mlp((5,), 2, hidden=(6,)))
        model.calibrate(0, sample)
        results.append([numpy(w) for w in model.blocks[0].normalization.weights])
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize("value", [-1e3, np.nan])
def test_a_dead_or_diverged_block_is_named_and_nothing_changes(value, images, rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    model.get_layer("conv2").bias.assign(np.full(4, value))
    before = everything(model)
    with pytest.raises(ValueError, match="'block2'.*(constant|not finite)"):
        model.calibrate(1, images)
    assert_same(before, everything(model))


def test_a_sample_of_one_repeated_constant_is_refused():
    model = kr.ReinitModel(kr.backbones.mlp((5,), 2, hidden=(1,)))
    with pytest.raises(ValueError, match="'block1'.*constant"):
        model.calibrate(0, np.ones((8, 5), "float32"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x[:0], r"shape \(0, 8, 8, 2\)"),
        (lambda x: np.where(x > 5, np.nan, x), "not finite"),
        pytest.param(lambda x: data_set(x).batch(8).repeat(), "repeats for ever", marks=tf_data),
        pytest.param(lambda x: data_set(x).batch(8).take(0), "empty", marks=tf_data),
        (lambda x: iter([(x,)]), "a generator"),
        (lambda x: x[..., :1], "incompatible"),
    ],
    ids=["empty", "nan", "endless", "no batch", "generator", "other shape"],
)
def test_a_bad_sample_is_refused_and_nothing_changes(make, message, images, rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    before = everything(model)
    with pytest.raises(ValueError, match=message):
        model.calibrate(0, make(images))
    assert_same(before, everything(model))


# -- Rescaling and drawing afresh -----------------------------------------------------------------


@pytest.mark.parametrize("unit", ["variables", "kernels", "layers"])
def test_rescaling_is_inclusive(unit, rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    before = {name: w.numpy() for name, w in kr.select(model).items()}
    model.rescale("block1", unit)
    after = {name: w.numpy() for name, w in kr.select(model).items()}
    norms = model.init_norms
    for name, w in after.items():
        if not name.startswith(("conv1", "norm1")) or (
            unit == "kernels" and name != "conv1/kernel"
        ):
            np.testing.assert_array_equal(w, before[name])
        elif unit != "layers":
            assert np.linalg.norm(w) == pytest.approx(norms[name], rel=1e-5, abs=1e-9)
    if unit == "layers":
        total = np.hypot(*(np.linalg.norm(after[f"conv1/{w}"]) for w in ("kernel", "bias")))
        assert total == pytest.approx(norms["conv1/kernel"], rel=1e-5)  # the bias began at zero
        factor = after["conv1/bias"] / before["conv1/bias"]
        np.testing.assert_allclose(factor, factor[0], rtol=1e-5)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="Received: unit='rows'"):
        kr.ReinitModel(backbone()).rescale(0, "rows")


def test_drawing_afresh_is_exclusive(rng):
    model = trained(kr.ReinitModel(backbone()), rng)
    before = {name: w.numpy() for name, w in kr.select(model).items()}
    entries = model.reinitialize(above=0, seed=3)
    changed = {n for n, w in kr.select(model).items() if np.any(w.numpy() != before[n])}
    assert changed == {"conv2/kernel", "conv2/bias", "head/kernel", "head/bias"}
    assert entries == sum(before[name].size for name in changed)
    statistics = [numpy(w) for w in model.blocks[0].normalization.weights]
    np.testing.assert_allclose(statistics, [0.3, 1.9])
    assert model.reinitialize(above="block2", seed=3) == before["head/kernel"].size + 3


@pytest.mark.parametrize("axis", [None, -1])
def test_normalisations_above_are_the_identity_again(axis, images, rng):
    model = kr.ReinitModel(backbone(), axis=axis)
    for block in (0, 1):
        model.calibrate(block, images)
    kept = [numpy(w) for w in model.blocks[0].normalization.weights]
    model.reinitialize(above=0, seed=0)
    assert_same(kept, [numpy(w) for w in model.blocks[0].normalization.weights])
    mean, stddev = (numpy(w) for w in model.blocks[1].normalization.weights)
    assert not mean.any()
    assert (stddev == 1).all()


@pytest.mark.parametrize("axis", [None, -1])
def test_the_whole_network_is_as_new_with_norms_of_its_own(axis, images):
    model = kr.ReinitModel(backbone(), axis=axis)
    model.calibrate(1, images)
    norms = model.init_norms
    entries = model.reinitialize(seed=5)
    kernels = {name: w.numpy() for name, w in kr.select(model, ".*/kernel").items()}
    assert entries >= sum(w.size for w in kernels.values())
    for name, w in kernels.items():
        assert model.init_norms[name] == pytest.approx(np.linalg.norm(w))
        assert model.init_norms[name] != norms[name]
    for block in model.blocks:
        assert not numpy(block.normalization.mean).any()
        assert (numpy(block.normalization.stddev) == 1).all()
    np.testing.assert_array_equal(numpy(model.get_layer("norm1").moving_mean), 0)


# -- Wherever it goes -----------------------------------------------------------------------------


def assert_twins(model, twin, images):
    assert isinstance(twin, kr.ReinitModel)
    assert [b.name for b in twin.blocks] == [b.name for b in model.blocks]
    for a, b in zip(twin.blocks, model.blocks, strict=True):
        assert [layer.name for layer in a.layers] == [layer.name for layer in b.layers]
        assert a.normalization.axis == b.normalization.axis
    assert twin.init_norms == model.init_norms
    assert_same([w.numpy() for w in twin.weights], [w.numpy() for w in model.weights])
    np.testing.assert_array_equal(twin.predict(images, verbose=0), model.predict(images, verbose=0))
    twin.rescale(1)
    twin.calibrate(1, images)
    twin.reinitialize(1, seed=0)


@pytest.mark.parametrize("axis", [None, -1])
def test_a_file_carries_everything(axis, images, rng, tmp_path):
    model = kr.ReinitModel(backbone(), axis=axis)
    model.calibrate(0, images)
    for variable in model.trainable_variables:
        variable.assign(variable.value * 1.7 + 0.1)
    model.calibrate(1, images)  # calibrated and then saved: the probe is no part of the file
    model.save(tmp_path / "model.keras")
    assert_twins(model, keras.models.load_model(tmp_path / "model.keras"), images)


def test_a_weights_file_carries_everything(images, rng, tmp_path):
    model, twin = (kr.ReinitModel(backbone()) for _ in range(2))
    trained(model, rng).save_weights(tmp_path / "model.weights.h5")
    twin.load_weights(tmp_path / "model.weights.h5")
    assert_twins(model, twin, images)


def test_a_clone_has_the_blocks_and_norms_of_its_own(images, rng):
    model = trained(kr.ReinitModel(backbone(), axis=None), rng)
    twin = keras.models.clone_model(model)
    assert twin.init_norms["conv1/kernel"] == pytest.approx(
        np.linalg.norm(numpy(twin.get_layer("conv1").kernel))
    )
    assert twin.init_norms["conv1/kernel"] != model.init_norms["conv1/kernel"]
    np.testing.assert_array_equal(numpy(twin.blocks[0].normalization.stddev), 1)
    twin.set_weights(model.get_weights())
    assert_twins(model, twin, images)


def test_copies_and_pickles(images, rng):
    import pickle

    model = trained(kr.ReinitModel(backbone()), rng)
    model.calibrate(0, images)
    assert_twins(model, copy.deepcopy(model), images)
    assert_twins(model, pickle.loads(pickle.dumps(model)), images)


@pytest.mark.backends("tensorflow", reason="tf.saved_model")
def test_an_exported_model_has_the_frozen_statistics_inside(images, rng, tmp_path):
    import tensorflow as tf

    model = trained(kr.ReinitModel(backbone()), rng)
    model.calibrate(0, images)
    model.export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    for batch in (images, images[:3]):
        outputs = model.predict(batch, verbose=0)
        np.testing.assert_allclose(numpy(served.serve(batch)), outputs, atol=1e-5)


def test_a_loaded_model_is_trained_on_with_every_block(images, tmp_path):
    model = kr.ReinitModel(backbone())
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = np.arange(40) % 3
    lw = kr.callbacks.LayerwiseReinit(images, until=kr.rounds.Fixed(1), seed=0)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, epochs=9, verbose=0, callbacks=[lw])
    norms = model.init_norms
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    history = twin.fit(images, labels, epochs=9, verbose=0, callbacks=[lw]).history
    assert history["reinit_block"] == [0, 1]
    assert twin.init_norms == norms
    assert np.isfinite(twin.predict(images, verbose=0)).all()
