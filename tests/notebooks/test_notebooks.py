"""The notebooks run, and what is committed with them is the output of one clean run."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_BYTES = 400_000

all_notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(notebook):
    """All text that a notebook's outputs show."""
    texts = [output.get("text", "") for output in outputs(notebook)]
    texts += [output.get("data", {}).get("text/plain", "") for output in outputs(notebook)]
    return "\n".join(texts)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Name of a kernel that runs this interpreter, with the plots in the notebook."""
    write_kernel_spec(tmp_path / "kernels" / "under_test")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    return "under_test"


@pytest.mark.slow
@all_notebooks
def test_small_form_runs(path, kernel, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_REINIT_NOTEBOOK_SMALL", "1")
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name=kernel, resources=place).execute()
    assert "Warning" not in printed(notebook)


@all_notebooks
def test_committed_outputs_are_those_of_one_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.id for cell in cells if not cell.outputs] == []


@all_notebooks
def test_committed_outputs_are_clean(path):
    notebook = nbformat.read(path, as_version=4)
    assert [output for output in outputs(notebook) if output.output_type == "error"] == []
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []
    assert re.findall(r"(?<![\w.])/\w+/\S*", printed(notebook)) == []  # a path of this machine
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < MAX_BYTES


def test_there_are_notebooks():
    assert NOTEBOOKS
