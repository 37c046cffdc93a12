"""A metric that the user wrote: `--metric module:function`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.errors import DataError, UsageError
from pyq8.metrics.metric import Outputs, OutputsMetric
from pyq8.types import Array

UserFunction = Callable[[Mapping[str, Array], "int | None", str], Any]
"""(outputs, label, name) -> the score of one image, higher is better.

outputs: output name -> array; of an image, without the batch axis where the model has one. label: its class index or
None. name: its file name, or its index among arrays.
"""


class UserMetric(OutputsMetric):
    """Mean over the images of a function that scores one image of one model; judged by how much it falls.

    Args:
        name: "module:function"; the working directory is searched too. Or any name, with a function.
        function: None imports it.

    Raises:
        UsageError: there is no such module or function.
    """

    unit = ""

    def __init__(self, name: str, function: UserFunction | None = None) -> None:
        super().__init__()
        self.name = name
        self._function = function or _find(name)

    @property
    def sha256(self) -> str:
        """Of the file that defines the function; "" where there is none."""
        file = inspect.getsourcefile(self._function) if inspect.isroutine(self._function) else None
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""

    def update_all(self, outputs: Outputs) -> None:
        """Score every image of both models.

        Raises:
            DataError: the function raises, or returns no finite number for FP32.
        """
        for i, (label, name) in enumerate(zip(outputs.labels, outputs.names, strict=True)):
            before = self._score({k: v[i] for k, v in outputs.reference.items()}, label, name)
            after = self._score({k: v[i] for k, v in outputs.candidate.items()}, label, name)
            if not math.isfinite(before):
                raise DataError(f"metric {self.name}: {before} for FP32 on image {name}; return a finite number")
            self._reference.append(np.array([[before]]))
            self._candidate.append(np.array([[-np.inf if math.isnan(after) else after]]))

    def _score(self, outputs: Mapping[str, Array], label: int | None, name: str) -> float:
        try:
            return float(self._function(outputs, label, name))
        except Exception as error:  # anything, it is the user's
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DataError(f"metric {self.name}: raised on image {name} ({reason}); correct the function") from error


def _find(name: str) -> UserFunction:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # importing runs the user's code
        reason = " ".join(f"{error}".split()) or type(error).__name__
        raise UsageError(f"metric {name!r}: cannot be imported ({reason}); give module:function") from error
    if not callable(function):
        raise UsageError(f"metric {name!r}: is a {type(function).__name__}, no function; give module:function")
    return function  # type: ignore[no-any-return]  # callable, and that is all there is to know
