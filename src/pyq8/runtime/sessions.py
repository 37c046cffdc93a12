"""The only place that makes ONNX Runtime sessions, with the options that INT8 on x86 needs."""

from __future__ import annotations

import io
import os
import re
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyq8 import cpu
from pyq8.errors import ModelError, OutputError
from pyq8.model.fallback import find_fallback, needs, refusal
from pyq8.runtime.heap import give_back

if TYPE_CHECKING:
    import onnx_ir
    import onnxruntime

    from pyq8.types import Feeds

Optimize = Literal["all", "extended", "basic", "off"]
LEVELS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "off": "ORT_DISABLE_ALL",
}
INLINE_BYTES = 2**24
"""Weights up to 16 MiB are handed over in memory: as a message, ONNX Runtime holds them three times while it loads."""


LONGEST = 300
"""Characters of a message of ONNX Runtime that are handed on."""


def register(options: onnxruntime.SessionOptions) -> None:
    """Make pyq8's operators known to sessions of these options, which models of `--format pyq8` need.

    From other languages, the same file does: RegisterCustomOpsLibrary(`pyq8.kernels.library.path()`).

    Raises:
        ModelError: this installation has no compiled kernels.
    """
    from pyq8.kernels import library

    loaded, why = library.load()
    if loaded is None:
        raise ModelError(f"pyq8's operators cannot be registered: {why}")
    options.register_custom_ops_library(str(library.path()))


def session(
    model: str | os.PathLike[str] | bytes,
    *,
    threads: int | None = None,
    optimize: Optimize = "all",
    optimized_path: str | os.PathLike[str] | None = None,
    spin: bool = True,
    exact: bool | None = None,
    profile: str | os.PathLike[str] | None = None,
    prepack: bool = True,
    fallback: bool = True,
    tell: bool = True,
    lean: bool = False,
) -> onnxruntime.InferenceSession:
    """An ordinary `onnxruntime.InferenceSession` on the CPU, options set right.

    Args:
        model: path, or the bytes of a model without external data.
        threads: of an operator; None for the physical cores this process may use.
        optimize: how far ONNX Runtime rewrites the graph.
        optimized_path: where to write the graph that really runs. Weights above 1 KiB go to
            `<optimized_path>.data` beside it, so that no size is too large.
        spin: let threads that wait for work spin. False where several sessions share a process, or processes the
            cores: what spins slows the others down.
        exact: take int8 weights of which a pair of products can saturate in 16 bits as uint8, which is slower. None:
            only on CPUs that lack VNNI, with a warning. With VNNI it only costs speed.
        profile: start of the path at which `end_profiling()` writes what took how long.
        prepack: lay weights out for the kernels. False is slower, and a profile then has their shapes.
        fallback: where pyq8's kernels are missing, take the QDQ twin that a model of `--format pyq8` names, with a
            warning. False refuses it.
        tell: warn where weights are taken as uint8.
        lean: take memory tensor by tensor, not for all of a run at once: what is returned is then not held twice.

    Raises:
        ModelError: ONNX Runtime refuses the model.
    """
    import onnxruntime

    from pyq8.kernels import library

    source = model if isinstance(model, bytes) else os.fspath(model)
    name = "the model in memory" if isinstance(source, bytes) else source
    if not isinstance(source, bytes) and not Path(source).is_file():
        raise ModelError(f"{name}: no such file")
    if _exact(exact) and (safe := _unsaturated(source)) is not None:
        if exact is None and tell:
            from pyq8.runtime.unsaturated import cost

            warnings.warn(cost(name, safe[1]), stacklevel=2)
        return _hand_over(safe[0], partial(session, threads=threads, optimize=optimize, optimized_path=optimized_path,
                          spin=spin, exact=False, profile=profile, prepack=prepack, fallback=fallback,
                          lean=lean))  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised; ONNX Runtime would print it too
    options.enable_mem_pattern = not lean
    options.intra_op_num_threads = threads or cpu.physical_cores()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[optimize])
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    options.add_session_config_entry("session.disable_prepacking", "0" if prepack else "1")
    if library.load()[0] is not None:
        register(options)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = os.fspath(profile)
    if optimized_path is not None:
        path = Path(optimized_path)
        options.optimized_model_filepath = str(path)
        external = "session.optimized_model_external_initializers_"
        options.add_session_config_entry(external + "file_name", path.name + ".data")
        options.add_session_config_entry(external + "min_size_in_bytes", "1024")
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # its exceptions share no base but this
        if "pyq8:Region" in str(error) and (why := library.load()[1]):
            folder = None if isinstance(source, bytes) else Path(source).parent
            metadata = _metadata(source)
            twin = find_fallback(metadata, folder) if fallback else None
            if twin is None:
                raise ModelError(refusal(name, metadata, folder, why)) from error
            warnings.warn(f"{needs(name, why)}; {twin} runs in its place", stacklevel=2)
            return session(twin, threads=threads, optimize=optimize, optimized_path=optimized_path, spin=spin,
                           exact=exact, profile=profile, prepack=prepack, tell=tell, lean=lean)  # fmt: skip
        raise ModelError(f"{name}: onnxruntime cannot load it: {_one_line(error)}") from error


