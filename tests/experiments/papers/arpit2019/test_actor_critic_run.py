"""Actor-critic on Atari games: the games, the returns, the loss, an update, a run."""

import dataclasses
import json
import sys

import keras
import numpy as np
import pytest

from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.arpit2019 import actor_critic_run, atari
from experiments.papers.arpit2019.actor_critic_run import ActorCriticRun

PONG = "PongNoFrameskip-v4"
TINY = ActorCriticRun(depth=10, width=0.1, side=16, workers=2, unroll=3, steps=20)
SIZE = TINY.workers * TINY.unroll


def run(callbacks=(), **changes):
    spec = dataclasses.replace(TINY, **changes).spec
    return catalogue.run(spec).execute(Context(callbacks=callbacks))


@pytest.fixture(scope="module")
def result():
    return run()


# The games.


def test_pictures_are_small_grey_and_stacked():
    games = atari.make(PONG, 3, 42)
    pictures, _ = games.reset(seed=0)
    assert (pictures.shape, pictures.dtype) == ((3, atari.STACK, 42, 42), np.uint8)
    assert pictures.max() > pictures.min()
    seen, rewards, lost, stopped, _ = games.step(np.array([0, 2, 3]))
    np.testing.assert_array_equal(seen[:, :-1], pictures[:, 1:])
    assert rewards.shape == lost.shape == stopped.shape == (3,)
    games.close()


def test_a_seed_fixes_the_games(rng):
    actions = rng.integers(6, size=(30, 2))

    def played(seed):
        games = atari.make(PONG, 2, 20)
        seen = [games.reset(seed=np.array([seed, seed + 1], "int32"))[0]]
        seen += [games.step(action)[0] for action in actions]
        games.close()
        return np.array(seen)

    first = played(1)
    np.testing.assert_array_equal(played(1), first)
    assert (played(3) != first).any()


def test_a_game_that_ends_begins_anew_and_tells_its_score():
    games = atari.make(PONG, 2, 20)
    games.reset(seed=0)
    score, ended = np.zeros(2), np.zeros(2, bool)
    while not ended.any():
        seen, rewards, lost, stopped, info = games.step(np.zeros(2, "int64"))
        score, ended = score + rewards, lost | stopped
    (k,) = np.flatnonzero(ended)[:1]
    assert info["episode"]["r"][k] == score[k] == -21
    assert not seen[k][0].any()  # before a new game nothing was seen
    assert seen[k][-1].any()
    games.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": "PongNoFrameskip-v5"}, "Did you mean 'PongNoFrameskip-v4'?"),
        ({"scheme": "arpitt"}, "Unknown scheme. Received: 'arpitt'. Did you mean 'arpit'?"),
        ({"initializer": "torch"}, "Did you mean 'pytorch'?"),
        ({"depth": 99}, "IMPALA has 6 n + 4 layers. Received: depth=99."),
    ],
)
def test_a_run_that_cannot_start(changes, message):
    spec = dataclasses.replace(TINY, **changes).spec
    with pytest.raises(UsageError, match=message.replace("?", r"\?").replace("+", r"\+")):
        catalogue.run(spec).check(Context())


@pytest.mark.parametrize("package", ["gymnasium", "ale_py"])
def test_a_package_that_is_not_there(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"'{package}'.* pip install keras-reinit\[rl\]"):
        TINY.check(Context())


# The actor-critic.


@pytest.fixture
def seen(rng):
    """What an update sees, for 4 steps of 3 games with 5 actions; one game ends at step 1."""
    ends = np.zeros((4, 3), "float32")
    ends[1, 2] = 1
    return {
        "logits": rng.normal(size=(4, 3, 5)).astype("float32"),
        "values": rng.normal(size=(5, 3)).astype("float32"),
        "actions": rng.integers(5, size=(4, 3)),
        "rewards": rng.integers(-1, 2, size=(4, 3)).astype("float32"),
        "ends": ends,
    }


