"""The code in the README, on the method cards and beside them runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for room in ("methods", "training") for page in (ROOT / "docs" / room).glob("*.md")]
DOCUMENTS = [ROOT / "README.md", *sorted(PAGES)]


def python_blocks(path):
    """The fenced Python of a document, each padded so that a traceback shows the right line."""
    text = path.read_text()
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield "\n" * text.count("\n", 0, block.start(1)) + block.group(1)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_code_runs(path, tmp_path, monkeypatch):
    blocks = list(python_blocks(path))
    assert blocks
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, path, "exec"), namespace)
