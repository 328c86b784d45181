"""Clouds from one process that imports for all of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ionfleet_replay import Cloud, InvocationError, Nursery, ReplayError

from .test_lifetime import NAP, children, running, until

LOADED = """
    import sys
    def handler(event, context):
        return sorted(name for name in event if name in sys.modules)
"""
OURS = """
    import our_package
    def handler(event, context):
        return our_package.WHO, our_package.BORN
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nursery").mkdir()
    return tmp_path / "nursery"


def layered(stack, who):
    """Return a stack whose one function has a layer."""
    source = f"import os\nWHO, BORN = {who!r}, os.getpid()"
    stack.add("Layer", "AWS::Lambda::LayerVersion", Content=stack.asset(who, {"python/our_package.py": source}))
    return stack.function("Ours", OURS, Layers=[{"Ref": "Layer"}])


def test_what_it_has_imported_every_function_of_every_cloud_has(stack, start, folder):
    stack.function("Loaded", LOADED)
    with Nursery(folder, preload=["colorsys", "no_such_module"]) as nursery:
        for _ in range(2):
            cloud = start(stack, nursery=nursery)
            assert cloud.invoke("Loaded", ["colorsys", "wave"]) == ["colorsys"]
            cloud.stop()
    assert "no_such_module" in (folder / "nursery.log").read_text()


def test_modules_of_a_layer_are_imported_once_for_all_environments(stack, start, folder):
    with Nursery(folder, preload=["our_package"]) as nursery:
        cloud = start(layered(stack, "ours"), nursery=nursery)
        (who, born), (_, again) = cloud.invoke("Ours", {}), start(stack, nursery=nursery).invoke("Ours", {})
        assert who == "ours"
        assert born == again in children(os.getpid())
        for each in start.clouds:
            each.stop()


def test_a_cloud_with_another_layer_gets_the_modules_of_its_own(stack, start, folder, tmp_path):
    other = type(stack)(tmp_path / "other")
    with Nursery(folder, preload=["our_package"]) as nursery:
        for each, who in ((stack, "ours"), (other, "theirs")):
            assert start(layered(each, who), nursery=nursery).invoke("Ours", {})[0] == who
        for cloud in start.clouds:
            cloud.stop()


def test_the_end_of_a_nursery_ends_what_descends_from_it(stack, start, folder, tmp_path):
    stack.function("Nap", NAP, Timeout=900)
    before = set(children(os.getpid()))
    nursery = Nursery(folder, preload=())
    cloud = start(stack, nursery=nursery)
    marker = tmp_path / "marker"
    sleeper = ThreadPoolExecutor(1).submit(cloud.invoke, "Nap", {"marker": str(marker)})
    assert until(lambda: marker.exists() and marker.read_text(), 10)
    pids = {int(marker.read_text()), *children(os.getpid())} - before
    assert len(pids) == 3
    nursery.stop()
    assert not any(running(pid) for pid in pids)
    with pytest.raises(InvocationError, match="signal: killed"):
        sleeper.result()
    with pytest.raises(InvocationError, match=r"zygote\.log"):
        cloud.invoke("Nap", {"marker": str(marker)})


def test_a_cloud_does_not_come_up_from_a_nursery_that_has_ended(stack, tmp_path, folder):
    nursery = Nursery(folder, preload=())
    nursery.stop()
    with pytest.raises(ReplayError, match=r"nursery\.log"):
        Cloud(stack.write(), tmp_path / "cloud", nursery=nursery).start()


def test_why_a_cloud_did_not_start_is_told_though_it_does_not_stop_either(stack, tmp_path, monkeypatch):
    def stuck(_: Cloud) -> None:
        raise TimeoutError

    cloud = Cloud(stack.add("Thing", "AWS::No::Such").write(), tmp_path / "cloud", preload=())
    monkeypatch.setattr(Cloud, "stop", stuck)
    with pytest.raises(ReplayError, match="AWS::No::Such") as raised:
        cloud.start()
    monkeypatch.undo()
    cloud.stop()
    assert raised.value.__notes__ == ["Stopping failed as well: TimeoutError: "]
    assert Path(cloud.folder / "cloud.json").exists()
