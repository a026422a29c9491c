"""What a drawn figure shows."""

import io


def lines(axes):
    """{label: y values} of the lines that a legend names."""
    return {
        line.get_label(): line.get_ydata().tolist()
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def draw(figure):
    """A picture of it; warnings, such as of axes without room, are errors."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    assert file.getvalue().startswith(b"\x89PNG")
