"""Several processes of this machine share the runs of one command."""

import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import threading
from multiprocessing import connection

import tqdm

from experiments.engine import folders, runner
from experiments.engine.errors import UsageError
from experiments.engine.store import Store, now

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
INTERVAL = 1  # seconds between two looks at what the workers have done
PATIENCE = 10  # seconds that a worker has to end when it is told to
DEATHS = 3  # so many workers die before a run is finished: no more of them are begun
TAIL = 20  # lines of a worker that died, as shown


def perform(specs, store, context, count, take_over=False):
    """Run what is missing, as `runner.perform` does, in processes that share the store.

    Each has its share of the cores and one GPU, in turn. A worker that dies costs what it was at,
    which another one does. What a worker printed is shown when it dies.

    Args:
        specs: list of specs, in the order in which they are begun.
        store: `experiments.engine.store.Store`, whose file each worker opens.
        context: `experiments.engine.experiment.Context`, of values that can be pickled.
        count: number of workers.
        take_over: also do what another machine began and did not finish.

    Raises:
        UsageError: that of the first worker that ends so, as `runner.perform`.
        KeyboardInterrupt: on an interrupt, SIGTERM too. The runs under way are left undone.
    """
    pending = runner.unfinished(specs, store)
    if not pending:
        return
    from experiments.engine.progress import Progress

    done = len(specs) - len(pending)
    arguments = store.path, pending, context, now(), take_over
    environments = shares(count, _cores(), _gpus(), os.environ)
    places = dict(enumerate(environments[: len(runner.batches(pending))]))
    deaths, team = 0, {}
    with (
        runner.terminable(),
        tempfile.TemporaryDirectory() as logs,
        Progress(len(specs), done) as progress,
    ):

        def begin(place):
            team[place] = _Worker(pathlib.Path(logs) / str(place), places[place], arguments)

        try:
            for place in places:
                begin(place)
            while team:
                connection.wait([worker.process.sentinel for worker in team.values()], INTERVAL)
                ended = [place for place, worker in team.items() if not worker.process.is_alive()]
                deaths += sum(team.pop(place).died() for place in ended)
                counts = store.counts(specs)
                if counts["finished"] > done:
                    deaths, done = 0, counts["finished"]
                    progress.reach(done)
                if deaths < DEATHS:
                    for place in sorted(places.keys() - team.keys())[: counts["missing"]]:
                        begin(place)
        finally:
            for worker in team.values():
                worker.process.terminate()
            for worker in team.values():
                worker.end()


def shares(count, cores, gpus, given):
    """What the environment of each worker has, beside what all have.

    Args:
        count: number of workers.
        cores: number of cores that they share.
        gpus: list of str, the GPUs as `CUDA_VISIBLE_DEVICES` names them, or none.
        given: dict, the environment of all; what it says of threads and memory is kept.

    Returns:
        A list of `count` dicts {name: value}.
    """
    common = dict.fromkeys(THREADS, str(max(1, cores // count)))
    if gpus:
        common["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # or one worker takes all memory of a GPU
    common = {name: value for name, value in common.items() if name not in given}
    if not gpus:
        return [common] * count
    return [common | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(count)]


def _cores():
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus():
    """The names of the GPUs that TensorFlow sees."""
    import tensorflow as tf

    count = len(tf.config.list_physical_devices("GPU"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(number) for number in range(count)]


class _Worker:
    """One process, from its beginning.

    Args:
        log: path of the file that it prints to.
        environment: what its environment has beside this one's.
        arguments: the others of `_work`.
    """

    def __init__(self, log, environment, arguments):
        method = multiprocessing.get_context("spawn")
        self._log = log
        log.write_bytes(b"")
        self._mistakes, sender = method.Pipe(duplex=False)
        self.process = method.Process(target=_work, args=(log, environment, sender, *arguments))
        self.process.start()
        sender.close()

    def died(self):
        """Whether an ended process did so before its time; then say so.

        Raises:
            UsageError: that of the worker.
        """
        self.process.join()
        status = self.process.exitcode
        if self._mistakes.poll() and status == 2:
            raise UsageError(self._mistakes.recv())
        if status:
            cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            lines = self._log.read_text(errors="replace").splitlines()[-TAIL:]
            text = [f"A worker died ({cause}); what it was at is done by another one.", *lines]
            tqdm.tqdm.write("\n".join(text), file=sys.stderr)
        return status != 0

    def end(self):
        """Wait for a process that was told to end; not for long."""
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()


def _work(log, environment, sender, path, specs, context, since, take_over):
    """What a worker does: all that no other one does."""
    os.environ.update(environment)  # before TensorFlow is imported
    with open(log, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        with runner.terminable(), folders.once(), Store(path) as store:
            runner.share(specs, store, context, since, take_over)
    except UsageError as error:
        sender.send(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with(parent):
    """End when the command does, even by a kill."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