def run(session: Any, names: Sequence[str], feeds: Feeds, what: str = "the FP32 model") -> list[Any]:
    """The named outputs of one run. Nothing but this and a stopwatch runs a user's model.

    Args:
        session: of the model.
        names: of outputs.
        feeds: one run's inputs.
        what: the model, for messages.

    Raises:
        ModelError: it fails on these inputs; names their shapes, and the node that ONNX Runtime names.
    """
    try:
        found: list[Any] = session.run(names, feeds)
    except MemoryError:
        raise
    except Exception as error:  # its exceptions share no base but this
        raise fails_on(what, feeds, error) from error
    return found


def fails_on(what: str, feeds: Feeds, error: Exception) -> ModelError:
    """What to say of a model that loads and does not run."""
    shapes = ", ".join(f"{name} {value.shape}" for name, value in feeds.items())
    return ModelError(
        f"{what} does not run on {shapes}: {_one_line(error)}; give inputs of the sizes and values that it was made for"
    )


def _metadata(source: str | bytes) -> dict[str, str]:
    import onnx

    model = onnx.load(io.BytesIO(source) if isinstance(source, bytes) else source, load_external_data=False)
    return {p.key: p.value for p in model.metadata_props}


def model_session(
    model: onnx_ir.Model,
    *,
    threads: int | None = None,
    optimize: Optimize = "all",
    optimized_path: str | os.PathLike[str] | None = None,
    spin: bool = True,
    exact: bool | None = None,
) -> onnxruntime.InferenceSession:
    """`session` of a model in memory, of any size; the model is not changed.

    Up to 16 MiB of weights it goes as bytes. Larger ones, and models whose weights still lie in
    files, go through a temporary directory that is removed as soon as they are loaded.

    Raises:
        ModelError: ONNX Runtime refuses the model.
        OutputError: the temporary directory cannot hold it.
    """
    if _exact(exact):
        from pyq8.runtime.unsaturated import unsaturated

        safe = unsaturated(model)
        model = model if safe is None else safe[0]
    return _hand_over(model, partial(session, threads=threads, optimize=optimize, optimized_path=optimized_path,
                      spin=spin, exact=False, fallback=False, lean=True))  # fmt: skip


def _exact(asked: bool | None) -> bool:
    """Whether weights must be looked at for pairs that saturate."""
    return not cpu.has_vnni() if asked is None else asked


def _unsaturated(source: str | bytes) -> tuple[onnx_ir.Model, int] | None:
    """See `unsaturated.unsaturated`; None too for what cannot be read: ONNX Runtime says why."""
    import onnx
    import onnx_ir

    from pyq8.kernels import library
    from pyq8.runtime.unsaturated import unsaturated

    try:
        if isinstance(source, bytes):
            model = onnx_ir.from_proto(onnx.load_model_from_string(source))
        else:
            model = onnx_ir.load(source, format="protobuf")
        if "pyq8" in model.opset_imports and library.load()[0] is None:
            return None  # another file runs in its place
        return unsaturated(model)
    except MemoryError:
        raise
    except Exception:  # onnx and onnx_ir tell a broken model by many types
        return None


def _hand_over(
    model: onnx_ir.Model, load: Callable[[str | bytes], onnxruntime.InferenceSession]
) -> onnxruntime.InferenceSession:
    """A session of a model in memory: as bytes where they suffice, else by a file that is gone behind it."""
    import onnx_ir

    tensors = [v.const_value for graph in model.graphs() for v in graph.initializers.values()]
    in_files = any(isinstance(tensor, onnx_ir.ExternalTensor) for tensor in tensors)
    size = sum(tensor.nbytes for tensor in tensors if tensor is not None)
    if size <= INLINE_BYTES and not in_files:
        return load(onnx_ir.to_proto(model).SerializeToString())
    give_back()  # of what was before
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        path = Path(folder) / "model.onnx"
        try:
            onnx_ir.save(model, path, external_data="model.onnx.data")
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot hold {size / 2**30:.1f} GiB of weights ({error.strerror}); "
                "set TMPDIR to a disk with more room"
            ) from error
        loaded = load(str(path))
    give_back()  # of what only loading took
    return loaded


def _one_line(error: Exception) -> str:
    """ONNX Runtime's message without its prefix, source positions and line breaks."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    text = re.sub(r"/\S+\.(?:cc|h):\d+ [\w:~<>]+\([^)]*\)(?: const)? ?", "", text)
    words = " ".join(text.split()) or type(error).__name__
    return textwrap.shorten(words, LONGEST, placeholder=" ...")
