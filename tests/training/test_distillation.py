"""Self-distillation: the loss against NumPy, the teacher, and what must not change by it."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from keras_reinit.rounds import Converged, Fixed
from keras_reinit.training import SelfDistillation
from tests.settings import EAGER, ROUNDS, SETTINGS, all_methods, over

LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def distilled(model, loss=LOGITS, optimizer=None, weight=1.0, temperature=2.0, **options):
    model = SelfDistillation(model, weight, temperature)
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, **options)
    return model


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def teacher(model):
    return arrays(model._teacher)


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def fit(model, method, blobs, *callbacks, eager=EAGER, **options):
    """Train in steps of 32; without a graph, where that is faster."""
    model.run_eagerly = eager
    defaults = {"batch_size": 32, "epochs": 20, "shuffle": False, "verbose": 0}
    return model.fit(*blobs, callbacks=[*callbacks, method], **defaults | options).history


class Rounds(keras.callbacks.Callback):
    """The student before each epoch and what the method does then, and every epoch's teacher."""

    def __init__(self):
        super().__init__()
        self.students, self.teachers = [], []

    def on_train_begin(self, logs=None):
        self.students.append(arrays(self.model.student.weights))

    def on_epoch_end(self, epoch, logs=None):
        self.students.append(arrays(self.model.student.weights))
        self.teachers.append(teacher(self.model))

    def on_train_end(self, logs=None):
        del self.students[-1]  # no epoch begins with the last one


# -- The loss -------------------------------------------------------------------------------------


def softmax(scores):
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def numpy_loss(y, student, taught, weight, temperature, sample_weight=1.0):
    """Of logits: cross-entropy and distillation, the mean over the batch."""
    p, q = softmax(taught / temperature), softmax(student / temperature)
    entropy = -np.log(softmax(student))[np.arange(len(y)), y]
    kl = (p * np.log(p / q)).sum(axis=-1)
    return np.mean(sample_weight * (entropy + weight * temperature**2 * kl))


def linear(activation=None):
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation=activation)])


def taught(model, rng):
    """A distilled model with a teacher of other weights, and its teacher's logits' function."""
    own = [rng.normal(size=w.shape) for w in model.student.weights]
    kernel, bias = (rng.normal(size=w.shape) for w in model.student.weights)
    model.student.set_weights([kernel, bias])
    model.before_round(1)
    model.student.set_weights(own)
    return lambda x: (x @ own[0] + own[1], x @ kernel + bias)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
def test_loss_is_that_of_numpy(probabilities, temperature, blobs, rng):
    x, y = blobs
    loss = "sparse_categorical_crossentropy" if probabilities else LOGITS
    model = distilled(linear("softmax" if probabilities else None), loss, None, 0.7, temperature)
    student, teacher = taught(model, rng)(x)
    for weights in (None, rng.uniform(size=len(y)).astype("float32")):
        outputs = model(x, training=True)
        actual = model.compute_loss(x, y, outputs, sample_weight=weights)
        expected = numpy_loss(
            y, student, teacher, 0.7, temperature, 1 if weights is None else weights
        )
        np.testing.assert_allclose(keras.ops.convert_to_numpy(actual), expected, rtol=1e-5)
        plain = numpy_loss(y, student, teacher, 0, 1, 1 if weights is None else weights)
        for value in (
            model.compute_loss(x, y, outputs, sample_weight=weights, training=False),
            model.student.compute_loss(x, y, outputs, sample_weight=weights),
        ):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(value), plain, rtol=1e-5)


def test_divergence_is_that_of_keras(blobs, rng):
    model = distilled(linear(), temperature=3.0)
    student, teacher = (logits.astype("float32") for logits in taught(model, rng)(blobs[0]))
    # The string "kl_divergence", its default, is compared without softmax in Keras 3.15.
    theirs = keras.distillation.LogitsDistillation(3.0, loss=keras.losses.KLDivergence())
    ours = model._divergence(teacher, student)
    np.testing.assert_allclose(float(ours), float(theirs.compute_loss(teacher, student)), rtol=1e-4)


