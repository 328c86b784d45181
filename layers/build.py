"""Build the layers of third-party packages, for Lambda, on any machine and without Docker.

    python layers/build.py           fetch the locked wheels and unpack what a function needs of them
    python layers/build.py --lock    lock the versions again, to those of requirements/run.txt
    python layers/build.py --check   add up what each function would unzip to

A layer is a folder with `requirements.in` (what it is for) and `requirements.txt` (its lock, with hashes). What was
built of it lies in its `build/`, with the digest of what it was made from.
"""

# ruff: noqa: T201  (a command prints)
from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ionfleet_infrastructure.locked import DIGEST_FILE, LOCKED_LAYERS, is_built, layer_digest, not_built
from ionfleet_infrastructure.specification import ADAPTERS, ENGINE, FUNCTIONS, MASSSPEC

LAYERS = Path(__file__).resolve().parent
ROOT = LAYERS.parent
PYTHON = "3.13"
PLATFORMS = (  # all that this Lambda can load: with one alone pip misses packages, or takes ancient versions of them
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)
LIMIT_BYTES = 250 * 1024 * 1024
"""Lambda's limit for a function and its layers, unzipped."""

ELSEWHERE = {
    MASSSPEC: ("numpy", "wheezy-template"),  # numpy is in the layer numerics; pyimzml's writer stays at home
}
"""Dependencies that a layer does without."""

UNUSED = re.compile(
    r"""
      /tests/ | \.(pyi|pyx|pxd|pxi|a)$ | ^numpy/(f2py|_core/(include|lib))/ | ^pyarrow/(include|src)/  # for builders
    | ^pyarrow/lib\w+\.so$ | ^pyarrow/lib\w+\.so\.\d+\.\d+\.\d+$  # copies: the loader looks for .so.<major> alone
    | ^pyarrow/libarrow_(python_)?flight\. | ^pyarrow/libarrow_s3\.
    | ^pyarrow/_(flight|s3fs|gcsfs|azurefs|hdfs|cuda|substrait|orc|dataset_orc|pyarrow_cpp_tests)\.
    """,
    re.VERBOSE,
)
"""Files of a wheel that no function needs. (libarrow_substrait is needed, since libarrow_python is linked to it, and so
is the header in cpyMSpec, which it reads when imported.)"""

LEFT_BY_TOOLS = re.compile(r"/\.|\.pyc$")


class LayerError(Exception):
    """A layer cannot be built, or is not what was locked."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Build the layers of third-party packages.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--lock", action="store_true", help="lock the versions to those of requirements/run.txt")
    action.add_argument("--check", action="store_true", help="print what each function would unzip to")
    options = parser.parse_args(arguments)
    try:
        if options.lock:
            for name in LOCKED_LAYERS:
                lock(name)
        elif options.check:
            return check()
        else:
            for name in LOCKED_LAYERS:
                build(name)
    except LayerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def lock(name: str) -> None:
    """Write a layer's `requirements.txt`: Lambda's Python and platform, the versions of requirements/run.txt."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url"]
    command += ["--python-version", PYTHON, "--python-platform", f"x86_64-{PLATFORMS[0].removesuffix('_x86_64')}"]
    command += ["--constraint", "requirements/run.txt", "--custom-compile-command", "python layers/build.py --lock"]
    for package in ELSEWHERE.get(name, ()):
        command += ["--no-emit-package", package]
    folder = f"layers/{name}"
    _run([*command, f"{folder}/requirements.in", "--output-file", f"{folder}/requirements.txt"], f"lock layer {name}")
    print(f"{name}: locked")


def build(name: str) -> None:
    """Fetch and unpack a layer, unless that is done already; an interrupted build leaves none."""
    if is_built(LAYERS, name):
        print(f"{name}: built already")
        return
    target = LAYERS / name / "build"
    with tempfile.TemporaryDirectory(dir=LAYERS / name) as scratch:
        wheels = Path(scratch, "wheels")
        fresh = Path(scratch, "build")
        print(f"{name}: fetching wheels", flush=True)
        fetch(name, wheels)
        for wheel in sorted(wheels.glob("*.whl")):
            unpack(wheel, fresh / "python")
        (fresh / DIGEST_FILE).write_text(layer_digest(LAYERS, name))
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    print(f"{name}: {megabytes(size(target))} MB")


def fetch(name: str, folder: Path) -> None:
    """Download a layer's locked wheels, each checked against its hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    _run([*command, "--dest", str(folder), "--requirement", f"layers/{name}/requirements.txt"], f"fetch layer {name}")


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack what a function needs of a wheel, where an installer would put it."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            # <package>.data/purelib and platlib are the package's root; its scripts and headers are nobody's here.
            path = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", member.filename)
            if member.is_dir() or UNUSED.search(path) or ".data/" in path:
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
            target.chmod(0o755 if ".so" in target.name else 0o644)


def check() -> int:
    """Print each function's unzipped size; return 1 when one is beyond Lambda's limit."""
    missing = not_built(LAYERS)
    if missing:
        raise LayerError(f"Not built, or built from another lock: {', '.join(missing)}. Run `make layers` first.")
    layers = {name: size(path) for name, path in layer_folders()}
    print(f"{'function':<12}{'MB':>8}   layers")
    sizes = dict(function_sizes(layers))
    for name, (total, used) in sizes.items():
        print(f"{name:<12}{megabytes(total):>8}   {', '.join(f'{each} {megabytes(layers[each])}' for each in used)}")
    beyond = [name for name, (total, _) in sizes.items() if total >= LIMIT_BYTES]
    if beyond:
        print(f"Beyond Lambda's {megabytes(LIMIT_BYTES)} MB: {', '.join(beyond)}", file=sys.stderr)
    return 1 if beyond else 0


def function_sizes(layers: dict[str, int]) -> Iterator[tuple[str, tuple[int, tuple[str, ...]]]]:
    """Yield each function's name with its unzipped bytes, layers included, and its layers' names."""
    for function in FUNCTIONS:
        code = size(ROOT / "functions" / function.name)
        yield function.name, (code + sum(layers[name] for name in function.layers), function.layers)


def layer_folders() -> Iterator[tuple[str, Path]]:
    """Yield each layer's name with the folder that is zipped."""
    for name in (ENGINE, ADAPTERS):
        yield name, LAYERS / name
    for name in LOCKED_LAYERS:
        yield name, LAYERS / name / "build"


def size(folder: Path) -> int:
    """Return the bytes of a folder's files, without what tools left beside them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if not LEFT_BY_TOOLS.search(f"/{path.relative_to(folder)}"))


def megabytes(count: int) -> str:
    """Write a number of bytes as MB of 1024² bytes, which is how Lambda counts its 250."""
    return f"{count / 1024**2:.1f}"


def _run(command: list[str], purpose: str) -> None:
    """Run a command in the repository's folder."""
    result = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603  (commands are put together above)
    if result.returncode:
        raise LayerError(f"Could not {purpose}: `{' '.join(command)}` ended with exit code {result.returncode}.")


if __name__ == "__main__":
    sys.exit(main())
