"""One run on several devices or machines at once, by a strategy of `tf.distribute`.

A strategy is no part of a spec: a run on several replicas is the run on one, up to the order in
which numbers are summed. What would make it another one is refused.
"""

import dataclasses
import sys
import zlib

import keras

from experiments.engine import catalogue, devices, rows, runner
from experiments.engine.errors import UsageError
from keras_reinit import distribution


def place(kind, specs):
    """Where runs are executed: a `Replicas`.

    Args:
        kind: as `keras_reinit.distribution.strategy` names it.
        specs: list of specs; each worker of "multiworker" gives the same.

    Raises:
        UsageError: if one of them cannot be executed there, or there is no such place.
    """
    refused = sorted({run.task for run in map(catalogue.run, specs) if not run.fitted})
    if refused:
        raise UsageError(
            f"A strategy shares the steps of `fit`. Received: --strategy {kind} for the task "
            f"'{refused[0]}', which trains several networks at once or in a loop of its own, or "
            "measures what replicas cannot. Expected no --strategy; --workers shares the runs."
        )
    try:
        strategy = distribution.strategy(kind)
        return (Machines if kind == "multiworker" else Replicas)(strategy, specs)
    except ValueError as error:
        raise UsageError(str(error)) from error


class Replicas:
    """The devices of a strategy, as the place of a `Context`.

    Args:
        strategy: a `tf.distribute.Strategy`.
        specs: list of the specs that are executed there.

    Raises:
        UsageError: if replicas would make another run of one of them.
    """

    def __init__(self, strategy, specs):
        self._strategy, self._specs = strategy, specs
        number = strategy.num_replicas_in_sync
        for spec in specs if number > 1 else ():
            devices.check_even([spec["batch_size"], spec.get("first_batch_size") or 0], number)
            if spec.get("dropout"):
                raise UsageError(
                    "Every replica draws the same mask, for its own part of the batch. Received: "
                    f"dropout={spec['dropout']} on {number} replicas. Expected 0."
                )

    @property
    def leads(self):
        """Whether this process has the store."""
        return True

    def perform(self, specs, store, context, take_over=False):
        """As `experiments.engine.runner.perform`."""
        runner.perform(specs, store, dataclasses.replace(context, place=self), take_over)

    def __call__(self, spec):
        return devices.inside(self._strategy)


class Machines(Replicas):
    """Workers on several machines, each of which runs the same command.

    The first one has the store. It tells the others which run is next; they execute it too, and
    record nothing. If one of them dies, TensorFlow ends the others. There are no backups: not all
    that a run keeps there is written by the first one alone.
    """

    def __init__(self, strategy, specs):
        super().__init__(strategy, specs)
        with strategy.scope():
            self._model = keras.Sequential()  # by which the workers talk
        runs = zlib.crc32("".join(map(rows.key, specs)).encode())
        remedy = "Give the same command to all."
        distribution.check_workers_agree(self._model, "CRC of the runs", runs, remedy)

    @property
    def leads(self):
        """Whether this is the first worker."""
        return distribution.is_chief()

    def perform(self, specs, store, context, take_over=False):
        """As `experiments.engine.runner.perform`, with the others' help."""
        super().perform(specs, store, dataclasses.replace(context, backups=None), take_over)
        self._tell(len(self._specs))

    def __call__(self, spec):
        self._tell(self._specs.index(spec))
        return super().__call__(spec)

    def follow(self, context):
        """Execute what the first worker tells, to the end.

        Args:
            context: `experiments.engine.experiment.Context`.

        Raises:
            UsageError: if this machine cannot, such as for want of a data set.
        """
        while (number := self._tell(0)) < len(self._specs):
            spec = self._specs[number]
            try:
                with devices.inside(self._strategy):
                    catalogue.run(spec).execute(context)
            except UsageError:
                raise
            except Exception as error:  # the first worker records its own
                print(f"A run failed: {runner.summary(error)}", file=sys.stderr)

    def _tell(self, number):
        """The number that the first worker says, to all."""
        return int(distribution.from_workers(self._model, number)[0])
