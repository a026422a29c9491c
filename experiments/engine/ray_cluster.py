"""The machines of a Ray cluster share the runs of one command."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile

import experiments
import keras_reinit
from experiments.engine import folders, processes, runner
from experiments.engine.errors import UsageError
from experiments.engine.store import Store, now

RETRIES = 3  # times that Ray runs again what a process was at that died


def perform(specs, store, context, count, take_over=False):
    """Run what is missing, as `runner.perform` does, in processes of Ray on any machine.

    This process alone has the store. It joins the cluster that `RAY_ADDRESS` names, or begins one
    of this machine. Every machine gets the code from this one, and needs the packages that it
    imports and, where `data_dir` is, the data sets; backups stay on the machine that wrote them. A
    process that dies costs what it was at, which Ray runs again.

    Args:
        specs: list of specs, in the order in which they are begun.
        store: `experiments.engine.store.Store`.
        context: `experiments.engine.experiment.Context`, of values that can be pickled.
        count: number of runs, or batches of runs, at a time: they have equal shares of all cores
            and GPUs, but no more than one GPU.
        take_over: also do what another machine began and did not finish.

    Raises:
        UsageError: as `runner.perform`, or if Ray is not installed.
        KeyboardInterrupt: on an interrupt, SIGTERM too. The runs under way are left undone.
    """
    ray = _imported()
    pending = runner.unfinished(specs, store)
    if not pending:
        return
    from experiments.engine.progress import Progress

    since, done = now(), len(specs) - len(pending)
    waiting, under_way = runner.batches(pending), {}
    with (
        _cluster(ray, count, _absolute(context)) as begin,
        runner.terminable(),
        Progress(len(specs), done) as progress,
    ):
        try:
            while waiting or under_way:
                while waiting and len(under_way) < count:
                    batch = [spec for spec in waiting.pop(0) if store.claim(spec, since, take_over)]
                    if batch:
                        under_way[begin(batch)] = batch
                for ended in ray.wait(list(under_way))[0] if under_way else ():
                    _record(ray, ended, under_way[ended], store)
                    done += len(under_way.pop(ended))
                    progress.reach(done)
        finally:
            for batch in under_way.values():
                for spec in batch:
                    store.release(spec)


def execute(specs, context, environment):
    """Execute runs on whichever machine this is.

    Args:
        specs: list of specs that are executed together.
        context: `experiments.engine.experiment.Context`.
        environment: dict of variables that the environment gets if it has them not.

    Returns:
        A list with one entry a run: (result, seconds), or its error, a str.

    Raises:
        UsageError: as `runner.perform`.
    """
    for name, value in environment.items():  # before TensorFlow is imported
        os.environ.setdefault(name, value)
    with (
        folders.once(),
        tempfile.TemporaryDirectory() as folder,
        Store(pathlib.Path(folder) / "runs.sqlite") as own,
    ):
        runner.share(specs, own, context, now())
        errors = [error for _, error in own.states(specs)]
        return [done or error for done, error in zip(own.results(specs), errors, strict=True)]


def _imported():
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UsageError(
            "Ray is not installed. Received: --engine ray. Install it with: "
            "pip install keras-reinit[ray]"
        ) from error
    return ray


def _absolute(context):
    """The context for processes that are in other folders."""
    return dataclasses.replace(
        context,
        data_dir=context.data_dir and os.path.abspath(context.data_dir),
        backups=context.backups and context.backups.resolve(),
    )


@contextlib.contextmanager
def _cluster(ray, count, context):
    """A function that has a batch executed somewhere in the cluster and returns Ray's reference."""
    ray.init(
        os.environ.get("RAY_ADDRESS", "local"),
        runtime_env={"py_modules": [experiments, keras_reinit]},
        log_to_driver=False,
    )
    try:
        there = ray.cluster_resources()
        cores, gpus = max(1, int(there.get("CPU", 1)) // count), there.get("GPU", 0)
        environment = dict.fromkeys(processes.THREADS, str(cores))
        environment["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # runs may share a GPU
        share = {"num_cpus": cores, "num_gpus": min(1, gpus / count)}
        remote = ray.remote(max_retries=RETRIES, **share)(execute)
        yield lambda batch: remote.remote(batch, context, environment)
    finally:
        ray.shutdown()


def _record(ray, ended, batch, store):
    """Tell the store what came of a batch."""
    try:
        outcomes = ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:  # the process died, and died again
        outcomes = [runner.summary(error)] * len(batch)
    for spec, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, str):
            store.fail(spec, outcome)
        else:
            store.finish(spec, *outcome)
