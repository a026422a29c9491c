"""The line that makes a strategy."""

import json

import keras
import pytest

import keras_reinit as kr

WORKERS = {"worker": ["localhost:1", "localhost:2"]}

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.distribute needs the TensorFlow backend", allow_module_level=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "mirror"}, "Received: kind='mirror'. Did you mean 'mirrored'"),
        ({"kind": "multiworker", "devices": ["CPU:0"]}, "`devices` is for 'mirrored'"),
        ({"kind": "mirrored", "address": "local"}, "`address` is for 'tpu'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kr.distribution.strategy(**arguments)


@pytest.mark.parametrize("config", [None, "", {"cluster": WORKERS}, {"task": {"index": 0}}])
def test_several_workers_need_a_configuration(config, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config and json.dumps(config))
    with pytest.raises(ValueError, match="each process would train alone"):
        kr.distribution.strategy("multiworker")


def test_other_backends_are_told_where_to_look(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Received: jax.*keras.distribution"):
        kr.distribution.strategy("mirrored")


def test_replicas_are_those_of_the_devices():
    assert kr.distribution.strategy("mirrored", ["CPU:0", "CPU:2"]).num_replicas_in_sync == 2
    assert kr.distribution.strategy("mirrored").num_replicas_in_sync == 1  # there is no GPU


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, True),
        ({"cluster": WORKERS, "task": {"type": "worker", "index": 0}}, True),
        ({"cluster": WORKERS, "task": {"type": "worker", "index": 1}}, False),
        ({"cluster": WORKERS, "task": {"type": "worker", "index": "0"}}, True),
        (
            {"cluster": {"chief": ["a:1"], **WORKERS}, "task": {"type": "worker", "index": 0}},
            False,
        ),
        ({"cluster": {"chief": ["a:1"], **WORKERS}, "task": {"type": "chief", "index": 0}}, True),
    ],
)
def test_the_chief(config, expected, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert kr.distribution.is_chief() is expected
