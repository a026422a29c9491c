"""Every public name, a call of it that is right, and what each of its arguments refuses."""

import math

import keras
import numpy as np

import keras_reinit as kr

NAN = math.nan
OBJECT = object()

# What no argument of a kind can be.
INT = ("x", [1], NAN, 1.5, -1, True, OBJECT)
NUMBER = ("x", [1.0], NAN, math.inf, -1.0, True, OBJECT)
BOOL = ("yes", [], NAN, 2, OBJECT)
CHOICE = ("nonsense", 3, ["layer"], NAN, OBJECT)
SEED = ("x", [1], NAN, 1.5, True, OBJECT)
NAMES = (3, NAN, [], [3], OBJECT)
RULE = ("x", 3, [], NAN, kr.rounds.Fixed)
TEXT = (3, NAN, ["x"], "", OBJECT)
MODEL = ("x", 3, [], NAN, OBJECT)
DATA = ([], NAN, OBJECT, np.zeros((0, 3), "float32"))

NONE = (None,)  # where it is not a value


def network():
    layers = [keras.Input((3,)), keras.layers.Dense(2, name="d"), keras.layers.Dense(2, name="e")]
    model = keras.Sequential(layers)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def examples():
    return np.zeros((4, 3), "float32"), np.arange(4) % 2


FIXED = kr.rounds.Fixed(1)
PATTERNS = {"where": NAMES}
METHOD = {"seed": SEED, "reset_optimizer": CHOICE, "rounds": INT}
SUBSET = {"fraction": (*NUMBER, *NONE, 2), "scope": CHOICE, "biases": (*BOOL, *NONE)}
IMAGES = {
    "classes": (*INT, *NONE, 0),
    "norm": CHOICE,
    "dropout": (*NUMBER, *NONE, 1.0),
    "weight_decay": (*NUMBER, *NONE),
}
WIDTH = {"width": (*NUMBER, *NONE, 0)}
CLASSIFIED = {"model": (*MODEL, *NONE), "batch_size": (*INT, *NONE, 0), "from_logits": BOOL}
SHAPE = ("x", 3, [], NAN, None, OBJECT)

