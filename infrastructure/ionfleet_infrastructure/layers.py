"""The layers: our own from their sources, the third-party ones from what `make layers` fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from aws_cdk import Annotations, IgnoreMode, aws_lambda
from constructs import Construct

from ionfleet_infrastructure.locked import LOCKED_LAYERS, layer_digest, not_built
from ionfleet_infrastructure.specification import ADAPTERS, ENGINE

RUNTIME = aws_lambda.Runtime.PYTHON_3_13
ARCHITECTURE = aws_lambda.Architecture.X86_64
SOURCE_LAYERS = (ENGINE, ADAPTERS)
LEFT_BY_TOOLS = ["__pycache__", "*.pyc", ".*"]
LEFT_OUT = ["/python/ionfleet/client"]
"""Of the layers' sources: the Python client is imported under the domain's name, but no function needs it."""


class NotBuiltError(Exception):
    """A deployment needs layers that have not been built."""


class Layers(Construct):
    """One layer version for each layer's name."""

    def __init__(self, scope: Construct, id: str, folder: Path, *, deployable: bool) -> None:
        """Declare the layers of the repository's folder `layers/`.

        Only a `deployable` synthesis takes the wheels themselves. Any other has an empty folder in their place, since
        local runs import from the installed environment; the CDK's command line refuses to deploy it.

        Raises
        ------
        NotBuiltError
            The synthesis is to be deployable and a layer is not built.

        """
        super().__init__(scope, id)
        missing = not_built(folder) if deployable else []
        if missing:
            raise NotBuiltError(
                f"The layers {', '.join(missing)} are not built, or from another lock file than there is now, so they "
                "cannot be deployed. Run `make layers`, then deploy again."
            )
        if not deployable:
            Annotations.of(self).add_error(
                "This assembly is for local runs: it has no third-party packages in its layers, so it cannot be "
                "deployed. Run `make layers`, then `cdk deploy` in the repository's folder, without `--app`."
            )
        self._versions = {name: self._source_layer(name, folder) for name in SOURCE_LAYERS}
        self._versions |= {name: self._locked_layer(name, folder, deployable=deployable) for name in LOCKED_LAYERS}

    def select(self, names: Iterable[str]) -> list[aws_lambda.ILayerVersion]:
        """Return the layers of these names, in their order."""
        return [self._versions[name] for name in names]

    def _source_layer(self, name: str, folder: Path) -> aws_lambda.LayerVersion:
        return self._layer(name, source_code(folder / name, LEFT_OUT))

    def _locked_layer(self, name: str, folder: Path, *, deployable: bool) -> aws_lambda.LayerVersion:
        source = folder / name / "build" if deployable else folder / "not-fetched"
        return self._layer(name, aws_lambda.Code.from_asset(str(source), asset_hash=layer_digest(folder, name)))

    def _layer(self, name: str, code: aws_lambda.Code) -> aws_lambda.LayerVersion:
        return aws_lambda.LayerVersion(
            self,
            name.capitalize(),
            code=code,
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )


def source_code(folder: Path, left_out: Sequence[str] = ()) -> aws_lambda.Code:
    """Return a folder of our own sources as code, without what running and checking them leaves there."""
    exclude = [*LEFT_BY_TOOLS, *left_out]
    return aws_lambda.Code.from_asset(str(folder), exclude=exclude, ignore_mode=IgnoreMode.GIT)