def returned(values, rewards, ends, discount):
    """Each return on its own: rewards up to the end of its game, or the value after them all."""
    length, games = rewards.shape
    found = np.zeros((length, games))
    for t in range(length):
        for k in range(games):
            factor = 1.0
            for later in range(t, length):
                found[t, k] += factor * rewards[later, k]
                factor *= discount
                if ends[later, k]:
                    break
            else:
                found[t, k] += factor * values[length, k]
    return found


def policy(logits):
    chances = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return chances / chances.sum(axis=-1, keepdims=True)


def by_hand(run, logits, values, actions, rewards, ends):
    """Loss, entropy, and the slopes of the loss in logits and values, in NumPy."""
    chances = policy(logits.astype("float64"))
    taken = np.eye(logits.shape[-1])[actions]
    entropies = -(chances * np.log(chances)).sum(axis=-1)
    error = returned(values, rewards, ends, run.discount) - values[:-1]
    loss = (
        -(taken * np.log(chances)).sum(axis=-1) * error
        + run.value_weight * error**2
        - run.entropy_weight * entropies
    )
    of_entropy = -chances * (np.log(chances) + entropies[..., None])
    in_logits = (chances - taken) * error[..., None] - run.entropy_weight * of_entropy
    in_values = np.concatenate([-2 * run.value_weight * error, np.zeros((1, values.shape[1]))])
    return loss.mean(), entropies.mean(), in_logits / error.size, in_values / error.size