def test_a_round_is_that_of_numpy(blobs):
    """Gradient descent on a born-again linear network, taught by the old one, in NumPy."""
    x, y = blobs
    rate, weight, temperature, target = 0.5, 2.0, 3.0, np.eye(3)[blobs[1]]
    model = distilled(linear(), LOGITS, keras.optimizers.SGD(rate), weight, temperature)
    method = kr.callbacks.ShrinkPerturb(0.0, 1.0, until=Fixed(2), rounds=2, seed=0)
    seen = Rounds()
    begun = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda *_, **__: starts.append(arrays(model.student.weights))
    )
    starts = []
    fit(model, method, blobs, seen, begun, batch_size=len(y))
    kernel, bias = starts[2]
    before = [w.astype("float64") for w in seen.students[2]]
    p = softmax((x @ before[0] + before[1]) / temperature)
    for _ in range(2):
        logits = x @ kernel + bias
        slope = (
            softmax(logits) - target + weight * temperature * (softmax(logits / temperature) - p)
        )
        kernel = kernel - rate * x.T @ slope / len(y)
        bias = bias - rate * slope.mean(axis=0)
    for actual, expected in zip(arrays(model.student.weights), (kernel, bias), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_regularisers_of_the_student_count_once(blobs, rng):
    x, y = blobs
    dense = keras.layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l2")
    model = distilled(keras.Sequential([keras.Input((6,)), dense]), weight=0.0)
    taught(model, rng)
    plain = model.student.compute_loss(x, y, model.student(x, training=True))
    loss = model.compute_loss(x, y, model(x, training=True))
    unpenalized = LOGITS(y, model(x))
    loss, plain, unpenalized = map(keras.ops.convert_to_numpy, (loss, plain, unpenalized))
    assert loss == plain > unpenalized


# -- The teacher ----------------------------------------------------------------------------------


@all_methods
def test_teacher_is_the_network_before_the_last_reinitialisation(setting, blobs):
    model, traces = SelfDistillation(setting.model(), from_logits=True), []

    def loss(y, logits):
        traces.append(1)
        return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)

    model.compile(keras.optimizers.Adam(0.01), loss)
    seen, traced = Rounds(), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: traced.append(len(traces)))
    history = fit(model, setting.callback(until=Fixed(2)), blobs, seen, count, eager=False)
    assert history["reinit_round"] == [0, 0, 1, 1, 2, 2]
    for epoch in (2, 3):
        assert_same(seen.teachers[epoch], seen.students[2])
    for epoch in (4, 5):
        assert_same(seen.teachers[epoch], seen.students[4])
    assert keras.backend.backend() == "torch" or len(set(traced)) == 1
    assert setting.callback().max_epochs(model) == ROUNDS


@over("LW", "S&P")
def test_first_round_is_plain_training(setting, blobs):
    plain, eager = setting.model(), setting.identifier != "LW"
    start = plain.get_weights()
    fit(plain, setting.callback(until=Fixed(2)), blobs, epochs=2, eager=eager)
    model = distilled(setting.model(), weight=9.0)
    model.student.set_weights(start)
    fit(model, setting.callback(until=Fixed(2)), blobs, epochs=2, eager=eager)
    assert_same(arrays(model.student.weights), arrays(plain.weights))


def test_a_new_training_starts_without_the_old_teacher(blobs):
    setting = SETTINGS["S&P"]
    model = distilled(setting.model(), weight=9.0)
    start, ends = model.student.get_weights(), []
    for _ in range(2):
        model.student.set_weights(start)
        kr.reset_optimizer(model.optimizer)
        fit(model, setting.callback(), blobs, epochs=3)
        ends.append(arrays(model.student.weights))
    assert_same(*ends)


