"""Cloud assemblies: written by the app, cached by the content of its sources."""

from __future__ import annotations

import json

import pytest

from ionfleet_replay import ReplayError, SynthesisError, synthesize
from ionfleet_replay.assembly import load

APP = """
import json, os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir()
count = pathlib.Path(__file__).with_name("count")
count.write_text(count.read_text() + "x" if count.exists() else "x")
text = pathlib.Path(__file__).with_name("functions").joinpath("handler.py").read_text()
(out / "manifest.json").write_text(json.dumps({"artifacts": {}, "text": text}))
"""


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "project"
    (folder / "functions").mkdir(parents=True)
    (folder / "functions" / "handler.py").write_text("one")
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


def runs(app):
    return len(app.with_name("count").read_text())


def written(out):
    return json.loads((out / "manifest.json").read_text())["text"]


def test_an_app_runs_once_for_the_same_sources(app, tmp_path):
    out = tmp_path / "assembly"
    assert synthesize(app, out) == out
    synthesize(app, out)
    assert (runs(app), written(out)) == (1, "one")


def test_an_app_runs_again_when_a_source_has_changed(app, tmp_path):
    out = tmp_path / "assembly"
    synthesize(app, out)
    app.with_name("functions").joinpath("handler.py").write_text("two")
    synthesize(app, out)
    assert (runs(app), written(out)) == (2, "two")


def test_compiled_files_are_no_sources(app, tmp_path):
    out = tmp_path / "assembly"
    synthesize(app, out)
    cache = app.with_name("functions") / "__pycache__"
    cache.mkdir()
    (cache / "handler.pyc").write_bytes(b"")
    synthesize(app, out)
    assert runs(app) == 1


def test_an_app_that_fails_is_told_with_its_output_and_keeps_the_last_assembly(app, tmp_path):
    out = tmp_path / "assembly"
    synthesize(app, out)
    app.write_text("raise SystemExit('no such layer')")
    with pytest.raises(SynthesisError, match="no such layer"):
        synthesize(app, out)
    assert written(out) == "one"


def test_a_folder_without_an_assembly_is_named(tmp_path):
    with pytest.raises(ReplayError, match=r"There is no .*manifest\.json"):
        load(tmp_path)


def test_only_one_stack_can_be_brought_up(stack):
    folder = stack.write()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["artifacts"]["Second"] = manifest["artifacts"]["Test"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReplayError, match="the stacks Test, Second"):
        load(folder)