def test_returns_stop_at_the_end_of_a_game(seen):
    found = actor_critic_run.discounted(seen["rewards"], seen["ends"], seen["values"][-1], 0.9)
    expected = returned(seen["values"], seen["rewards"], seen["ends"], 0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_loss_and_what_it_changes(seen):
    tf = pytest.importorskip("tensorflow")
    settings = dataclasses.replace(TINY, value_weight=0.3, entropy_weight=0.2)
    tensors = {name: tf.constant(value) for name, value in seen.items()}
    outputs = [tensors["logits"], tensors["values"]]
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss, entropy = actor_critic_run.objective(settings, **tensors)
    found = [loss, entropy, *tape.gradient(loss, outputs)]
    for value, expected in zip(found, by_hand(settings, **seen), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scheme", ["arpit", None])
def test_an_update_is_a_step_of_rmsprop_on_the_clipped_gradient(scheme, rng):
    tf = pytest.importorskip("tensorflow")
    settings = dataclasses.replace(TINY, scheme=scheme, clip=0.01, learning_rate=0.02)
    agent = actor_critic_run.Agent(settings, actions=6)
    agent.restart(settings)
    shape = settings.unroll, settings.workers
    size = (shape[0] + 1, shape[1], atari.STACK, settings.side, settings.side)
    pictures = rng.integers(256, size=size, dtype="uint8")
    actions = rng.integers(6, size=shape)
    rewards, ends = rng.normal(size=(2, *shape)).astype("float32")
    ends = (ends > 0).astype("float32")
    images = np.moveaxis(pictures.reshape(-1, *size[2:]), 1, -1).astype("float32") / 255
    weights = agent.network.trainable_variables
    with tf.GradientTape() as tape:
        logits, values = agent.network(images)
        logits = tf.reshape(logits, (*size[:2], 6))[:-1]
        values = tf.reshape(values, size[:2])
        loss, _ = actor_critic_run.objective(settings, logits, values, actions, rewards, ends)
    gradients = [np.array(slope) for slope in tape.gradient(loss, weights)]
    norm = np.sqrt(sum((slope**2).sum() for slope in gradients))
    before = [np.array(weight) for weight in weights]
    expected = by_hand(settings, *map(np.array, (logits, values)), actions, rewards, ends)

    measured = agent.update(pictures, actions, rewards, ends)

    np.testing.assert_allclose(measured, [*expected[:2], norm], rtol=1e-3)
    assert norm > settings.clip
    for weight, start, slope in zip(weights, before, gradients, strict=True):
        slope = slope * settings.clip / norm
        step = settings.learning_rate * slope / np.sqrt(0.01 * slope**2 + 1e-5)
        np.testing.assert_allclose(np.array(weight) - start, -step, rtol=1e-2, atol=1e-6)


def test_actions_are_drawn_by_the_policy_and_named_by_seeds(rng):
    agent = actor_critic_run.Agent(TINY, actions=6)
    agent.restart(TINY)
    picture = rng.integers(256, size=(atari.STACK, TINY.side, TINY.side), dtype="uint8")
    logits, _ = agent.network(np.moveaxis(picture, 0, -1)[None].astype("float32") / 255)
    drawn = agent.act(np.stack([picture] * 4000), np.array([0, 1])).numpy()
    shares = np.bincount(drawn, minlength=6) / 4000
    np.testing.assert_allclose(shares, policy(np.array(logits))[0], atol=0.04)
    again, other = (
        agent.act(np.stack([picture] * 4000), np.array([0, seed])).numpy() for seed in (1, 2)
    )
    np.testing.assert_array_equal(again, drawn)
    assert (other != drawn).any()


# A run.


def test_the_defaults_are_the_papers():
    run = ActorCriticRun()
    assert (run.environment, run.depth, run.workers, run.steps) == (PONG, 100, 6, 7_000_000)
    assert run.total_steps == 58_334


def test_what_a_run_records(result):
    assert TINY.total_steps == 4
    assert result["ends"] == [SIZE, 2 * SIZE, 3 * SIZE, 4 * SIZE]
    assert all(len(result[name]) == 4 for name in actor_critic_run.MEASURED)
    assert all(0 < entropy <= 1.7918 for entropy in result["entropy"])
    assert result["diverged"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_run_is_fixed_by_its_seed_and_not_by_what_ran_before(result):
    others = [run(seed=1), run(scheme="pytorch")]
    assert run() == result
    assert all(other["loss"] != result["loss"] for other in others)


def test_runs_of_one_network_share_their_traces(result):
    run(seed=1)
    run(scheme="pytorch", learning_rate=0.1, steps=SIZE)
    agent = actor_critic_run._agent(actor_critic_run._form(TINY), 6)
    assert agent.act.experimental_get_tracing_count() == 1
    assert agent.update.experimental_get_tracing_count() == 1


def test_games_that_end_are_recorded(monkeypatch):
    class Short:
        """Two games of five steps, of which each has a reward of 1."""

        def __init__(self, games):
            self.single_action_space, self.close, self._games = (
                games.single_action_space, games.close, games
            )  # fmt: skip
            self._steps = 0

        def reset(self, seed):
            return self._games.reset(seed=seed)

        def step(self, actions):
            self._steps += 1
            over = np.array([self._steps % 5 == 0] * 2)
            info = {"episode": {"r": np.where(over, 5.0, 0.0)}} if over.any() else {}
            return self._games.step(actions)[0], np.ones(2), over, ~over & over, info

    make = atari.make
    monkeypatch.setattr(atari, "make", lambda *arguments: Short(make(*arguments)))
    found = run()
    assert found["episode_ends"] == [10, 10, 20, 20]
    assert found["returns"] == [5.0] * 4


def test_a_run_ends_where_it_diverges():
    found = run(learning_rate=1e30)
    assert found["diverged"] == 2 * SIZE
    assert found["ends"] == [SIZE]
    assert all(len(found[name]) == 1 for name in actor_critic_run.MEASURED)


def test_parts_are_means_over_their_updates(result, monkeypatch):
    monkeypatch.setattr(actor_critic_run, "PARTS", 2)
    found = run()
    assert found["ends"] == [2 * SIZE, 4 * SIZE]
    expected = np.array(result["loss"]).reshape(2, 2).mean(axis=1)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-3)


def test_progress_is_told():
    class Told(keras.callbacks.Callback):
        epochs = ()

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += ((epoch, self.params["epochs"]),)

    told = Told()
    run(callbacks=(told,))
    assert told.epochs == ((0, 4), (1, 4), (2, 4), (3, 4))


def test_the_time_of_a_step_is_that_of_play_and_update():
    assert dataclasses.replace(TINY, scheme=None).seconds_per_step() > 0
    keys = {
        dataclasses.replace(TINY, **changes).step_key
        for changes in ({}, {"scheme": "pytorch"}, {"scheme": None}, {"seed": 1, "steps": 9})
    }
    assert len(keys) == 2
