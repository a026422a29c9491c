"""What a run is: how it is stored, checked, executed and planned."""

import abc
import dataclasses
import functools
import shutil
import sys
from typing import ClassVar

from experiments.engine import devices, folders
from experiments.engine.errors import BackupLost, UsageError, unknown
from experiments.engine.rows import digest


@dataclasses.dataclass(frozen=True)
class Run(abc.ABC):
    """One run: a frozen dataclass with everything that changes its result, and nothing else.

    Its fields are JSON values, with tuples for lists, and do not name the experiment: tables that
    need the same run share it.

    Attributes:
        task: name of the class in stored specs and in `catalogue.TASKS`.
        fitted: whether it is trained by `fit` alone, whose steps a strategy can share.
        batch_key: runs with the same one are executed together; None for each alone.
        total_steps: its optimizer steps, at most, for a plan.
        step_key: runs with the same one take the same time for a step.
    """

    task: ClassVar[str]
    fitted: ClassVar[bool] = False

    @classmethod
    def from_spec(cls, spec):
        """The run that a spec is of."""
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in folders.without_digests(spec).items()
            if name != "task"
        }
        return cls(**values)

    @property
    def spec(self):
        """The run as the store knows it: a flat dict of JSON values.

        Of a data set in a folder it holds a digest of the images, too.
        """
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }
        return {"task": self.task, **values, **folders.digests(values)}

    @abc.abstractmethod
    def check(self, context):
        """Raise `UsageError` if the run cannot start; reads no example and takes no time.

        Args:
            context: `experiments.engine.experiment.Context`.
        """

    @abc.abstractmethod
    def result(self, context, folder):
        """Do the run.

        Args:
            context: `experiments.engine.experiment.Context`.
            folder: for its backups, or None. It may not exist, or be that of an earlier process
                that was killed; it is removed when the result is there.

        Returns:
            A dict of JSON values.

        Raises:
            BackupLost: if what is in the folder is not enough to go on with.
        """

    def execute(self, context):
        """Check the run and do it; clean up after it.

        Args:
            context: `experiments.engine.experiment.Context`.

        Returns:
            The result, a dict of JSON values.

        Raises:
            UsageError: as `check`.
        """
        self.check(context)
        folder = None if context.backups is None else context.backups / digest(self.spec)
        try:
            result = self._result(context, folder)
        except Exception:
            forget_networks()  # whatever a training that broke off has left in them
            raise
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return result

    def _result(self, context, folder):
        """Go on from the backups; where they are of no use, begin again without them."""
        try:
            return self.result(context, folder)
        except BackupLost as lost:
            print(f"A run begins again: {lost}", file=sys.stderr)
            forget_networks()
            shutil.rmtree(folder)
            return self.result(context, folder)

    @property
    def batch_key(self):
        return None

    @classmethod
    def execute_together(cls, runs, context):
        """Execute runs with the same `batch_key`; returns the result of each."""
        return [run.execute(context) for run in runs]

    @property
    @abc.abstractmethod
    def total_steps(self): ...

    @property
    @abc.abstractmethod
    def step_key(self): ...

    @abc.abstractmethod
    def seconds_per_step(self):
        """The time of an optimizer step, measured on generated examples."""

    def check_names(self, **expected):
        """Raise `UsageError` if a field is none of the names expected of it."""
        for field, names in expected.items():
            if getattr(self, field) not in names:
                raise UsageError(unknown(field, getattr(self, field), [*filter(None, names)]))


_kept: list = []


def keep_network(build):
    """Keep the network that a function built last, for runs that differ in nothing it is made of.

    Keras forgets all networks before it builds one. Where a run breaks off none is kept.
    """

    @functools.lru_cache(maxsize=1)
    @functools.wraps(build)
    def built(*arguments, **options):
        devices.clear_session()
        return build(*arguments, **options)

    _kept.append(built)
    return built


def forget_networks():
    """Forget what the functions of `keep_network` have built."""
    for each in _kept:
        each.cache_clear()