# {name: (a call by keywords that is right, {argument: what it refuses})}
CALLS = {
    "apply": (
        lambda: {"model": network(), "method": kr.methods.FullReset()},
        {"model": (*MODEL, *NONE), "method": (*MODEL, *NONE), "seed": SEED},
    ),
    "init_norms": (lambda: {"model": network()}, {"model": (*MODEL, *NONE)}),
    "reinitialize": (
        lambda: {"model": network()},
        {"model": (*MODEL, *NONE), "where": NAMES, "seed": SEED},
    ),
    "reinitialize_subset": (
        lambda: {"model": network(), "fraction": 0.5},
        {"model": (*MODEL, *NONE), **SUBSET, "by": CHOICE, "where": NAMES, "seed": SEED},
    ),
    "rescale": (
        lambda: {"model": network(), "norms": {"d/kernel": 1.0}},
        {
            "model": (*MODEL, *NONE),
            "norms": ("x", 3, [], NAN, None, *({"d/kernel": bad} for bad in NUMBER)),
            "where": NAMES,
        },
    ),
    "reset_optimizer": (
        lambda: {"optimizer": keras.optimizers.SGD()},
        {"optimizer": (*MODEL, *NONE), "learning_rate": NUMBER},
    ),
    "select": (
        lambda: {"model": network()},
        {"model": (*MODEL, *NONE)},
    ),
    "shrink_perturb": (
        lambda: {"model": network(), "shrink": 0.5, "perturb": 0.5},
        {
            "model": (*MODEL, *NONE),
            "shrink": (*NUMBER, *NONE, 1e39),
            "perturb": (*NUMBER, *NONE, 1e39),
            "noise": (*CHOICE, *NONE),
            "where": NAMES,
            "seed": SEED,
        },
    ),
    "initialize": (
        lambda: {"model": network()},
        {
            "scheme": (*CHOICE, *NONE),
            "v": CHOICE,
            "direction": CHOICE,
            "stem": NUMBER,
            "seed": SEED,
        },
    ),
    # Rounds.
    "rounds.Fixed": (lambda: {"epochs": 1}, {"epochs": (*INT, *NONE, 0)}),
    "rounds.Steps": (lambda: {"n": 1}, {"n": (*INT, *NONE, 0)}),
    "rounds.Accuracy": (
        dict,
        {
            "threshold": (*NUMBER, *NONE, 0, 1.5),
            "max_epochs": (*INT, *NONE, 0),
            "monitor": (*TEXT, *NONE),
            "patience": (*INT, 0),
        },
    ),
    "rounds.Converged": (
        lambda: {"lr_factor": 0.5},
        {
            "monitor": (*TEXT, *NONE),
            "patience": (*INT, *NONE, 0),
            "max_epochs": (*INT, *NONE, 0),
            "min_delta": (*NUMBER, *NONE),
            "lr_factor": (*NUMBER, 0, 1),
            "lr_patience": (*INT, *NONE, 0),
            "restore_best": (*BOOL, *NONE),
            "mode": (*CHOICE, *NONE),
        },
    ),
    # Methods and callbacks.
    "methods.Continue": (dict, PATTERNS),
    "methods.FullReset": (dict, PATTERNS),
    "methods.FullyConnected": (dict, {"last": (*INT, 0), **PATTERNS}),
    "methods.LaterLayers": (
        dict,
        {"from_layer": TEXT, "biases": (*BOOL, *NONE), "norms": (*BOOL, *NONE), **PATTERNS},
    ),
    "methods.Layerwise": (
        dict,
        {
            "iterations": (*INT, *NONE, 0),
            "rescale": CHOICE,
            "normalize": (*BOOL, *NONE),
            "reinitialize": (*BOOL, *NONE),
            "block": ([1], NAN, 1.5, -1, True, "", OBJECT),
            **PATTERNS,
        },
    ),
    "methods.ShrinkPerturb": (
        dict,
        {
            "shrink": (*NUMBER, *NONE),
            "perturb": (*NUMBER, *NONE),
            "noise": (*CHOICE, *NONE),
            **PATTERNS,
        },
    ),
    **{
        f"methods.{name}": (dict, {**SUBSET, **PATTERNS})
        for name in ("FixedSubset", "Magnitude", "RandomSubset")
    },
    "methods.get": (lambda: {"identifier": "LW"}, {"identifier": (*TEXT, *NONE)}),
    "callbacks.get": (lambda: {"identifier": "LW"}, {"identifier": (*TEXT, *NONE)}),
    "callbacks.Backup": (
        lambda: {"backup_dir": "folder"},
        {
            "backup_dir": (*TEXT, *NONE),
            "delete_checkpoint": (*BOOL, *NONE),
            "interval": (*NUMBER, *NONE),
            "new_learning_rate": (*BOOL, *NONE),
        },
    ),
    "callbacks.Reinit": (
        lambda: {"method": kr.methods.FullReset(), "until": FIXED},
        {"method": (*MODEL, *NONE), "until": (*RULE, *NONE), **METHOD, "before_first": BOOL},
    ),
    "callbacks.LayerwiseReinit": (
        lambda: {"until": FIXED},
        {"iterations": (*INT, *NONE, 0), "until": RULE, "where": NAMES, "seed": SEED},
    ),
    "callbacks.FullyConnectedReinit": (
        lambda: {"until": FIXED},
        {"last": (*INT, 0), "until": RULE, "where": NAMES, **METHOD},
    ),
    **{
        f"callbacks.{name}": (lambda: {"until": FIXED}, {**SUBSET, **METHOD, "until": RULE})
        for name in ("FixedSubsetReinit", "MagnitudeReinit", "RandomSubsetReinit")
    },
    "callbacks.ShrinkPerturb": (
        lambda: {"until": FIXED},
        {
            "shrink": (*NUMBER, *NONE),
            "perturb": (*NUMBER, *NONE),
            "noise": (*CHOICE, *NONE),
            "before_first": BOOL,
            "until": RULE,
            **METHOD,
        },
    ),
    # Layers, initializers, distribution.
    "layers.Cutout": (
        dict,
        {"size": (*INT, *NONE, 0), "fill": ("x", [1.0], NAN, None, OBJECT), "seed": SEED},
    ),
    "layers.FrozenNormalization": (dict, {"axis": ("x", [1], NAN, 1.5, OBJECT)}),
    "initializers.Orthogonal": (dict, {"unit_axes": ("x", NAN, 1.5, None, OBJECT), "seed": SEED}),
    "initializers.gammas": (
        lambda: {"model": network()},
        {"scheme": (*CHOICE, *NONE), "stem": NUMBER},
    ),
    "initializers.weight_norm_gain": (
        lambda: {"fan_in": 1, "fan_out": 1, "gamma": 1.0},
        {"fan_in": (*INT, *NONE, 0), "fan_out": (*INT, *NONE, 0), "gamma": (*NUMBER, *NONE)},
    ),
    "distribution.strategy": (lambda: {"kind": "mirrored"}, {"kind": (*CHOICE, *NONE)}),
    # Backbones.
    "backbones.birnn": (
        lambda: {"input_shape": (4,), "classes": 2},
        {
            "input_shape": SHAPE,
            **dict.fromkeys(
                ("classes", "vocabulary", "embedding", "units", "layers"), (*INT, *NONE, 0)
            ),
            "cell": (*CHOICE, *NONE),
        },
    ),
    "backbones.mlp": (
        lambda: {"input_shape": (4,), "classes": 2},
        {
            "input_shape": SHAPE,
            "classes": (*INT, *NONE, 0),
            "hidden": (3, NAN, None, ["x"], [0], [1.5], OBJECT),
            "use_bias": (*BOOL, *NONE),
            "norm": CHOICE,
        },
    ),
    "backbones.mobilenet": (
        lambda: {"input_shape": (32, 32, 3), "classes": 2},
        {**IMAGES, "depth": (*CHOICE, *NONE)},
    ),
    "backbones.vgg16": (
        lambda: {"input_shape": (32, 32, 3), "classes": 2},
        {**IMAGES, **WIDTH, "dense": (*INT, 0)},
    ),
    **{
        f"backbones.{name}": (lambda: {"input_shape": (32, 32, 3), "classes": 2}, IMAGES)
        for name in ("scnn", "resnet50")
    },
    **{
        f"backbones.{name}": (lambda: {"input_shape": (32, 32, 3), "classes": 2}, IMAGES | WIDTH)
        for name in ("resnet18", "preact_resnet18")
    },
    **{
        f"backbones.{name}": (
            lambda: {"input_shape": (32, 32, 3), "classes": 2},
            {**IMAGES, **WIDTH, "depth": (*INT, *NONE, 0)},
        )
        for name in ("cifar_resnet", "wide_resnet", "plain_cnn")
    },
    "backbones.impala": (
        lambda: {"input_shape": (64, 64, 4), "classes": 2},
        {
            **{name: IMAGES[name] for name in ("classes", "norm", "weight_decay")},
            **WIDTH,
            "depth": (*INT, *NONE, 0),
        },
    ),
    # Training.
    "training.QuadraticWarmup": (
        lambda: {"learning_rate": 0.1, "steps": 3},
        {
            "learning_rate": (*NUMBER, *NONE, 0),
            "steps": (*INT, *NONE, 0),
            "initial": (*NUMBER, *NONE),
        },
    ),
    "training.SelfDistillation": (
        lambda: {"model": network()},
        {
            "model": (*MODEL, *NONE),
            "weight": (*NUMBER, *NONE),
            "temperature": (*NUMBER, *NONE, 0),
            "from_logits": BOOL,
        },
    ),
    "training.WarmStart": (
        lambda: {"model": network(), "strategy": "warm", "until": FIXED},
        {
            "model": (*MODEL, *NONE),
            "strategy": (*CHOICE, *NONE),
            "until": RULE,
            "batch_size": (*INT, *NONE, 0),
            "seed": SEED,
            "perturb_first": (*BOOL, *NONE),
            "backup_dir": TEXT,
            "interval": (*NUMBER, *NONE),
        },
    ),
    "training.refit": (
        lambda: {
            **dict(zip("xy", examples(), strict=True)),
            "model": network(),
            "strategy": "warm",
            "until": FIXED,
        },
        {
            "model": (*MODEL, *NONE),
            "strategy": (*CHOICE, *NONE),
            "until": RULE,
            "batch_size": (*INT, *NONE, 0),
            "seed": SEED,
        },
    ),
    "training.symmetric_noise": (
        lambda: {"labels": np.zeros(3, int), "rate": 0.5, "classes": 2, "seed": 0},
        {
            "labels": ("x", 3, NAN, [0.5], [-1], [2], None, OBJECT),
            "rate": (*NUMBER, *NONE, 1.5),
            "classes": (*INT, *NONE, 1),
            "seed": (*SEED, *NONE),
            "exclude_true_class": (*BOOL, *NONE),
        },
    ),
    "training.asymmetric_noise": (
        lambda: {"labels": np.zeros(3, int), "transition": np.eye(2), "seed": 0},
        {
            "labels": ("x", 3, NAN, [0.5], [-1], [2], None, OBJECT),
            "transition": ("x", 3, NAN, [1.0], np.full((2, 2), NAN), None, OBJECT),
            "seed": (*SEED, *NONE),
        },
    ),
    # Analysis.
    "analysis.decision_tree": (
        lambda: {"rows": [{"features": {"size": 1}, "accuracy": {"BL": 0.5}}] * 2},
        {
            "rows": ("x", 3, [], NAN, None, [3], OBJECT),
            "max_depth": (*INT, *NONE, 0),
            "min_leaf": (*INT, *NONE, 0),
        },
    ),
    "analysis.epochs_to_reach": (
        lambda: {"accuracy": [0.5, 1.0], "rounds": [0, 0]},
        {
            "accuracy": (3, NAN, None, ["x", 1.0], [NAN, 1.0], OBJECT),
            "rounds": (3, NAN, None, ["x", 1], [1, 0], OBJECT),
            "threshold": ("x", [1.0], NAN, None, OBJECT),
        },
    ),
    "analysis.gaussian_density": (
        lambda: {"ratios": [1.0]},
        {"ratios": ("x", 3, [], NAN, None, ["x"], [-1.0], [NAN], OBJECT)},
    ),
    "analysis.hessian_spectral_norm": (
        lambda: {"model": network(), **dict(zip("xy", examples(), strict=True)), "iterations": 1},
        {**CLASSIFIED, "x": DATA, "iterations": (*INT, *NONE, 0), "seed": (*SEED, *NONE)},
    ),
    "analysis.holm": (
        lambda: {"p_values": [0.5]},
        {"p_values": (3, NAN, None, ["x"], [-1], [NAN], [2], OBJECT)},
    ),
    "analysis.margins": (
        lambda: {"model": network(), **dict(zip("xy", examples(), strict=True))},
        {**CLASSIFIED, "x": DATA, "y": ("x", 3, NAN, [0.5] * 4, [9] * 4, None, OBJECT)},
    ),
    "analysis.sharpness": (
        lambda: {"model": network(), **dict(zip("xy", examples(), strict=True)), "sigmas": [0.1]},
        {
            **CLASSIFIED,
            "x": DATA,
            "sigmas": ("x", 3, [], NAN, None, ["x"], [-1.0], [NAN], OBJECT),
            "draws": (*INT, *NONE, 0),
            "seed": (*SEED, *NONE),
        },
    ),
    "analysis.sign_test": (
        lambda: {"treatment": [1.0], "control": [0.0]},
        {
            name: ("x", 3, NAN, None, ["x"], [NAN], [1.0, 2.0], OBJECT)
            for name in ("treatment", "control")
        },
    ),
    "analysis.smallest": (
        lambda: {"margins": [1.0]},
        {
            "margins": ("x", 3, NAN, None, ["x"], [NAN], OBJECT),
            "count": (*INT, *NONE, 0),
        },
    ),
    "analysis.weight_size": (
        lambda: {"model": network(), "x": examples()[0]},
        {
            "model": (*MODEL, *NONE),
            "x": DATA,
            "head": (3, NAN, ["x"], "x", OBJECT),
            "count": (*INT, *NONE, 0),
            "seed": (*SEED, *NONE),
            "batch_size": (*INT, *NONE, 0),
        },
    ),
}

# Results, and what takes models and data alone, whose own tests say what they refuse.
OTHERS = {
    "Block",
    "ReinitModel",
    "analysis.DecisionTree",
    "analysis.Gaussian",
    "analysis.Node",
    "analysis.Sharpness",
    "analysis.SignTest",
    "analysis.SpectralNorm",
    "distribution.is_chief",
    "initializers.ResidualBlock",
    "initializers.residual_stages",
    "layers.Recomputed",
    "layers.WeightNormalization",
    "methods.Context",
    "methods.Method",
    "recalibrate",
    "training.Stage",
}
