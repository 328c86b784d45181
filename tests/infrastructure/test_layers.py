"""The layers as built: small enough, and complete. Without built layers there is nothing to test but the locks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ionfleet_infrastructure.locked import LOCKED_LAYERS, not_built
from ionfleet_infrastructure.specification import FUNCTIONS, Specification

if TYPE_CHECKING:
    from conftest import Template

LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024
LEFT_BY_TOOLS = re.compile(r"/\.|\.pyc$")
LOCKED_VERSION = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def layers(root: Path) -> dict[str, Path]:
    """Each layer's folder."""
    missing = not_built(root / "layers")
    if missing:
        pytest.skip(f"The layers {', '.join(missing)} are not built; `make layers` builds them.")
    built = {name: root / "layers" / name / "build" for name in LOCKED_LAYERS}
    return built | {name: root / "layers" / name for name in ("engine", "adapters")}


def by_name(function: Specification) -> str:
    return function.name


@pytest.mark.parametrize("name", LOCKED_LAYERS)
def test_a_layer_holds_versions_that_are_tested_with(root: Path, name: str) -> None:
    locked = LOCKED_VERSION.findall((root / "layers" / name / "requirements.txt").read_text())
    tested = LOCKED_VERSION.findall((root / "requirements" / "run.txt").read_text())
    assert locked
    assert set(locked) <= set(tested)


def test_no_package_is_in_two_layers(root: Path) -> None:
    packages = [
        package
        for name in LOCKED_LAYERS
        for package, _ in LOCKED_VERSION.findall((root / "layers" / name / "requirements.txt").read_text())
    ]
    assert sorted(packages) == sorted(set(packages))


def test_the_layer_of_the_domain_leaves_the_python_client_out(assembly: Path) -> None:
    (package,) = assembly.glob("asset.*/python/ionfleet")
    assert (package / "measure.py").is_file()
    assert not (package / "client").exists()


@pytest.mark.layers
@pytest.mark.parametrize("function", FUNCTIONS, ids=by_name)
def test_a_function_with_its_layers_fits_what_lambda_unzips(
    root: Path, layers: dict[str, Path], function: Specification
) -> None:
    folders = [root / "functions" / function.name, *(layers[name] for name in function.layers)]
    size = sum(
        path.stat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not LEFT_BY_TOOLS.search(f"/{path.relative_to(folder)}")
    )
    assert 0 < size < LAMBDA_LIMIT_BYTES


@pytest.mark.layers
@pytest.mark.parametrize("function", FUNCTIONS, ids=by_name)
def test_a_handler_finds_all_that_it_imports_in_its_layers(
    root: Path, layers: dict[str, Path], template: Template, python_3_13: Path, tmp_path: Path, function: Specification
) -> None:
    folders = [root / "functions" / function.name, *(layers[name] / "python" for name in function.layers)]
    program = f"import sys; sys.path[:0] = {list(map(str, folders))}; import handler; assert callable(handler.handler)"
    variables = template[f"{function.name.capitalize()}Function"]["Environment"]["Variables"]
    environment = {name: template.spell(value) for name, value in variables.items()}
    environment |= {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_NAME": function.name}
    result = subprocess.run(
        # Isolated and without site-packages: what the layers lack, it does not find.
        [str(python_3_13), "-I", "-S", "-B", "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.returncode, result.stderr


@pytest.mark.layers
def test_the_stripped_packages_still_do_their_work(layers: dict[str, Path], python_3_13: Path, tmp_path: Path) -> None:
    program = f"""
import sys
sys.path[:0] = {[str(layers[name] / "python") for name in LOCKED_LAYERS]}
import cpyMSpec, numpy, png, pyarrow, pyarrow.compute, pyarrow.csv, pyarrow.parquet
from pyimzml.ImzMLParser import ImzMLParser
table = pyarrow.table({{"mz": numpy.array([100.5, 200.25])}})
pyarrow.parquet.write_table(table, "table.parquet", compression="zstd")
assert pyarrow.parquet.read_table("table.parquet").equals(table)
pyarrow.csv.write_csv(table, "table.csv")
assert pyarrow.compute.max(table["mz"]).as_py() == 200.25
print(round(cpyMSpec.isotopePattern("C6H12O6").masses[0], 4))
assert not {{"pandas", "scipy", "lxml", "wheezy"}} & sys.modules.keys()
"""
    result = subprocess.run(
        [str(python_3_13), "-I", "-S", "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "180.0634\n", "")
