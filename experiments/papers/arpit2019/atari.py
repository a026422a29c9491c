"""Atari games as Gymnasium and the Arcade Learning Environment play them, several at once."""

import importlib

from experiments.engine.errors import UsageError, unknown

SKIP = 4  # frames for which an action is repeated; what is seen is the maximum of the last two
STACK = 4  # such pictures, the last ones, that are seen at once


def check(name):
    """Raise `UsageError` if there is no such game, or nothing to play it with."""
    known = _names()
    if name not in known:
        raise UsageError(unknown("environment", name, known))


def make(name, count, side):
    """Copies of a game that are played in step, each begun anew in the step in which it ends.

    A game begins with up to 30 idle frames. Rewards are clipped to [-1, 1]; `info["episode"]["r"]`
    has the whole, unclipped return of the games that have just ended.

    Args:
        name: of a game whose frames all are seen, such as "PongNoFrameskip-v4".
        count: number of copies.
        side: height and width in pixels to which the grey frames are brought.

    Returns:
        A `gymnasium.vector.VectorEnv` whose observations are uint8 (count, STACK, side, side).

    Raises:
        UsageError: as `check`.

    Reference:
        Machado et al. 2018 (the preprocessing).
    """
    check(name)
    import gymnasium
    from ale_py.vector_env import AtariVectorEnv
    from gymnasium.wrappers.vector import ClipReward, RecordEpisodeStatistics

    settings = gymnasium.spec(name).kwargs | {
        "frameskip": SKIP,
        "stack_num": STACK,
        "img_height": side,
        "img_width": side,
        "reward_clipping": False,
        "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP,
    }
    games = AtariVectorEnv(num_envs=count, **settings)
    return ClipReward(RecordEpisodeStatistics(games), -1.0, 1.0)


def _names():
    """The environments that leave the skipping of frames to us."""
    try:
        gymnasium, games = map(importlib.import_module, ("gymnasium", "ale_py"))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Atari games need Gymnasium and ALE. Received: no module '{error.name}'. Expected: "
            "pip install keras-reinit[rl]"
        ) from error
    gymnasium.register_envs(games)
    return [name for name in gymnasium.registry if name.endswith("NoFrameskip-v4")]
