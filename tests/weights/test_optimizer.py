"""An optimizer after `reset_optimizer` trains exactly as a new one would."""

import keras
import numpy as np
import pytest

from keras_reinit.weights.optimizer import (
    learning_rate_of,
    reset_optimizer,
    set_learning_rate,
)

STEPS = 3
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)

OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.1),
    "SGD momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda: keras.optimizers.Adam(0.01),
    "Adam amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "AdamW": lambda: keras.optimizers.AdamW(0.01),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "Adamax": lambda: keras.optimizers.Adamax(0.01),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.3),
    "Adadelta": lambda: keras.optimizers.Adadelta(0.1),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.01),
    "RMSprop centered": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "Ftrl": lambda: keras.optimizers.Ftrl(0.1, initial_accumulator_value=0.2),
    "Adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "Lion": lambda: keras.optimizers.Lion(0.01),
    "Lamb": lambda: keras.optimizers.Lamb(0.01),
    "Muon": lambda: keras.optimizers.Muon(0.01),
    "ScheduleFreeAdamW": lambda: keras.optimizers.ScheduleFreeAdamW(0.01, warmup_steps=2),
    "LossScaleOptimizer": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=8.0, dynamic_growth_steps=2
    ),
    "MultiOptimizer": lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.Adam(0.01), {"head/.*": keras.optimizers.SGD(0.1, momentum=0.9)}
        )
    ),
    "LossScaleOptimizer of MultiOptimizer": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(
                keras.optimizers.Nadam(0.01), {"head/.*": keras.optimizers.Adagrad(0.1)}
            )
        )
    ),
    "schedule": lambda: keras.optimizers.Adam(SCHEDULE),
    "callable": lambda: keras.optimizers.Adam(lambda: 0.01),
    "average of weights": lambda: keras.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "gradient accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "weight decay and clipping": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, weight_decay=0.1, clipnorm=1.0
    ),
}
NOT_OPTIMIZERS = {"Optimizer", "OptimizerMap", "LegacyOptimizerWarning"}


def small_model():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh", name="hidden"),
            keras.layers.Dense(3, name="head"),
        ],
        name="model",
    )
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape).astype("float32") for w in model.weights])
    return model


def gradients(model, step):
    generator = np.random.default_rng(step)
    return [
        keras.ops.convert_to_tensor(generator.normal(size=v.shape).astype("float32"))
        for v in model.trainable_variables
    ]


def apply(optimizer, gradients, weights):
    """One step, as the training loop of the backend takes it."""
    if keras.backend.backend() != "jax":
        return optimizer.apply(gradients, weights)
    if not optimizer.built:  # a LossScaleOptimizer would make its variables once more
        optimizer.build(weights)
    state, old = ([v.value for v in each] for each in (optimizer.variables, weights))
    new = optimizer.stateless_apply(state, gradients, old)
    for each, values in zip((weights, optimizer.variables), new, strict=True):
        for variable, value in zip(each, values, strict=True):
            variable.assign(value)


def train(model, optimizer, steps=STEPS):
    """The weights after each of a few steps on the same sequence of gradients."""
    trajectory = []
    for step in range(steps):
        apply(optimizer, gradients(model, step), model.trainable_variables)
        trajectory += [weight.numpy() for weight in model.weights]
    return trajectory


def state(optimizer):
    return [variable.numpy() for variable in optimizer.variables]


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_after_a_reset_is_training_with_a_new_optimizer(model, name):
    weights = model.get_weights()
    optimizer = OPTIMIZERS[name]()
    optimizer.build(model.trainable_variables)
    state_when_new = state(optimizer)
    first = train(model, optimizer)
    model.set_weights(weights)
    reset_optimizer(optimizer)
    state_after_reset = state(optimizer)
    second = train(model, optimizer)
    model.set_weights(weights)

    assert any((a != b).any() for a, b in zip(first, weights * STEPS, strict=True))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    if name != "average of weights":  # Keras starts those at 0 and ignores them in its first step
        for a, b in zip(state_when_new, state_after_reset, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_optimizer_that_keras_ships_is_tested():
    shipped = {
        name
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type) and name not in NOT_OPTIMIZERS
    }
    tested = {type(make()).__name__ for make in OPTIMIZERS.values()}
    assert shipped == tested


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (OPTIMIZERS["Adagrad"], 0.3),
        (OPTIMIZERS["Ftrl"], 0.2),
        (OPTIMIZERS["Nadam"], 1.0),
        (OPTIMIZERS["LossScaleOptimizer"], 8.0),
    ],
)
def test_slots_that_do_not_start_at_zero(model, make, expected):
    weights = model.get_weights()
    optimizer = make()
    train(model, optimizer)
    assert not any((value == expected).all() for value in state(optimizer))
    reset_optimizer(optimizer)
    assert any((value == expected).all() for value in state(optimizer))
    model.set_weights(weights)


