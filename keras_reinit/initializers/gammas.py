"""What each weight-normalised layer does to the squared norm: the gammas of a whole network."""

from keras_reinit.core import check_choice, check_number
from keras_reinit.layers import WeightNormalization
from keras_reinit.structure.residual import Structure, is_weighted

_HANIN = 0.9  # the second layer of block b of a stage keeps 0.9**b of the norm


def gammas(model, scheme="arpit", stem=None):
    """The factor on the squared norm that a scheme gives to each weight-normalised layer.

    `gamma = 2` for a layer that a ReLU follows, 1 for one that none follows; for the last layer of
    a residual branch this times `1 / B`, with `B` the blocks of its stage (Arpit et al.), or times
    `0.9^(2b)` in its b-th block, `b = 1 .. B` (Hanin & Rolnick, stage by stage).

    So the first layer of a block has 2, its last `1 / B`, a shortcut 1, and a stage of `B` blocks
    multiplies the norm by `(1 + 1 / B)^(B / 2)`, between sqrt(2) and sqrt(e). This is derived for
    blocks `shortcut(h) + conv(relu(conv(h)))` without an activation after the addition.

    Args:
        model: a built Functional or Sequential `keras.Model` whose layers with weights are
            weight-normalised, but for its heads.
        scheme: "arpit" or "hanin".
        stem: None, or the gamma of the layers before the first residual block: 1 in wide residual
            networks, 2 in ResNet-56, 110 and 164, whatever follows them.

    Returns:
        A dict {layer: gamma}, in the order of the network.

    Raises:
        ValueError: if the model has no graph; branches meet that are no residual block; a layer
            below others is not weight-normalised, or has an activation other than ReLU; a layer is
            called twice in different roles; or `stem` or "hanin" is given for a network without
            residual blocks.

    Example:
        >>> {layer.name: gamma for layer, gamma in gammas(model).items()}

    Reference:
        Arpit et al. 2019; Hanin & Rolnick 2018.
    """
    check_choice("scheme", scheme, ("arpit", "hanin"))
    if stem is not None:
        stem = check_number("stem", stem)
    structure = Structure(model)
    if not structure.stages and (scheme == "hanin" or stem is not None):
        raise ValueError(
            f"Model '{model.name}' has no residual blocks. Received: scheme={scheme!r}, "
            f"stem={stem}. Expected scheme='arpit', stem=None"
        )
    factors = _branch_factors(structure.stages, scheme)
    stems = set(map(id, structure.stem)) if stem is not None else set()
    of_layers: dict[int, tuple] = {}
    for i, call in enumerate(structure.calls):
        layer = call.operation
        if not is_weighted(layer) or not _is_normalized(structure, i):
            continue
        gamma = _of_activation(structure, i) * factors.get(id(layer), 1.0)
        if id(layer) in stems:
            gamma = float(stem)
        if of_layers.setdefault(id(layer), (layer, gamma))[1] != gamma:
            raise ValueError(
                f"Layer '{layer.name}' is shared by parts of the network that need other gains. "
                f"Received: gamma={of_layers[id(layer)][1]} and gamma={gamma}"
            )
    return dict(of_layers.values())


def _branch_factors(stages, scheme):
    """The factor on the squared norm of each residual branch, by the id of its last layer."""
    factors = {}
    for stage in stages:
        for b, block in enumerate(stage, start=1):
            factor = 1 / len(stage) if scheme == "arpit" else _HANIN ** (2 * b)
            factors[id(block.layers[-1])] = factor
    return factors


def _is_normalized(structure, i):
    """Whether a layer with weights is weight-normalised; one that is not may only be a head."""
    layer = structure.calls[i].operation
    if isinstance(layer, WeightNormalization):
        return True
    if structure.is_head(i):
        return False
    raise ValueError(
        f"Layer '{layer.name}' lies below other layers and is not weight-normalised, so that its "
        f"gain cannot be set. Expected keras_reinit.layers.WeightNormalization({layer.name})"
    )


def _of_activation(structure, i):
    name = structure.activation_after(i)
    if name == "relu":
        return 2.0
    if name is None or structure.is_head(i):
        return 1.0
    raise ValueError(
        f"No gain is known for activation '{name}', which follows layer "
        f"'{structure.calls[i].operation.name}'. Expected ReLU or none"
    )
