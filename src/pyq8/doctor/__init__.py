"""Whether the INT8 kernels of this machine compute what integer arithmetic says."""

from __future__ import annotations

from pyq8.doctor.examine import Examined, examine
from pyq8.doctor.short import require_right_kernels

__all__ = ["Examined", "examine", "require_right_kernels"]
