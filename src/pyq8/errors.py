"""The errors that pyq8 raises on purpose.

    Pyq8Error               every one of them; its message is one line that names the thing, says
    |                       what was found, and what to do
    +-- UsageError          an option or argument that cannot be (exit code 2)
    +-- InputError          an input that cannot be used (exit code 3)
        +-- ModelError      the model file, or a node of it
        +-- DataError       images, arrays, labels, preprocessing
        +-- CalibrationError   statistics of another model, or none
        +-- PlanError       a plan file, or an entry of it
        +-- OutputError     the result cannot be written
        +-- WorkerError     the workers, or the cluster, that were to compute it
        +-- KernelError     INT8 kernels of this machine that compute something else than integer arithmetic

The gate's verdicts are no errors: `Verdict.exit_code` is 0 passed, 1 failed, 4 inconclusive.
The library raises; `pyq8.cli` alone prints and turns an error into an exit code.
"""


class Pyq8Error(Exception):
    """Base of every error raised on purpose."""

    exit_code = 1


class UsageError(Pyq8Error):
    """An option or argument that cannot be."""

    exit_code = 2


class InputError(Pyq8Error):
    """An input that cannot be used."""

    exit_code = 3


class ModelError(InputError):
    """The model, or one of its nodes, cannot be used."""


class DataError(InputError):
    """Images, arrays, labels or preprocessing cannot be used."""


class CalibrationError(InputError):
    """Calibration statistics are missing or belong to another model."""


class PlanError(InputError):
    """A plan file cannot be used."""


class OutputError(InputError):
    """The result could not be written."""


class WorkerError(InputError):
    """Workers ended again and again, or cannot be reached."""


class KernelError(InputError):
    """INT8 kernels of this machine compute wrong results."""