def test_slots_are_assigned_in_place(model):
    weights = model.get_weights()
    optimizer = keras.optimizers.Adam()
    train(model, optimizer)
    before = list(map(id, optimizer.variables))
    reset_optimizer(optimizer)
    assert list(map(id, optimizer.variables)) == before
    model.set_weights(weights)


def test_averages_become_the_current_weights(model):
    weights = model.get_weights()
    optimizer = keras.optimizers.Adam(0.1, use_ema=True)
    train(model, optimizer)
    model.set_weights(weights)
    reset_optimizer(optimizer)
    optimizer.finalize_variable_values(model.trainable_variables)  # what `fit` does at its end
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_half_accumulated_gradient_is_forgotten(model):
    weights = model.get_weights()
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    train(model, optimizer, steps=1)
    reset_optimizer(optimizer)
    np.testing.assert_equal(int(optimizer._iterations), 0)
    train(model, optimizer, steps=1)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)  # still the first of two steps


@pytest.mark.parametrize("name", ["Adam", "LossScaleOptimizer"])
@pytest.mark.parametrize("built", [True, False])
def test_learning_rate_is_kept_or_set(model, name, built):
    optimizer = OPTIMIZERS[name]()
    if built:
        optimizer.build(model.trainable_variables)
    optimizer.learning_rate = 0.005
    reset_optimizer(optimizer)
    assert learning_rate_of(optimizer) == pytest.approx(0.005)
    reset_optimizer(optimizer, learning_rate=0.2)
    assert learning_rate_of(optimizer) == pytest.approx(0.2)
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.2)
    assert optimizer.built == built


@pytest.mark.parametrize("name", ["Adam", "LossScaleOptimizer", "MultiOptimizer"])
def test_setting_the_learning_rate_changes_nothing_else(model, name):
    weights = model.get_weights()
    optimizer = OPTIMIZERS[name]()
    train(model, optimizer)
    before = state(optimizer)
    halved = keras.tree.map_structure(lambda rate: rate / 2, learning_rate_of(optimizer))
    set_learning_rate(optimizer, halved)
    assert learning_rate_of(optimizer) == pytest.approx(halved)
    changed = sum((a != b).any() for a, b in zip(state(optimizer), before, strict=True))
    assert changed == len(keras.tree.flatten(halved))
    with pytest.raises(ValueError, match="Received: learning_rate"):
        set_learning_rate(optimizer, -1.0)
    model.set_weights(weights)


@pytest.mark.parametrize("name", ["MultiOptimizer", "LossScaleOptimizer of MultiOptimizer"])
def test_learning_rates_of_several_optimizers(model, name):
    optimizer = OPTIMIZERS[name]()
    optimizer.build(model.trainable_variables)
    rates = learning_rate_of(optimizer)
    assert sorted(rates) == pytest.approx([0.01, 0.1])
    reset_optimizer(optimizer, learning_rate=(0.5, None))
    assert learning_rate_of(optimizer) == pytest.approx((0.5, rates[1]))
    reset_optimizer(optimizer, learning_rate=rates)
    assert learning_rate_of(optimizer) == rates
    for refused in (0.1, (0.1,)):
        with pytest.raises(ValueError, match="2 optimizers"):
            reset_optimizer(optimizer, learning_rate=refused)


@pytest.mark.parametrize("name", ["schedule", "callable"])
def test_a_schedule_restarts_and_cannot_be_set(model, name):
    weights = model.get_weights()
    optimizer = OPTIMIZERS[name]()
    train(model, optimizer)
    before = state(optimizer)
    assert learning_rate_of(optimizer) is None
    with pytest.raises(ValueError, match="follows a schedule.*Received: learning_rate=0.1"):
        reset_optimizer(optimizer, learning_rate=0.1)
    for a, b in zip(state(optimizer), before, strict=True):
        np.testing.assert_array_equal(a, b)  # nothing half-assigned
    reset_optimizer(optimizer, learning_rate=learning_rate_of(optimizer))
    assert int(optimizer.iterations) == 0
    model.set_weights(weights)


