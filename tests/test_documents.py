"""The code in documents runs as it stands there; what they refer to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for room in ("methods", "training") for page in (ROOT / "docs" / room).glob("*.md")]
EVERY = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
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


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_are_there(path):
    targets = ["".join(found) for found in LINK.findall(path.read_text())]
    files = [target.partition("#")[0] for target in targets if "://" not in target]
    missing = [file for file in files if not (path.parent / file).exists()]
    assert not missing
