"""From the repository's folder to a cloud assembly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App

from ionfleet_infrastructure.settings import Settings
from ionfleet_infrastructure.stack import IonfleetStack

STACK = "Ionfleet"
"""What the stack and its template are called in the assembly, whatever the stack's own name."""

FEATURE_FLAGS = {
    # Other layers, or other properties of a function, are another version of it.
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
}


def make_app(root: Path, output: Path, *, deployable: bool = False, context: Mapping[str, Any] | None = None) -> App:
    """Declare the app of a repository; `synth()` on it writes the folder `output`.

    The template depends on the files of the repository and the context alone: not on the account, the machine, or
    whether it is `deployable` (see `Layers`).

    Raises
    ------
    NotBuiltError
        It is to be deployable and a layer is not built.
    SettingError
        The context has a value that no deployment can be made with.

    """
    app = App(
        outdir=str(output),
        analytics_reporting=False,
        tree_metadata=False,
        context={**FEATURE_FLAGS, **(context or {})},
    )
    IonfleetStack(app, STACK, root=root, settings=Settings.from_context(app.node), deployable=deployable)
    return app
