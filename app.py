"""Write the cloud assembly of Ionfleet, with the CloudFormation template in it.

python app.py             to `cdk.out/`, for local runs: offline, with nothing but the installed packages
python app.py --deploy    for a deployment, with the layers that `make layers` built: what `cdk deploy` runs
"""

# ruff: noqa: T201  (a command prints)
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ionfleet_infrastructure.node import use_installed_node

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the cloud assembly of Ionfleet.")
    parser.add_argument("--deploy", action="store_true", help="take the built layers, which a deployment needs")
    parser.add_argument("--output", type=Path, help="the assembly's folder (default: cdk.out)")
    arguments = parser.parse_args()
    # The CDK's command line says in CDK_OUTDIR where it will look for the assembly.
    output = arguments.output or Path(os.environ.get("CDK_OUTDIR", ROOT / "cdk.out"))

    use_installed_node()
    from ionfleet_infrastructure.layers import NotBuiltError
    from ionfleet_infrastructure.settings import SettingError
    from ionfleet_infrastructure.synthesis import make_app

    try:
        make_app(ROOT, output, deployable=arguments.deploy).synth()
    except (NotBuiltError, SettingError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The template is {output / 'Ionfleet.template.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