def test_teacher_is_the_best_network_of_the_round(blobs):
    class Script(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = [3, 1, 2, 2, 3, 3, 3][epoch]

    setting = SETTINGS["S&P"]
    model, seen = distilled(setting.model()), Rounds()
    rule = Converged("val_loss", patience=2, max_epochs=4)
    history = fit(model, setting.callback(until=rule, rounds=2), blobs, Script(), seen)
    assert history["reinit_round"][:5] == [0, 0, 0, 0, 1]
    assert_same(seen.teachers[4], seen.students[2])  # as epoch 1 left it


def test_statistics_are_the_teachers_own(blobs):
    x, y = blobs
    norm = keras.layers.BatchNormalization(momentum=0.5)
    model = distilled(keras.Sequential([keras.Input((6,)), norm, keras.layers.Dense(3)]))
    norm.moving_mean.assign(np.full(6, 5.0))
    teacher = keras.ops.convert_to_numpy(model.student(x))
    model.before_round(1)
    norm.moving_mean.assign(np.zeros(6))
    student = model.student(x)
    expected = numpy_loss(y, keras.ops.convert_to_numpy(student), teacher, 1.0, 2.0)
    actual = keras.ops.convert_to_numpy(model.compute_loss(x, y, student))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert_same([np.zeros(6)], arrays([norm.moving_mean]))


# -- Where a training runs ------------------------------------------------------------------------


def test_mixed_precision(blobs):
    keras.config.set_dtype_policy("mixed_float16")
    model = distilled(SETTINGS["LW"].model(), weight=0.5)
    seen = Rounds()
    history = fit(model, SETTINGS["LW"].callback(), blobs, seen)
    assert model.optimizer.name == "loss_scale_optimizer"
    assert np.isfinite(history["loss"]).all()
    assert_same(seen.teachers[1], seen.students[1])
    assert {str(copy.dtype) for copy in model._teacher} == {"float32"}
    # Large logits in half precision: the divergence itself is computed in single.
    half = np.array([[60000, -60000, 0]], "float16")
    assert float(model._divergence(half, -half)) == pytest.approx(2**2 * 60000, rel=1e-3)


@pytest.mark.backends("tensorflow", "jax", reason="steps_per_execution")
def test_several_steps_an_execution(blobs):
    ends = []
    for steps in (1, 3):
        keras.utils.set_random_seed(0)
        model = distilled(SETTINGS["LW"].model(), steps_per_execution=steps)
        fit(model, SETTINGS["LW"].callback(), blobs, epochs=2, eager=False)
        ends.append(arrays(model.student.weights))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_replicas_are_as_one(strategy, blobs):
    ends, start = [], None
    for scope in (strategy.scope, lambda: keras.name_scope("alone")):
        with scope():
            model = distilled(
                SETTINGS["LW"].model(), optimizer=keras.optimizers.SGD(0.1), weight=3.0
            )
        start = start or model.student.get_weights()
        model.student.set_weights(start)
        fit(model, SETTINGS["LW"].callback(), blobs, epochs=2, batch_size=48, eager=bool(ends))
        ends.append(arrays(model.student.weights))
        if len(ends) == 1:
            for variable in model.weights:
                one, two = strategy.experimental_local_results(variable.value)
                np.testing.assert_array_equal(one, two)
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# -- What is written ------------------------------------------------------------------------------


@pytest.mark.backends("tensorflow", reason="tf.saved_model")
def test_saved_and_exported_model_is_the_student(blobs, tmp_path):
    import tensorflow as tf

    x, _ = blobs
    plain = SETTINGS["LW"].model()
    plain.fit(*blobs, verbose=0)
    plain.save(tmp_path / "plain.keras")
    model = distilled(SETTINGS["LW"].model(), metrics=["accuracy"])
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    fit(model, SETTINGS["LW"].callback(), blobs, checkpoint)
    model.save(tmp_path / "model.keras")
    expected = model.predict(x, verbose=0)
    for name in ("last", "model"):
        loaded = keras.models.load_model(tmp_path / f"{name}.keras")
        assert isinstance(loaded, kr.ReinitModel)
        assert_same(loaded.get_weights(), model.student.get_weights())
        np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-6)
        assert int(loaded.optimizer.iterations) == 3  # of the last round
        assert loaded.evaluate(x, blobs[1], verbose=0, return_dict=True).keys() >= {"accuracy"}
    size, plain_size = ((tmp_path / f"{n}.keras").stat().st_size for n in ("model", "plain"))
    assert abs(size - plain_size) < 2000
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    assert len(exported.variables) == len(plain.weights)
    np.testing.assert_allclose(exported.serve(x).numpy(), expected, atol=1e-5)


def test_teacher_cannot_be_saved_by_another_way(tmp_path):
    model = distilled(linear())
    with pytest.raises(NotImplementedError, match="`student`"):
        keras.saving.save_model(model, tmp_path / "model.keras")


# -- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1}, "weight=-1"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"temperature": 0}, "temperature=0"),
        ({"model": keras.Sequential([keras.layers.Dense(2)])}, "a built keras.Model"),
        ({"model": 3}, "model=3"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelfDistillation(**{"model": linear(), **arguments})


@pytest.mark.parametrize(
    ("loss", "from_logits", "message"),
    [
        ("mse", None, "cannot be told from this loss"),
        (None, None, "cannot be told from this loss"),
        (keras.losses.BinaryCrossentropy(), None, "cannot be told from this loss"),
        ({"dense": "mse"}, None, "cannot be told from this loss"),
        (LOGITS, False, "The loss takes logits. Received: from_logits=False"),
        ("categorical_crossentropy", True, "The loss takes probabilities"),
    ],
)
def test_outputs_that_are_not_clear(loss, from_logits, message):
    with pytest.raises(ValueError, match=message):
        SelfDistillation(linear(), from_logits=from_logits).compile("sgd", loss)


@pytest.mark.parametrize("outputs", [1, 2], ids=["one unit", "two outputs"])
def test_outputs_that_cannot_be_compared(outputs):
    x = keras.Input((2,))
    dense = keras.layers.Dense(1)(x)
    model = SelfDistillation(
        keras.Model(x, [dense] * outputs if outputs > 1 else dense), 1, 1, True
    )
    model.compile("sgd", ["mse"] * outputs if outputs > 1 else "mse")
    y = np.ones((4, 1))
    with pytest.raises(ValueError, match="one output's scores of at least two classes"):
        model.fit(np.ones((4, 2)), [y] * outputs if outputs > 1 else y, verbose=0)
