"""Models where workers find them, and the sessions that a worker keeps of them."""

from __future__ import annotations

import socket
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pyq8.errors import WorkerError

if TYPE_CHECKING:
    import onnxruntime

KEPT = 2
"""Sessions that a worker keeps: `check` runs two models."""

_sessions: OrderedDict[str, onnxruntime.InferenceSession] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Source:
    """A model for workers, written by this process.

    Args:
        path: of its file, in a folder of random name: no two models have the same one.
        content: file name -> bytes of this file and of its weights; None where workers read `path`.
    """

    path: str
    content: Mapping[str, bytes] | None = None

    __hash__ = None  # type: ignore[assignment]  # holds a mapping

    def session(self) -> onnxruntime.InferenceSession:
        """Of one thread; opened once a worker and kept, the last KEPT of them.

        Raises:
            WorkerError: the worker does not see the file.
            ModelError: ONNX Runtime refuses it.
        """
        with _lock:
            if self.path not in _sessions:
                while len(_sessions) >= KEPT:
                    _sessions.popitem(last=False)
                _sessions[self.path] = self._open()
            _sessions.move_to_end(self.path)
            return _sessions[self.path]

    def packed(self) -> Source:
        """The same with its content, for workers that do not see the file."""
        path = Path(self.path)
        files = sorted(path.parent.glob(f"{path.name}*"))
        return Source(self.path, {file.name: file.read_bytes() for file in files})

    def forget(self) -> None:
        """Drop the session of this process."""
        with _lock:
            _sessions.pop(self.path, None)

    def _open(self) -> onnxruntime.InferenceSession:
        if self.content is None:
            if not Path(self.path).is_file():
                raise WorkerError(
                    f"worker on {socket.gethostname()}: does not see {self.path}; set TMPDIR to a folder that all share"
                )
            return _session(Path(self.path))
        with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
            for name, data in self.content.items():
                (Path(folder) / name).write_bytes(data)
            return _session(Path(folder) / Path(self.path).name)


def _session(path: Path) -> onnxruntime.InferenceSession:
    from pyq8.runtime.sessions import session

    return session(path, threads=1, spin=False, fallback=False, tell=False, lean=True)
