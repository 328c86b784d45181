"""Compile the kernels for every platform that Ionfleet runs on, into the package: `make kernels`.

Zig comes as a wheel, and compiles C for all of them on any machine; the same sources and the same Zig give the same
bytes, which CI checks. Who uses Ionfleet needs no compiler.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
PACKAGE = SOURCES.parent / "layers" / "engine" / "python" / "ionfleet" / "kernels"
TARGETS = {
    "linux-x86_64.so": "x86_64-linux-gnu.2.17",  # Lambda's platform, too
    "linux-aarch64.so": "aarch64-linux-gnu.2.17",
    "darwin-x86_64.dylib": "x86_64-macos.11.0",
    "darwin-arm64.dylib": "aarch64-macos.11.0",
}
"""Zig's name of each platform, by the name of its library as `ionfleet.kernels` looks for it."""
FLAGS = ("-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-s", "-g0", "-fno-math-errno")
EXACT = ("-ffp-contract=off",)
"""No fused multiply-add, which rounds once where two operations round twice."""


def main() -> None:
    """Compile."""
    sources = sorted(path.name for path in SOURCES.glob("*.c"))
    for name, target in TARGETS.items():
        out = PACKAGE / f"kernels-{name}"
        # A dylib has its own name in it, which would else be where this checkout is.
        named = [f"-Wl,-install_name,@rpath/{out.name}"] if out.suffix == ".dylib" else []
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target]
        subprocess.run([*compiler, *FLAGS, *EXACT, *named, "-o", str(out), *sources], cwd=SOURCES, check=True)


if __name__ == "__main__":
    main()
