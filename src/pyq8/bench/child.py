"""Start a stopwatch: a fresh process that does one job and answers in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyq8.errors import ModelError


def run_alone(job: str, path: str, **options: Any) -> dict[str, Any]:
    """The answer of one stopwatch process; it is killed when this one is interrupted.

    Args:
        job: time, examine, profile or peak, see `pyq8.bench.stopwatch`.
        path: of the model, "" where there is none.
        options: of the job; what JSON can hold.

    Raises:
        ModelError: it failed; names the model, and the reason that the process gave.
    """
    request = {"job": job, **({"path": path} if path else {}), **options}
    command = [sys.executable, "-m", "pyq8.bench.stopwatch", json.dumps(request)]
    child = subprocess.run(
        command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if child.returncode == 0:
        result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
        return result
    name = path or f"the {job} probe"
    if child.returncode < 0:
        raise ModelError(f"{name}: its process was killed by signal {-child.returncode} (9: out of memory?)")
    reason = (child.stderr.splitlines() or [f"exit code {child.returncode}"])[-1]
    raise ModelError(reason if name in reason else f"{name}: {reason}")


def _environment() -> dict[str, str]:
    """Ours, made to find this very package, and no module of the working directory by accident."""
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONSAFEPATH": "1"}
    if root.name not in ("site-packages", "dist-packages"):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), env.get("PYTHONPATH")]))
    return env
