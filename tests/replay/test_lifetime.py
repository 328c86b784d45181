"""Clouds come fast, live side by side, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from ionfleet_replay import Cloud, ReplayError, Standing
from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.clock import ManualClock

NAP = """
    import os, time
    def handler(event, context):
        open(event["marker"], "w").write(str(os.getpid()))
        time.sleep(600)
"""
KEEP = """
    import os
    def handler(event, context):
        return os.environ["BUCKET"]
"""


def running(pid):
    """Return whether a process lives; one that has died and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def nap(cloud, marker):
    """Invoke a handler that the end of the cloud interrupts."""
    with contextlib.suppress(CancelledError):
        cloud.invoke("Nap", {"marker": str(marker)})


def until(condition, within):
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def children(pid):
    """Return the processes below a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    direct = [int(child) for task in tasks for child in task.read_text().split()]
    return direct + [below for child in direct for below in children(child)]


def test_two_clouds_side_by_side_share_nothing(stack, start):
    stack.bucket("Bucket", events=False).function("Keep", KEEP, {"BUCKET": {"Ref": "Bucket"}})
    one, two = start(stack), start(stack)
    one.client("s3").put_object(Bucket=one.outputs["Bucket"], Key="k", Body=b"1")
    assert one.endpoint_url != two.endpoint_url
    assert [one.invoke("Keep", {}), two.invoke("Keep", {})] == [one.outputs["Bucket"], two.outputs["Bucket"]]
    names = [[each["Name"] for each in cloud.client("s3").list_buckets()["Buckets"]] for cloud in (one, two)]
    assert names == [[one.outputs["Bucket"]], [two.outputs["Bucket"]]]
    assert "Contents" not in two.client("s3").list_objects_v2(Bucket=two.outputs["Bucket"])
    two.stop()
    assert one.client("s3").get_object(Bucket=one.outputs["Bucket"], Key="k")["Body"].read() == b"1"
    assert one.invoke("Keep", {}) == one.outputs["Bucket"]


def test_a_cloud_may_be_given_relative_paths_and_outlives_a_change_of_folder(stack, tmp_path, monkeypatch):
    stack.bucket("Bucket", events=False).function("Keep", KEEP, {"BUCKET": {"Ref": "Bucket"}}).write()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Cloud(stack.folder.relative_to(tmp_path), Path("cloud"), preload=()) as cloud:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert cloud.invoke("Keep", {}) == cloud.outputs["Bucket"]
    assert json.loads((tmp_path / "cloud" / "cloud.json").read_text())["state"] == "stopped"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_stopping_ends_every_process_even_while_handlers_run(stack, start, tmp_path):
    others = set(children(os.getpid()))  # of other tests, such as the CDK's Node
    cloud = start(stack.function("Nap", NAP, Timeout=900))
    before = threading.active_count()
    marker = tmp_path / "marker"
    threading.Thread(target=nap, args=(cloud, marker)).start()
    assert until(lambda: marker.exists() and marker.read_text(), 10)
    pids = {int(marker.read_text()), *children(os.getpid())} - others
    cloud.stop()
    assert not any(running(pid) for pid in pids)
    assert until(lambda: threading.active_count() < before, 2)
    assert json.loads((cloud.folder / "cloud.json").read_text())["state"] == "stopped"
    assert not (cloud.folder / "tmp").exists()


def test_stopping_closes_the_port_and_connections_that_were_kept_open(stack, start):
    cloud = start(stack.bucket("Bucket"))
    host, port = cloud.endpoint_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4)
        cloud.stop()
        connection.settimeout(5)
        while connection.recv(65536):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_stopping_twice_or_without_a_start_is_nothing(stack, start):
    cloud = start(stack)
    cloud.stop()
    cloud.stop()
    Cloud(stack.folder, stack.folder / "never").stop()


SCRIPT = """
    import sys, threading, time
    from pathlib import Path
    from ionfleet_replay import Cloud

    with Cloud(Path(sys.argv[1]), Path(sys.argv[2]), preload=()) as cloud:
        threading.Thread(target=cloud.invoke, args=("Nap", {"marker": sys.argv[3]}), daemon=True).start()
        time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_the_process_ends_its_workers_within_two_seconds(stack, tmp_path, how):
    stack.function("Nap", NAP, Timeout=900)
    marker = tmp_path / "marker"
    arguments = [str(stack.write()), str(tmp_path / "cloud"), str(marker)]
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: marker.exists() and marker.read_text(), 30)
        pids = [int(marker.read_text()), *children(process.pid)]
        assert len(pids) >= 2
        process.send_signal(how)
        assert until(lambda: not any(running(pid) for pid in pids), 2)
    facts = json.loads((tmp_path / "cloud" / "cloud.json").read_text())
    assert facts["pid"] == process.pid
    assert facts["state"] == ("stopped" if how == signal.SIGINT else "running")


