"""A deep network learns to play an Atari game from its pictures, by actor-critic.

All copies of the game take `unroll` actions by the policy as it is, then one step of the optimizer
is made from all that they saw: the synchronous form of A3C, which is the same in every run of a
seed. (On a GPU that takes `tf.config.experimental.enable_op_determinism`, too.) Settings of the
training that are not in the poster are ours; the optimizer is RMSprop.

A step is one action of one copy of the game, four frames long. A result has lists with one entry a
game that ended: "episode_ends", the step, and "returns", the sum of its rewards; and lists with one
entry for each of at most `PARTS` equal parts of the training: "ends", the step at which it ended,
and the means of "loss", "entropy" of the policy in nats and "gradient_norm" before it is clipped.
"diverged" is the step at which loss or gradient ceased to be finite, which ends a run, or None.

A game that is stopped by its time limit counts as one that ended. A run that is killed starts over:
the state of the games is not kept.
"""

import contextlib
import dataclasses
import itertools
import time

import keras
import numpy as np
from keras import ops

import keras_reinit as kr
from experiments.engine.errors import UsageError
from experiments.engine.run import Run, keep_network
from experiments.papers.arpit2019 import atari
from keras_reinit.core import fold_in
from keras_reinit.model import renew

PARTS = 100
PROBES = 2  # updates that are timed
SCHEMES = (None, "arpit", "hanin", "he", "pytorch")
INITIALIZERS = {
    "he": keras.initializers.HeNormal(),
    "pytorch": keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
}
MEASURED = ("loss", "entropy", "gradient_norm")


@dataclasses.dataclass(frozen=True)
class ActorCriticRun(Run):
    """One training; environment, depth, workers and steps are the paper's by default.

    Args:
        environment: a game as Gymnasium names it, whose frames all are seen.
        scheme: of `keras_reinit.initialize`, or None for a network without weight normalisation.
        initializer: of the kernels that are not weight-normalised: "he", or "pytorch",
            U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)). Biases are 0.
        seed: of weights, games and actions.
        depth: layers of `keras_reinit.backbones.impala`, 6 n + 4.
        width: multiplier of its filters and units.
        side: height and width of a picture.
        workers: copies of the game.
        unroll: actions of each between two updates.
        steps: actions of all of them together; the last update is made in full.
        discount: factor on the reward of the next step.
        value_weight: factor on the squared error of the value.
        entropy_weight: factor on the entropy of the policy.
        clip: largest norm of a gradient.
        learning_rate: of RMSprop.
    """

    task = "actor_critic"

    environment: str = "PongNoFrameskip-v4"
    scheme: str | None = "arpit"
    initializer: str = "pytorch"
    seed: int = 0
    depth: int = 100
    width: float = 1.0
    side: int = 84
    workers: int = 6
    unroll: int = 20
    steps: int = 7_000_000
    discount: float = 0.99
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    clip: float = 0.5
    learning_rate: float = 7e-4

    def check(self, context):
        self.check_names(scheme=SCHEMES, initializer=INITIALIZERS)
        if self.depth < 10 or self.depth % 6 != 4:
            raise UsageError(
                "IMPALA has 6 n + 4 layers. Received: "
                f"depth={self.depth}. Expected e.g. 16, the original, or 100."
            )
        atari.check(self.environment)

    def result(self, context, folder):
        """Train over all steps; returns the result."""
        with _games(self) as games:
            agent = _agent(_form(self), int(games.single_action_space.n))
            agent.restart(self)
            return _train(self, agent, games, context.callbacks)

    @property
    def total_steps(self):
        return -(-self.steps // (self.workers * self.unroll))

    @property
    def step_key(self):
        norm = "weight" if self.scheme else None
        return f"{self.depth} x{self.width:g} {norm}", f"{self.side}px", self.workers, self.unroll

    def seconds_per_step(self):
        """The time of an optimizer step and of the actions before it."""
        with _games(self) as games:
            agent = _agent(_form(self), int(games.single_action_space.n))
            agent.restart(self)
            updates = _updates(self, agent, games, [])
            next(updates)  # compiles
            start = time.perf_counter()
            list(itertools.islice(updates, PROBES))
            return (time.perf_counter() - start) / PROBES


def _form(run):
    """The run without what does not change its computations."""
    scheme = "arpit" if run.scheme else None
    return dataclasses.replace(run, scheme=scheme, seed=0, steps=0, learning_rate=0.0)


def _games(run):
    return contextlib.closing(atari.make(run.environment, run.workers, run.side))


# The actor-critic.


def discounted(rewards, ends, last, discount):
    """What is to come from each step on, as far as it was seen, and after that as foreseen.

    `returns[t] = rewards[t] + discount * (1 - ends[t]) * returns[t + 1]`, `returns[T] = last`

    Args:
        rewards: float32 (T, n), for T steps of n games.
        ends: float32 (T, n): 1 where a game ended with this step, else 0.
        last: float32 (n,): values after the last step.
        discount: float in [0, 1].

    Returns:
        A list of T arrays or tensors (n,).
    """
    returns = [last]
    for t in reversed(range(len(rewards))):
        returns.append(rewards[t] + discount * (1 - ends[t]) * returns[-1])
    return returns[:0:-1]


def objective(run, logits, values, actions, rewards, ends):
    """The loss of an update.

    `mean(-log pi(a) * (R - V) + value_weight * (R - V)^2 - entropy_weight * H(pi))` with `R` as
    `discounted`; no gradient flows through `R`, nor through the first `R - V`

    Args:
        run: `ActorCriticRun`.
        logits: float32 (T, n, actions), of the policy pi before each step.
        values: float32 (T + 1, n): V before each step, and after the last one.
        actions: int64 (T, n), those that were taken.
        rewards: as `discounted`, and so is `ends`.
        ends: see there.

    Returns:
        The loss and the mean entropy, tensors.
    """
    log_policy = ops.log_softmax(logits)
    taken = ops.take_along_axis(log_policy, actions[..., None], axis=-1)[..., 0]
    entropy = -ops.sum(ops.exp(log_policy) * log_policy, axis=-1)
    returns = ops.stop_gradient(ops.stack(discounted(rewards, ends, values[-1], run.discount)))
    error = returns - values[:-1]
    loss = (
        -taken * ops.stop_gradient(error)
        + run.value_weight * ops.square(error)
        - run.entropy_weight * entropy
    )
    return ops.mean(loss), ops.mean(entropy)


class Agent:
    """A network of policy and value, and what it does, each traced once.

    Args:
        run: `ActorCriticRun`; its scheme says whether there is weight normalisation.
        actions: number of actions.

    Attributes:
        network: the `keras.Model`.
        act: from uint8 pictures (n, STACK, side, side) and two ints that name the draw, int64 (2,),
            to actions (n,).
        update: from uint8 pictures (T + 1, n, STACK, side, side), actions, rewards and ends, as
            `objective`, to what `MEASURED` names, after a step of the optimizer.
    """

    def __init__(self, run, actions):
        import tensorflow as tf

        self.network = kr.backbones.impala(
            (run.side, run.side, atari.STACK),
            actions,
            norm="weight" if run.scheme else None,
            kernel_initializer=INITIALIZERS[run.initializer],
            depth=run.depth,
            width=run.width,
        )
        self._optimizer = keras.optimizers.RMSprop(rho=0.99, epsilon=1e-5)
        weights = self.network.trainable_variables
        self._optimizer.build(weights)

        def judge(pictures):
            pictures = tf.cast(tf.transpose(pictures, (0, 2, 3, 1)), "float32") / 255
            logits, value = self.network(pictures, training=True)
            return logits, value[:, 0]

        @tf.function
        def act(pictures, seed):
            logits, _ = judge(pictures)
            drawn = tf.random.stateless_categorical(logits, 1, seed)[:, 0]
            return tf.minimum(drawn, actions - 1)  # NaN draws what there is not

        @tf.function
        def update(pictures, taken, rewards, ends):
            time, games = pictures.shape[:2]
            with tf.GradientTape() as tape:
                logits, values = judge(tf.reshape(pictures, (-1, *pictures.shape[2:])))
                logits = tf.reshape(logits, (time, games, actions))[:-1]
                values = tf.reshape(values, (time, games))
                loss, entropy = objective(run, logits, values, taken, rewards, ends)
            gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, weights), run.clip)
            self._optimizer.apply(gradients, weights)
            return tf.stack([loss, entropy, norm])

        self.act, self.update = act, update

    def restart(self, run):
        """Make it the new agent of a run."""
        if run.scheme:
            kr.initialize(self.network, run.scheme, seed=run.seed)
        else:
            renew(self.network, run.seed)
        kr.reset_optimizer(self._optimizer, run.learning_rate)


