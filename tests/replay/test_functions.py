"""Functions in worker processes: what they see, how they fail, what limits them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ionfleet_replay import InvocationEnded, InvocationError

ECHO = """
    import os, sys

    def handler(event, context):
        return {
            "event": event,
            "variables": dict(os.environ),
            "pid": os.getpid(),
            "request": context.aws_request_id,
            "name": context.function_name,
            "version": context.function_version,
            "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb,
            "remaining": context.get_remaining_time_in_millis(),
            "stream": context.log_stream_name,
        }
"""
MISBEHAVE = """
    import os, signal, sys, time

    class TransientError(Exception):
        pass

    def handler(event, context):
        what = event["do"]
        if what == "raise":
            raise TransientError("the service hiccuped")
        if what == "sleep":
            time.sleep(60)
        if what == "exit":
            sys.exit(3)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "child":
            import subprocess
            return subprocess.Popen(["sleep", "600"]).pid
        if what == "eat":
            eaten = bytearray(400 * 2**20)
            time.sleep(event.get("hold", 0))
            return len(eaten)
        if what == "unserialisable":
            return {1, 2}
        if what == "large":
            return "x" * (7 * 2**20)
        return what
"""


def error_of(cloud, function, payload):
    with pytest.raises(InvocationError) as failed:
        cloud.invoke(function, payload)
    return failed.value.error


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def invoke_for_ever(cloud):
    while True:
        cloud.invoke("Nap", 0)


def gone(pid, within=5.0):
    deadline = time.monotonic() + within
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_a_function_sees_its_own_variables_and_nothing_of_the_parents_but_path_and_locale(stack, start, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    stack.bucket("Bucket", events=False).function("Echo", ECHO, {"BUCKET": {"Ref": "Bucket"}, "AWS_REGION_": "kept"})
    cloud = start(stack)
    variables = cloud.invoke("Echo", {})["variables"]
    assert variables["BUCKET"] == cloud.outputs["Bucket"]
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["AWS_ENDPOINT_URL"] == cloud.endpoint_url
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    own = ("AWS_", "LAMBDA_", "LC_", "LANG", "POWERTOOLS_", "_")
    others = {name for name in variables if not name.startswith(own)}
    assert others == {"BUCKET", "PATH", "TZ", "TMPDIR"}


def test_the_context_tells_request_version_memory_and_time_left(stack, start):
    cloud = start(stack.function("Echo", ECHO))
    seen = cloud.invoke(cloud.outputs["EchoVersion"], {"a": [1, None, "é"]})
    assert seen["event"] == {"a": [1, None, "é"]}
    assert (seen["name"], seen["version"], seen["memory"]) == (cloud.outputs["Echo"], "1", 512)
    assert seen["arn"] == cloud.outputs["EchoVersion"]
    assert 0 < seen["remaining"] <= 10_000
    (invocation,) = cloud.invocations()
    assert (invocation.request_id, invocation.outcome, invocation.cold) == (seen["request"], "ok", True)
    assert 1 < invocation.max_rss_mb < 512


def test_an_environment_stays_warm_and_another_is_made_when_all_are_busy(stack, start):
    source = """
        import os, time
        def handler(event, context):
            time.sleep(event)
            return os.getpid()
    """
    cloud = start(stack.function("Nap", source))
    first = cloud.invoke("Nap", 0)
    assert cloud.invoke("Nap", 0) == first
    pids = []
    naps = [threading.Thread(target=lambda: pids.append(cloud.invoke("Nap", 0.5))) for _ in range(3)]
    for nap in naps:
        nap.start()
    for nap in naps:
        nap.join()
    assert len(set(pids)) == 2  # as many as there are workers


def test_each_role_has_credentials_of_its_own(stack, start):
    stack.resources["Other"] = stack.resources["Role"]
    stack.function("One", ECHO).function("Two", ECHO)
    stack.resources["Two"]["Properties"]["Role"] = {"Fn::GetAtt": ["Other", "Arn"]}
    cloud = start(stack)
    keys = {cloud.invoke(name, {})["variables"]["AWS_ACCESS_KEY_ID"] for name in ("One", "Two")}
    assert len(keys) == 2


def test_an_exception_becomes_lambdas_error_and_the_environment_stays(stack, start):
    cloud = start(stack.function("Bad", MISBEHAVE))
    error = error_of(cloud, "Bad", {"do": "raise"})
    assert (error["errorType"], error["errorMessage"]) == ("TransientError", "the service hiccuped")
    assert len(error["stackTrace"]) == 1
    assert 'raise TransientError("the service hiccuped")' in error["stackTrace"][0]
    assert cloud.invoke("Bad", {"do": "well"}) == "well"
    assert [invocation.cold for invocation in cloud.invocations()] == [True, False]


def test_a_function_is_killed_at_its_timeout(stack, start):
    cloud = start(stack.function("Bad", MISBEHAVE, Timeout=1))
    error = error_of(cloud, "Bad", {"do": "sleep"})
    assert error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in error["errorMessage"]
    assert cloud.invoke("Bad", {"do": "well"}) == "well"


@pytest.mark.parametrize(("how", "told"), [("exit", "exit status 3"), ("kill", "signal: killed")])
def test_a_process_that_dies_is_a_runtime_exit_error(stack, start, how, told):
    cloud = start(stack.function("Bad", MISBEHAVE))
    error = error_of(cloud, "Bad", {"do": how})
    assert error["errorType"] == "Runtime.ExitError"
    assert told in error["errorMessage"]
    assert cloud.invoke("Bad", {"do": "well"}) == "well"


@pytest.mark.parametrize("hold", [0, 30])
def test_a_function_is_killed_at_its_memory_limit_however_short_it_was_over(stack, start, hold):
    cloud = start(stack.function("Bad", MISBEHAVE, MemorySize=256, Timeout=20))
    error = error_of(cloud, "Bad", {"do": "eat", "hold": hold})
    assert error["errorType"] == "Runtime.ExitError"
    assert "signal: killed" in error["errorMessage"]
    assert cloud.invocations()[0].max_rss_mb > 256


def test_what_a_killed_function_started_dies_with_it(stack, start):
    cloud = start(stack.function("Bad", MISBEHAVE, Timeout=1))
    child = cloud.invoke("Bad", {"do": "child"})
    assert alive(child)
    error_of(cloud, "Bad", {"do": "sleep"})
    assert gone(child)


@pytest.mark.parametrize(
    ("what", "kind"), [("unserialisable", "Runtime.MarshalError"), ("large", "Function.ResponseSizeTooLarge")]
)
def test_an_answer_must_be_json_of_at_most_6_mb(stack, start, what, kind):
    cloud = start(stack.function("Bad", MISBEHAVE))
    assert error_of(cloud, "Bad", {"do": what})["errorType"] == kind


def test_an_event_may_have_at_most_6_mb(stack, start):
    cloud = start(stack.function("Echo", ECHO))
    with pytest.raises(Exception, match="6291456 bytes"):
        cloud.invoke("Echo", "x" * (6 * 2**20))
    assert cloud.invocations() == []


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nothing_of_that_name", "Runtime.ImportModuleError", "nothing_of_that_name"),
        ("def other(event, context): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'handler'"),
        ("raise ValueError('at import')", "ValueError", "at import"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_an_error_of_the_invocation(stack, start, source, kind, message):
    cloud = start(stack.function("Bad", source))
    error = error_of(cloud, "Bad", {})
    assert error["errorType"] == kind
    assert message in error["errorMessage"]


def test_reserved_concurrency_used_up_refuses_the_call(stack, start):
    source = """
        import time
        def handler(event, context):
            time.sleep(event)
    """
    cloud = start(stack.function("Nap", source, ReservedConcurrentExecutions=1))
    nap = threading.Thread(target=cloud.invoke, args=("Nap", 1))
    nap.start()
    with pytest.raises(Exception, match="Rate Exceeded"):
        invoke_for_ever(cloud)
    nap.join()
    assert cloud.invoke("Nap", 0) is None


def test_the_log_of_an_environment_has_the_output_between_lines_that_name_the_request(stack, start):
    source = """
        import os
        print("at import")
        def handler(event, context):
            print("hello", event)
            os.write(2, b"raw bytes\\n")
            raise RuntimeError("oh")
    """
    cloud = start(stack.function("Talk", source))
    error_of(cloud, "Talk", 1)
    request = cloud.invocations()[0].request_id
    (log,) = (cloud.folder / "logs" / "Talk").iterdir()
    lines = [line for line in log.read_text().splitlines() if not line.startswith((" ", "REPORT"))]
    assert lines == [
        "at import",
        f"START RequestId: {request} Version: $LATEST",
        "hello 1",
        "raw bytes",
        "[ERROR] RuntimeError: oh",
        f"END RequestId: {request}",
    ]
    assert f"REPORT RequestId: {request}" in log.read_text()


def test_a_layer_with_our_sources_is_importable_by_its_functions_alone(stack, start):
    content = stack.asset("layer", {"python/our_package/__init__.py": "WHO = 'the layer'"})
    stack.add("Layer", "AWS::Lambda::LayerVersion", Content=content)
    source = """
        from our_package import WHO
        def handler(event, context):
            return WHO
    """
    stack.function("With", source, Layers=[{"Ref": "Layer"}]).function("Without", source)
    cloud = start(stack)
    assert cloud.invoke("With", {}) == "the layer"
    assert error_of(cloud, "Without", {})["errorType"] == "Runtime.ImportModuleError"


def test_third_party_packages_come_from_the_installed_environment_not_from_wheels_for_another_python(stack, start):
    wheel = {"python/boto3/__init__.py": "raise SystemError", "python/boto3-9.dist-info/METADATA": "Name: boto3"}
    stack.add("Layer", "AWS::Lambda::LayerVersion", Content=stack.asset("layer", wheel))
    source = """
        import boto3
        def handler(event, context):
            return boto3.__version__
    """
    cloud = start(stack.function("Function", source, Layers=[{"Ref": "Layer"}]))
    assert cloud.invoke("Function", {}).startswith("1.")


def test_editable_installs_of_the_parent_are_not_importable(stack, start):
    source = """
        import ionfleet_replay
        def handler(event, context):
            return "it should not be here"
    """
    cloud = start(stack.function("Function", source))
    assert error_of(cloud, "Function", {})["errorType"] == "Runtime.ImportModuleError"


def test_every_invocation_is_observed(stack, start):
    cloud = start(stack.function("Echo", ECHO))
    cloud.invoke("Echo", {})
    assert [ended.invocation for ended in start.observed(InvocationEnded)] == cloud.invocations()


@pytest.mark.parametrize("reference", ["Nobody", "Echo:2", "Ech"])
def test_an_unknown_function_or_version_is_named(stack, start, reference):
    cloud = start(stack.function("Echo", ECHO))
    with pytest.raises(Exception, match=f"There is no function '{reference}'; there are: Echo"):
        cloud.invoke(reference, {})
