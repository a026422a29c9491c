"""A run that an earlier version stored is found again, wherever its task is today."""

import json
import sqlite3

import pytest

from experiments.commands import compare
from experiments.engine import catalogue
from experiments.engine.experiment import distinct
from experiments.engine.rows import key
from experiments.engine.store import Store

# One row of each task, as the first version wrote it into its store, and an experiment that has it.
STORED = {
    "table2":
        '{"augment":true,"backbone":"scnn","batch_size":256,"dataset":"oxford_iiit_pet",'
        '"dropout":0.0,"image_size":224,"initializer":"he_normal","iterations":1,'
        '"learning_rate":0.003,"method":"BL","momentum":0.9,"norm":"group","patience":60,'
        '"seed":0,"steps_per_round":100000,"task":"images","test_curve":false,"test_size":null,'
        '"train_size":null,"validation":0.1,"weight_decay":1e-05,"width":1.0}',
    "synthetic_table1":
        '{"alpha":0.5,"l2":0.0,"method":"BL","rounds":9,"seed":0,"steps":200,'
        '"task":"synthetic"}',
    "warm_table1":
        '{"batch_size":128,"curves":false,"dataset":"cifar10","decay_epochs":null,"first":0.5,'
        '"first_batch_size":null,"first_epochs":null,"first_learning_rate":null,"goal":0.99,'
        '"head_first":false,"held_out":0.3333333333333333,"last_layer":false,'
        '"learning_rate":0.001,"length":256,"max_epochs":350,"network":"resnet18",'
        '"noise":"fresh","norm":"batch","optimizer":"sgd","patience":10,"penalty":"none",'
        '"perturb":0.0,"rounds":20,"scheme":"halves","seed":0,"shrink":1.0,"source":null,'
        '"stage_size":1000,"strategy":"random","strength":0.0,"task":"warm_start",'
        '"train_size":null,"weight_decay":0.0,"width":1.0}',
    "warm_figure5":
        '{"batch_size":128,"dataset":"cifar10","epochs":20,"first":0.5,'
        '"first_learning_rate":0.001,"goal":0.99,"held_out":0.3333333333333333,'
        '"learning_rate":0.001,"max_epochs":350,"network":"resnet18","norm":"batch",'
        '"optimizer":"sgd","patience":10,"perturb":0.01,"seed":0,"shrink":[0.8,0.6,0.4,0.2],'
        '"task":"gradient_norms","train_size":null,"width":1.0}',
    "warm_figure6":
        '{"batch_size":128,"dataset":"cifar10","goal":0.99,"held_out":0.3333333333333333,'
        '"learning_rate":0.001,"max_epochs":350,"network":"resnet18","norm":"batch",'
        '"optimizer":"adam","patience":10,"seed":0,"shrink":[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,'
        '0.9,1.0],"task":"shrinking","train_size":null,"width":1.0}',
    "init_pong":
        '{"clip":0.5,"depth":100,"discount":0.99,"entropy_weight":0.01,'
        '"environment":"PongNoFrameskip-v4","initializer":"pytorch","learning_rate":0.0007,'
        '"scheme":null,"seed":0,"side":84,"steps":7000000,"task":"actor_critic","unroll":20,'
        '"value_weight":0.5,"width":1.0,"workers":6}',
    "init_curvature":
        '{"batch_size":128,"dataset":"cifar10","depth":40,"image_size":null,"images":5000,'
        '"iterations":40,"network":"wide_resnet","scheme":"pytorch","seed":0,'
        '"task":"curvature","v":"uniform","width":10.0}',
    "init_depth":
        '{"augment":false,"batch_size":128,"cutout":null,"dataset":"mnist","decay":0.1,'
        '"decay_epochs":[],"depth":2,"epochs":200,"image_size":null,"learning_rate":0.0003,'
        '"momentum":0.9,"network":"mlp","norm":"weight","recompute":null,'
        '"scheme":"data_dependent","seed":0,"task":"initialized","test_size":null,'
        '"train_size":null,"v":"gaussian","validation":0.1,"warmup":0.0,"weight_decay":0.0,'
        '"width":500.0}',
    "init_propagation":
        '{"depth":20,"direction":"forward","inputs":500,"network":"mlp","samples":1000,'
        '"scheme":"arpit","seed":0,"spread":50,"task":"propagation","v":"orthogonal",'
        '"width":200}',
    "reinit_ladder":
        '{"augment":false,"backbone":"resnet18","batch_size":128,"dataset":"cifar10",'
        '"distillation":0.0,"epochs":200,"exclude_true_class":true,"image_size":null,'
        '"learning_rate":0.1,"method":"BL","momentum":0.9,"noise":0.0,"norm":"batch",'
        '"perturb":0.1,"rounds":1,"schedule":"constant","seed":0,"shrink":0.4,'
        '"task":"regularized","temperature":1.0,"test_size":null,"train_size":null,'
        '"validation":0.0,"weight_decay":0.0,"width":1.0}',
    "compare":
        '{"backbone":"scnn","batch_size":25,"dataset":"digits","epochs":40,"image_size":null,'
        '"learning_rate":0.005,"method":"BL","rounds":4,"seed":0,"task":"comparison",'
        '"train_size":50}',
}  # fmt: skip


def runs(name):
    if name == "compare":
        return compare.EXPERIMENT.runs(compare.Settings())
    experiment = catalogue.find(name)
    return [spec for settings in experiment.sizes.values() for spec in experiment.runs(settings)]


def test_every_task_is_here():
    assert {json.loads(row)["task"] for row in STORED.values()} == catalogue.TASKS.keys()


@pytest.mark.parametrize("name", STORED)
def test_a_stored_run_is_found_again(name, tmp_path):
    path = tmp_path / "runs.sqlite"
    with Store(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO runs VALUES (?, 'finished', ?, NULL, 1.5, '', '', '', 1, '', '')",
            (STORED[name], '{"test_accuracy": 0.5}'),
        )
    connection.close()
    with Store(path) as store:
        (record,) = store.records(distinct(runs(name)))
    assert record == json.loads(STORED[name]) | {"test_accuracy": 0.5, "seconds": 1.5}


@pytest.mark.parametrize("name", STORED)
def test_a_spec_revives_as_the_run_and_the_run_gives_the_spec(name):
    run = catalogue.run(json.loads(STORED[name]))
    assert key(run.spec) == STORED[name]
    assert catalogue.run(run.spec) == run
    assert f"{type(run).__module__}.{type(run).__name__}" == catalogue.TASKS[run.task]