@keep_network
def _agent(form, actions):
    return Agent(form, actions)


def _updates(run, agent, games, episodes):
    """Play and learn for ever, or until something is not finite.

    Args:
        run: `ActorCriticRun`.
        agent: `Agent`.
        games: as `atari.make`.
        episodes: list to which (step, return) of every game that ends is added.

    Yields:
        What `MEASURED` names, float32 (3,), after each update.
    """
    shape = run.unroll, run.workers
    actions, rewards, ends = np.zeros(shape, "int64"), np.zeros(shape, "f"), np.zeros(shape, "f")
    first, _ = games.reset(seed=_seeds(run, "games", run.workers))
    pictures = np.stack([first] * (run.unroll + 1))
    (draw,) = _seeds(run, "actions", 1)
    for start in itertools.count(0, run.unroll):
        for t in range(run.unroll):
            actions[t] = agent.act(pictures[t], np.array([draw, start + t]))
            pictures[t + 1], rewards[t], lost, stopped, info = games.step(actions[t])
            ends[t] = lost | stopped
            episodes += [
                ((start + t + 1) * run.workers, float(info["episode"]["r"][k]))
                for k in np.flatnonzero(ends[t])
            ]
        measured = agent.update(pictures, actions, rewards, ends).numpy()
        if not np.isfinite(measured).all():
            return
        yield measured
        pictures[0] = pictures[-1]


def _seeds(run, name, count):
    return np.array([fold_in(run.seed, name, k) for k in range(count)], "int32")


def _train(run, agent, games, callbacks):
    episodes: list = []
    updates = _updates(run, agent, games, episodes)
    total, size = run.total_steps, run.workers * run.unroll
    parts = np.array_split(np.arange(total), min(PARTS, total))
    progress = keras.callbacks.CallbackList(list(callbacks), epochs=len(parts))
    found: dict = {name: [] for name in ("ends", *MEASURED)}
    done = 0
    progress.on_train_begin()
    for number, part in enumerate(parts):
        measured = list(itertools.islice(updates, len(part)))
        done += len(measured)
        if len(measured) < len(part):
            break
        found["ends"].append(done * size)
        for name, mean in zip(MEASURED, np.mean(measured, axis=0), strict=True):
            found[name].append(float(f"{mean:.5g}"))
        progress.on_epoch_end(number)
    progress.on_train_end()
    return found | {
        "episode_ends": [step for step, _ in episodes],
        "returns": [value for _, value in episodes],
        "diverged": (done + 1) * size if done < total else None,
    }
