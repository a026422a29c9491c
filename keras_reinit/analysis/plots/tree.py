"""Picture of the tree that predicts the best method."""

from matplotlib.figure import Figure

from keras_reinit.analysis.plots.style import literal, look, styles

_LEAF_WIDTH, _LEVEL_HEIGHT = 1.05, 1.0  # inches


def decision_tree(tree):
    """The tree from the top down, leaves in the line style and colour of the best method.

    A leaf names the methods to report, its number of settings and its Gini impurity. A question
    whose answers lead to the same methods is not drawn.

    Args:
        tree: a `DecisionTree` of `keras_reinit.analysis`, or its root.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
        >>> decision_tree(analysis.decision_tree(rows))

    Reference:
        Alabdulmohsin et al. 2021, Figure 3.
    """
    root = _pruned(getattr(tree, "root", tree))
    width, height = _leaves(root), _depth(root)
    with look():
        figure = Figure(
            figsize=(max(4, _LEAF_WIDTH * width), 0.5 + _LEVEL_HEIGHT * (height + 1)),
            layout="constrained",
        )
        axes = figure.subplots()
        axes.set(xlim=(-0.55, width - 0.45), ylim=(-height - 0.45, 0.4))
        axes.axis("off")
        axes.set_title("leaves: the method that is best most often")
        _draw(axes, root, 0, 0, styles(dict.fromkeys(_predicted(root))))
    return figure


def _draw(axes, node, left, level, looks):
    """Draw a node whose leaves start at column `left`; return its place."""
    if node.question is None:
        style = looks[node.best[0]]
        axes.text(
            left,
            -level,
            f"{literal(_lines(node.best))}\nn={node.samples}\nGini {node.gini:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold" if len(node.best) == 1 else "normal",
            bbox={
                "boxstyle": "round,pad=0.4",
                "facecolor": "white",
                "edgecolor": style.color,
                "linewidth": 2.2,
                "linestyle": style.line,
            },
        )
        return left
    yes = _draw(axes, node.yes, left, level + 1, looks)
    no = _draw(axes, node.no, left + _leaves(node.yes), level + 1, looks)
    middle = (yes + no) / 2
    for child, answer in ((yes, "yes"), (no, "no")):
        axes.plot([middle, child], [-level, -level - 1], color="0.5", linewidth=0.9, zorder=0)
        axes.text(
            0.55 * middle + 0.45 * child,
            -level - 0.45,
            answer,
            ha="center",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.text(
        middle,
        -level,
        f"{literal(_question(node.question))}\nn={node.samples}, Gini {node.gini:.2f}",
        ha="center",
        va="center",
        fontsize=8,
        bbox={"boxstyle": "square,pad=0.4", "facecolor": "0.94", "edgecolor": "0.5"},
    )
    return middle


def _question(text):
    """With the sign of a comparison, and what is asked about on a line of its own."""
    for word, sign in ((" <= ", "\n≤ "), (" is ", "\nis ")):
        if word in text:
            name, value = text.split(word, 1)
            return f"{name}{sign}{value}?"
    return f"{text}?"


def _pruned(node):
    """Without the questions that change nothing."""
    if node.question is None:
        return node
    yes, no = _pruned(node.yes), _pruned(node.no)
    if yes.question is no.question is None and node.best == yes.best == no.best:
        return node._replace(question=None, yes=None, no=None)
    return node._replace(yes=yes, no=no)


def _lines(names):
    """Names side by side, two a line."""
    return "\n".join(", ".join(names[start : start + 2]) for start in range(0, len(names), 2))


def _leaves(node):
    return 1 if node.question is None else _leaves(node.yes) + _leaves(node.no)


def _depth(node):
    return 0 if node.question is None else 1 + max(_depth(node.yes), _depth(node.no))


def _predicted(node):
    return [node.best[0]] if node.question is None else _predicted(node.yes) + _predicted(node.no)