@pytest.mark.parametrize(
    ("rate", "error"),
    [*((x, ValueError) for x in (np.nan, np.inf, -0.1)), ("0.1", TypeError), (True, TypeError)],
)
def test_a_bad_learning_rate_is_refused_and_nothing_assigned(model, rate, error):
    weights = model.get_weights()
    optimizer = keras.optimizers.Adam()
    train(model, optimizer)
    before = state(optimizer)
    with pytest.raises(error, match="Received: learning_rate"):
        reset_optimizer(optimizer, learning_rate=rate)
    for a, b in zip(state(optimizer), before, strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights(weights)


@pytest.mark.parametrize("thing", [None, "adam", 3])
def test_what_is_not_an_optimizer_is_refused(thing):
    with pytest.raises(TypeError, match="Received: optimizer="):
        reset_optimizer(thing)
    with pytest.raises(TypeError, match="Received: optimizer="):
        learning_rate_of(thing)


class Heavy(keras.optimizers.Optimizer):
    """A user's own optimizer: a variable of its own, a slot that starts at `start`."""

    def __init__(self, learning_rate=0.1, start=2.0, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.start = start

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.total = keras.Variable(5.0, trainable=False)
        self.velocities = self.add_optimizer_variables(
            variables, "velocity", initializer=keras.initializers.Constant(self.start)
        )

    def update_step(self, gradient, variable, learning_rate):
        velocity = self.velocities[self._get_variable_index(variable)]
        self.assign(velocity, 0.5 * velocity + gradient)
        self.assign_sub(variable, learning_rate * velocity / self.total)
        self.assign_add(self.total, 1.0)

    def get_config(self):
        return {**super().get_config(), "start": self.start}


class Forgetful(Heavy):
    """One that leaves the size of its slots out of its config."""

    def __init__(self, slots=1, **kwargs):
        super().__init__(**kwargs)
        self.slots = slots

    def build(self, variables):
        super().build(variables)
        self.more = [self.add_variable((2,)) for _ in range(self.slots)]


class Unrevivable(Heavy):
    """One whose config its own constructor refuses."""

    def get_config(self):
        return {**super().get_config(), "unknown": 1}


def test_an_optimizer_of_the_users_own(model):
    weights = model.get_weights()
    optimizer = Heavy(start=4.0)
    first = train(model, optimizer)
    model.set_weights(weights)
    reset_optimizer(optimizer)
    assert float(optimizer.total.numpy()) == 5.0
    assert (optimizer.velocities[0].numpy() == 4.0).all()
    for a, b in zip(first, train(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights(weights)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: Forgetful(slots=2), r"more/1"), (Unrevivable, "cannot be made anew")],
)
def test_one_that_its_config_does_not_describe_is_refused(model, make, message):
    weights = model.get_weights()
    optimizer = make()
    train(model, optimizer)
    before = state(optimizer)
    with pytest.raises(ValueError, match=message):
        reset_optimizer(optimizer)
    for a, b in zip(state(optimizer), before, strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights(weights)


def test_slots_are_made_one_at_a_time(model):
    """No second set of slots: a value is made only when its turn to be assigned comes."""
    weights = model.get_weights()
    alive, most = [], 0

    @keras.saving.register_keras_serializable(package="test_optimizer")
    class Counted(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            nonlocal most
            alive.append(shape)
            most = max(most, len(alive))
            return keras.ops.zeros(shape, dtype)

    class Counting(keras.optimizers.SGD):
        def add_optimizer_variables(self, variables, name, initializer="zeros"):
            return super().add_optimizer_variables(variables, name, initializer=Counted())

    optimizer = Counting(0.1, momentum=0.9)
    train(model, optimizer)
    alive.clear()
    most = 0
    for slot in optimizer.momentums:
        slot.assign = lambda value, assign=slot.assign: (assign(value), alive.clear())
    reset_optimizer(optimizer)
    assert most == 1
    model.set_weights(weights)


@pytest.mark.parametrize("name", ["Nadam", "ScheduleFreeAdamW", "average"])
def test_every_replica_is_reset(name, strategy):
    average = {"average": lambda: keras.optimizers.Adam(0.01, use_ema=True)}
    with strategy.scope():
        model = small_model()
        optimizer = {**OPTIMIZERS, **average}[name]()
    model.compile(optimizer, "mse")
    weights = model.get_weights()
    x, y = np.ones((8, 4), "float32"), np.ones((8, 3), "float32")

    def fit():
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    first = fit()
    model.set_weights(weights)
    reset_optimizer(optimizer)
    for variable in optimizer.variables:
        replicas = [v.numpy() for v in strategy.experimental_local_results(variable.value)]
        for replica in replicas[1:]:
            np.testing.assert_array_equal(replica, replicas[0])
    second = fit()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backends("tensorflow", "jax", reason="tracing")
def test_reset_between_epochs_does_not_retrace():
    model = small_model()
    traces = 0

    def loss(y, prediction):
        nonlocal traces
        traces += 1
        return keras.ops.mean(keras.ops.square(y - prediction))

    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss)
    x, y = np.ones((4, 4), "float32"), np.ones((4, 3), "float32")
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    traced = traces
    reset = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: reset_optimizer(optimizer))
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[reset])
    assert traces == traced
    assert int(optimizer.iterations) == 1
