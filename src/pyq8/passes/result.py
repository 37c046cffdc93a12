"""What a pass reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PassResult:
    """Which nodes a pass rewrote, and which candidates it refused.

    Args:
        name: the pass.
        changed: names of the nodes it rewrote or removed.
        refused: name of a candidate node -> why it was left alone.
    """

    name: str
    changed: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {len(self.changed)} changed, {len(self.refused)} refused"

    def to_json(self) -> dict[str, object]:
        """A plain dict."""
        return {"name": self.name, "changed": list(self.changed), "refused": dict(self.refused)}
