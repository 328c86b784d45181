"""The example notebooks run from their first cell to their last, and show what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.extras

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECONDS = 600


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return what the cells show of a kind, such as image/png."""
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output["data"][kind] for output in shown if kind in output.get("data", {})]


def printed(notebook: nbformat.NotebookNode) -> str:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(output["text"] for cell in cells for output in cell.outputs if output.output_type == "stream")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_dataset_becomes_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    notebook = nbformat.read(EXAMPLES / "from_dataset_to_figures.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without their outputs"
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    assert len(outputs(notebook, "image/png")) == 5
    assert (tmp_path / "tissue.h5ad").is_file()
    last = printed(notebook).splitlines()[-1]
    planted, annotated, isobars = map(int, re.findall(r"\d+", last))
    assert planted > annotated / 2 > 5
    assert planted + isobars >= 0.9 * annotated
