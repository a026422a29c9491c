"""Variables that are put back: after an error, or in any case."""

import contextlib

import keras


class Snapshot:
    """The values of some variables at one moment.

    Args:
        variables: Keras variables; copies of their values are held on their device.
    """

    def __init__(self, variables):
        self.variables = list(variables)
        self.values = [keras.ops.copy(variable.value) for variable in self.variables]

    def restore(self):
        """Give every variable the value that it had, bit for bit."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def restored_on_error(variables):
    """Put variables back if what happens inside fails half-way."""
    before = Snapshot(variables)
    try:
        yield
    except BaseException:
        before.restore()
        raise


@contextlib.contextmanager
def unchanged(variables):
    """Put variables back afterwards, also after an exception."""
    before = Snapshot(variables)
    try:
        yield
    finally:
        before.restore()
