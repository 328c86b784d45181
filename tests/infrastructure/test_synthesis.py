"""`python app.py`: offline, quiet, the same every time, and nothing deployable by accident."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ionfleet_infrastructure.layers import NotBuiltError
from ionfleet_infrastructure.locked import DIGEST_FILE, LOCKED_LAYERS, layer_digest
from ionfleet_infrastructure.synthesis import make_app

TEMPLATE = "Ionfleet.template.json"


@pytest.fixture(scope="module")
def built_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a synthesis reads, whose third-party layers are built, of one file each."""
    copy = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("build", "__pycache__")
    for folder in ("functions", "layers"):
        shutil.copytree(root / folder, copy / folder, ignore=ignored)
    shutil.copy(root / "app.py", copy)
    for name in LOCKED_LAYERS:
        folder = copy / "layers" / name / "build"
        (folder / "python").mkdir(parents=True)
        (folder / "python" / f"{name}.py").write_text("WHEEL = True\n")
        (folder / DIGEST_FILE).write_text(layer_digest(copy / "layers", name))
    return copy


@pytest.fixture(scope="module")
def local(built_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of those sources for local runs."""
    folder = tmp_path_factory.mktemp("local")
    make_app(built_root, folder).synth()
    return folder


@pytest.fixture(scope="module")
def deployable(built_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of those sources for a deployment."""
    folder = tmp_path_factory.mktemp("deployable")
    make_app(built_root, folder, deployable=True).synth()
    return folder


def run_app(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python app.py` as on a machine without Node."""
    environment |= {"PATH": "/nowhere", "HOME": str(Path.home())}
    command = [sys.executable, str(root / "app.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_app_py_alone_writes_the_same_template_every_time_without_a_node_on_the_path(
    built_root: Path, local: Path
) -> None:
    result = run_app(built_root)
    template = built_root / "cdk.out" / TEMPLATE
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"The template is {template}\n"
    assert template.read_bytes() == (local / TEMPLATE).read_bytes()


def test_app_py_names_a_wrong_setting_without_a_traceback(built_root: Path) -> None:
    result = run_app(built_root, CDK_CONTEXT_JSON='{"maxConcurrency": "no"}')
    assert result.returncode == 1
    assert result.stderr == "Context maxConcurrency is 'no'; use a whole number from 19 to 20000.\n"


def test_a_deployment_has_the_template_of_local_runs_with_the_built_layers_in_it(local: Path, deployable: Path) -> None:
    assert (local / TEMPLATE).read_bytes() == (deployable / TEMPLATE).read_bytes()
    wheels = {path.name for path in deployable.glob("asset.*/python/*.py")}
    assert wheels == {f"{name}.py" for name in LOCKED_LAYERS}
    assert not list(local.glob("asset.*/python/*.py"))


def test_what_tools_leave_beside_the_sources_is_not_deployed(built_root: Path, local: Path, tmp_path: Path) -> None:
    used, output = tmp_path / "used", tmp_path / "output"
    shutil.copytree(built_root, used)
    for litter in (".mypy_cache/3.11/cache.db", "__pycache__/handler.cpython-313.pyc", ".DS_Store"):
        for folder in ("functions/sort", "layers/engine/python/ionfleet", "layers/engine"):
            file = used / folder / litter
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("left here")
    make_app(used, output).synth()
    assert (output / TEMPLATE).read_bytes() == (local / TEMPLATE).read_bytes()
    staged = [path.relative_to(output).as_posix() for path in output.glob("asset.*/**/*")]
    assert staged
    assert not [path for path in staged if "pycache" in path or "/." in path]


def test_the_cdk_refuses_to_deploy_an_assembly_for_local_runs(local: Path, deployable: Path) -> None:
    (message,) = error_messages(local)
    assert "make layers" in message
    assert error_messages(deployable) == []


def test_a_deployment_without_built_layers_is_refused_by_their_names(built_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(built_root, copy)
    shutil.rmtree(copy / "layers" / "massspec" / "build")
    with (copy / "layers" / "service" / "requirements.txt").open("a") as lock:
        lock.write("# locked again\n")
    with pytest.raises(NotBuiltError, match=r"layers massspec, service are not built.*make layers"):
        make_app(copy, tmp_path / "output", deployable=True)


def test_the_cdk_command_line_asks_for_a_deployable_assembly(root: Path) -> None:
    configuration = json.loads((root / "cdk.json").read_text())
    assert configuration["app"].endswith("app.py --deploy")
    assert configuration["output"] != "cdk.out"


def error_messages(assembly: Path) -> list[str]:
    """Return the errors in an assembly's metadata, with which the CDK's command line stops."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    metadata = json.loads((assembly / manifest["artifacts"]["Ionfleet"]["additionalMetadataFile"]).read_text())
    return [entry["data"] for entries in metadata.values() for entry in entries if entry["type"] == "aws:cdk:error"]