def test_waiting_names_what_is_in_flight(stack, start, tmp_path):
    cloud = start(stack.function("Nap", NAP, Timeout=900))
    marker = tmp_path / "marker"
    threading.Thread(target=nap, args=(cloud, marker)).start()
    assert until(marker.exists, 10)
    with pytest.raises(TimeoutError, match="1 × invocation of Nap"):
        cloud.wait_idle(0.1)


def test_a_cloud_tells_whether_it_works_or_messages_wait_or_nothing_is_left(stack, start, tmp_path):
    cloud = start(stack.function("Nap", NAP, Timeout=900))
    assert cloud.standing() is Standing.IDLE
    marker = tmp_path / "marker"
    threading.Thread(target=nap, args=(cloud, marker)).start()
    assert until(marker.exists, 10)
    assert cloud.standing() is Standing.BUSY


def test_messages_that_nobody_works_on_wait(stack, start):
    source = "def handler(event, context): raise ValueError"
    stack.queue("Queue", VisibilityTimeout=600).function("Bad", source).mapping("Mapping", "Queue", "Bad")
    cloud = start(stack, clock=ManualClock())
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="x")
    assert until(lambda: cloud.invocations() and cloud.standing() is Standing.WAITING, 10)
    with pytest.raises(TimeoutError, match="1 × message in "):
        cloud.wait_idle(0)


def test_who_looks_whether_all_is_done_makes_no_call_that_would_keep_the_clock_from_skipping(stack, start, monkeypatch):
    operations, call = set(), Account.call

    def noted(account, service, principal, operation, /, **parameters):
        operations.add(operation)
        return call(account, service, principal, operation, **parameters)

    monkeypatch.setattr(Account, "call", noted)
    stack.queue("Queue").function("Function", KEEP, {"BUCKET": "b"}).mapping("Mapping", "Queue", "Function")
    cloud = start(stack)
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="x")
    cloud.wait_idle(20)
    assert operations == {"receive_message", "delete_message_batch"}


def test_a_defect_of_the_runtime_is_told_to_whoever_waits(stack, start):
    def observer(observation):
        raise ZeroDivisionError(f"seeing {observation}")

    stack.machine("Machine", {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}})
    cloud = start(stack, observer=observer)
    cloud.client("stepfunctions").start_execution(stateMachineArn=cloud.outputs["Machine"])
    with pytest.raises(ReplayError, match=r"runtime\.log"):
        cloud.wait_idle(10)
    assert "ZeroDivisionError" in (cloud.folder / "runtime.log").read_text()


def test_a_tally_tells_what_began_since_and_what_is_left():
    activity = Activity()
    activity.begin("work")
    generation, tally = activity.snapshot()
    assert tally == {"work": 1}
    activity.end("work")
    assert activity.snapshot() == (generation, {})
    activity.begin("more")
    assert activity.snapshot() == (generation + 1, {"more": 1})
