"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from pyq8.cli import names
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from pyq8.loaders import Preprocess

F = TypeVar("F", bound=Callable[..., Any])

ARRAYS = (".npz", ".npy")
INSTEAD = {"preset": "preprocess_file", "preprocess_file": "preset", "max_drop": "minimum", "minimum": "max_drop"}
"""Options that exclude each other."""
DATA = ("preset", "preprocess_file", "samples", "split", "seed", "skip_bad")
"""Parameters of `data_options`."""
OF_IMAGES = {"preset": "--preset", "preprocess_file": "--preprocess", "split": "--split", "skip_bad": "--skip-bad"}
"""Options that mean nothing for arrays: parameter -> flag."""


def said(context: click.Context, name: str) -> bool:
    """Whether the command line has a parameter, and not only a configuration file."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def give_way(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """A callback: what a configuration file says is left out where the command line says what excludes it."""
    name = option.name or ""
    if context.get_parameter_source(name) is not ParameterSource.DEFAULT_MAP:
        return value
    data = [context.params[images] for images in ("calib", "data") if said(context, images)]
    arrays = name in OF_IMAGES and any(Path(path).suffix.lower() in ARRAYS for path in data)
    if arrays or (name in INSTEAD and said(context, INSTEAD[name])):
        return False if option.type.name == "boolean" else None
    return value


_DATA = (
    click.option("--preset", type=names.PRESET, callback=give_way,
                 help=f"Preprocessing by name: {', '.join(names.PRESET.names)}."),
    click.option("--preprocess", "preprocess_file", type=names.PATH, callback=give_way, metavar="FILE.toml",
                 help="Preprocessing from a file."),
    click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Use N images."),
    click.option("--split", callback=give_way, metavar="NAME", help="Rows of labels.csv to use."),
    click.option("--seed", type=click.IntRange(min=0), metavar="N",
                 help="Draw the images at random instead of taking the first."),
    click.option("--skip-bad", is_flag=True, callback=give_way,
                 help="Leave unreadable images out instead of stopping."),
)  # fmt: skip


def data_options(command: F) -> F:
    """What images, and what to do to them."""
    for option in reversed(_DATA):
        command = option(command)
    return command


def worker_options(command: F) -> F:
    """Who computes."""
    command = click.option("--dask", metavar="ADDRESS", help="Compute on the workers of a Dask scheduler.")(command)
    return click.option(
        "--workers", type=click.IntRange(min=1), metavar="N", help="Compute in N processes; lost ones are replaced."
    )(command)


@contextmanager
def open_executor(workers: int | None, dask: str | None) -> Iterator[Executor | None]:
    """Who was asked to compute; None for this process.

    Raises:
        UsageError: both were asked.
        WorkerError: the cluster cannot be used.
    """
    from pyq8.workers.cluster import dask_cluster
    from pyq8.workers.processes import Workers

    if workers is not None and dask is not None:
        raise UsageError("--workers and --dask exclude each other; give one")
    if dask is not None:
        with dask_cluster(dask) as cluster:
            yield cluster
    elif workers is not None:
        with Workers(workers) as processes:
            yield processes
    else:
        yield None


def json_option(command: F) -> F:
    """`--json FILE`."""
    return click.option(
        "--json", "json_file", type=names.PATH, metavar="FILE", help="Write everything as JSON; - for stdout."
    )(command)


def image_arguments(asked: Mapping[str, Any], split: str, samples: int | None = None) -> dict[str, Any]:
    """What `data_options` were given, as the library's calls take it.

    Args:
        asked: the options of the command, these among them.
        split: the rows of labels.csv where none are named.
        samples: how many where it is not said; None for all.

    Raises:
        UsageError: see `find_preprocess`.
    """
    return {
        "preprocess": find_preprocess(asked["preset"], asked["preprocess_file"]),
        "samples": asked["samples"] or samples,
        "split": asked["split"] or split,
        "seed": asked["seed"],
        "skip_bad": asked["skip_bad"],
    }


def check_data_options(data: str, asked: Mapping[str, Any], besides: Collection[str] = ()) -> None:
    """Refuse options that say something about images where the data are arrays, which are fed as they are.

    Args:
        data: the path.
        asked: the options of the command, those of `data_options` among them.
        besides: options that mean something with arrays too.

    Raises:
        UsageError: naming the option.
    """
    found = next((flag for name, flag in OF_IMAGES.items() if asked[name] and name not in besides), None)
    if found and Path(data).suffix.lower() in ARRAYS and Path(data).is_file():
        raise UsageError(f"{found} is for images; {data} holds arrays, which are fed as they are: leave it out")


def find_preprocess(preset: str | None, file: str | None) -> Preprocess | None:
    """What was asked for, or None.

    Raises:
        UsageError: both were, or the name of a preset as a file.
    """
    from pyq8.loaders import PRESETS, Preprocess

    if preset and file:
        raise UsageError("--preset and --preprocess exclude each other; give one")
    if file in names.PRESET.names and not Path(file).exists():
        raise UsageError(f"--preprocess {file}: takes a TOML file; for the preset of this name give --preset {file}")
    if file:
        return Preprocess.from_toml(file)
    return PRESETS.get(preset) if preset else None
