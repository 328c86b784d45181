"""Cloud assemblies: synthesizing one from a CDK app, and finding a stack's template and assets in one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionfleet_replay.errors import ReplayError, SynthesisError

SOURCES = ("infrastructure", "functions", "layers")
SOURCE_FILES = ("cdk.json", "requirements")
NOT_SOURCES = frozenset({"__pycache__", "build", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
STAMP = "content-hash"


@dataclass(frozen=True)
class Assembly:
    """One stack: its template, and the folder of each asset by the object key that the template names it with."""

    stack_name: str
    template: Mapping[str, Any]
    assets: Mapping[str, Path]


def synthesize(app: Path, out: Path) -> Path:
    """Run a CDK app to write its cloud assembly to `out`, unless `out` was written from the same sources.

    Raises
    ------
    SynthesisError
        The app failed; the message ends with what it printed last.
    """
    digest = _digest(app)
    if _is_of(out, digest):
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        written = Path(scratch) / "assembly"
        _run(app, written)
        (written / STAMP).write_text(digest)
        _put_in_place(written, out, Path(scratch) / "old", digest)
    return out


def _put_in_place(written: Path, out: Path, old: Path, digest: str) -> None:
    """Replace `out`, unless another process was quicker to write it from the same sources: that may be in use."""
    while not _is_of(out, digest):
        try:
            written.rename(out)
        except OSError:
            if not out.is_dir():
                raise
            shutil.rmtree(old, ignore_errors=True)
            out.rename(old)


def _is_of(out: Path, digest: str) -> bool:
    """Return whether an assembly was written from the sources of a digest."""
    stamp = out / STAMP
    return stamp.is_file() and stamp.read_text() == digest


def _run(app: Path, out: Path) -> None:
    environment = {**os.environ, "CDK_OUTDIR": str(out)}
    command = [sys.executable, str(app)]
    done = subprocess.run(  # noqa: S603 - the user's own app, by this interpreter
        command, cwd=app.parent, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not (out / "manifest.json").is_file():
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SynthesisError(f"{app} did not write a cloud assembly (exit code {done.returncode}):\n{tail}")


def _digest(app: Path) -> str:
    digest = hashlib.sha256(f"python {sys.version_info[:2]}".encode())
    for file in _sources(app):
        digest.update(f"\0{file.relative_to(app.parent)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _sources(app: Path) -> Iterator[Path]:
    yield app
    for name in (*SOURCE_FILES, *SOURCES):
        place = app.parent / name
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from sorted(_files(place))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_SOURCES]
        yield from (Path(parent) / name for name in files if not name.endswith(".pyc"))


def load(folder: Path) -> Assembly:
    """Read a cloud assembly with one stack.

    Raises
    ------
    ReplayError
        The folder holds no assembly, or one with another number of stacks.
    """
    manifest = _read(folder / "manifest.json")
    stacks = {
        name: artifact
        for name, artifact in manifest.get("artifacts", {}).items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    if len(stacks) != 1:
        found = ", ".join(stacks) or "none"
        raise ReplayError(f"{folder} holds the stacks {found}; exactly one stack can be brought up locally.")
    ((name, stack),) = stacks.items()
    properties = stack["properties"]
    template = _read(folder / properties["templateFile"])
    return Assembly(properties.get("stackName", name), template, _assets(folder, manifest))


def _assets(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Path]:
    assets: dict[str, Path] = {}
    for artifact in manifest["artifacts"].values():
        if artifact["type"] != "cdk:asset-manifest":
            continue
        for asset in _read(folder / artifact["properties"]["file"])["files"].values():
            for destination in asset["destinations"].values():
                assets[destination["objectKey"]] = (folder / asset["source"]["path"]).resolve()
    return assets


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError as problem:
        raise ReplayError(
            f"There is no {file}; a cloud assembly, as `python app.py` writes it, was expected."
        ) from problem
