"""The command line: parse, call the library, print, exit. The only place that prints."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click

from pyq8.cli.config import find_config, read_config
from pyq8.cli.level import CONFIG, OPTIONS, announce_config, detail, warn
from pyq8.cli.names import PATH
from pyq8.cli.style import colour
from pyq8.cli.usage import one_line

COMMANDS = {
    "quantize": "quantize an FP32 ONNX CNN to INT8",
    "tune": "quantize, and return to FP32 the nodes that lose too much",
    "check": "compare a quantized model with its original; the gate for CI",
    "report": "the same as one HTML page: every node, range, time and the worst images",
    "compare": "two JSON files of a command, side by side",
    "bench": "time models against each other",
    "inspect": "show which kernel runs every node on this machine, or which layers lose most",
    "doctor": "examine this machine: whether its INT8 kernels compute what they must",
    "kernels": "time the INT16 kernels of training",
    "demo": "quantize, prove, check and time the embedded model",
    "completion": "print the script for completion in bash, zsh or fish",
}


class Lazy(click.Group):
    """A command's module is imported when the command runs, so that help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it."""
        del ctx
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def invoke(self, ctx: click.Context) -> Any:
        """Stop quietly, as other Unix tools do, when the reader of a pipe is gone: click would exit with 1."""
        started = time.perf_counter()
        warnings.showwarning = lambda message, *_: warn(str(message))
        try:
            result = super().invoke(ctx)
            detail(f"took        {time.perf_counter() - started:.1f} s in all")
            sys.stdout.flush()  # here, where an error still has an exit code of its own
        except BrokenPipeError:
            _drop_output()
            ctx.exit(128 + signal.SIGPIPE)
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from pyq8.cli.version import describe

        click.echo(describe())
        context.exit()


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=PATH,
    envvar="PYQ8_CONFIG",
    metavar="FILE",
    help="Defaults of options. Default: pyq8.toml here, or above in the git repository.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions, the CPU, its instructions and the kernels.",
)
@click.pass_context
def root(context: click.Context, config: str | None) -> None:
    """INT8 quantization of ONNX CNNs that really runs on the INT8 kernels of x86 CPUs.

    Exit codes: 0 passed, 1 the gate failed, 2 wrong usage, 3 bad input (model or data), 4 the gate cannot
    tell: too few images.
    """
    context.color = colour(os.environ)
    file = Path(config) if config else find_config()
    if file is not None:
        context.default_map = read_config(file, {name: functools.partial(load_command, name) for name in COMMANDS})
        context.show_default = True
        context.meta[CONFIG] = str(file)
        announce_config(context)


root.params[:0] = OPTIONS


@functools.cache
def load_command(name: str) -> click.Command:
    """The command of a module, with the options that every command has."""
    command: click.Command = importlib.import_module(f"pyq8.cli.{name}").command
    command.params.extend(OPTIONS)
    return command


def _drop_output() -> None:
    """What is still buffered for a standard output that takes no more would fail again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: list[str] | None = None) -> None:
    """Run, and turn every error into one line and an exit code."""
    from pyq8.errors import Pyq8Error

    # read when numpy is imported: layers and images are computed side by side, and its threads would spin beside them
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        sys.exit(root.main(args=argv, prog_name="pyq8", standalone_mode=False) or 0)
    except Pyq8Error as error:
        _complain(f"pyq8: {error}")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            error.show()
        else:
            _complain(one_line(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _complain("pyq8: interrupted; nothing was written")
        sys.exit(130)
    except OSError as error:  # the library turns those of its own files into Pyq8Error
        _drop_output()
        _complain(f"pyq8: {error.filename or 'standard output'}: {error.strerror}")
        sys.exit(3)
    except MemoryError:
        _complain("pyq8: out of memory; close other programs or use smaller images")
        sys.exit(3)


def _complain(line: str) -> None:
    """Who and what, on standard error."""
    who, what = line.split(": ", 1)
    click.echo(f"{click.style(f'{who}:', fg='red')} {what}", err=True, color=colour(os.environ))
