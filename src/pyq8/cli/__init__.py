"""The command line: parse, call the library, print, exit. The only place that prints."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import Any

import click

from pyq8._version import __version__

COMMANDS = {
    "quantize": "quantize an FP32 ONNX CNN to INT8",
    "tune": "quantize, and return to FP32 the nodes that lose too much",
    "check": "compare a quantized model with its original; the gate for CI",
    "report": "the same as one HTML page: every node, range, time and the worst images",
    "compare": "two JSON files of a command, side by side",
    "bench": "time models against each other",
    "inspect": "show which kernel runs every node on this machine, or which layers lose most",
    "kernels": "time the INT16 kernels of training",
    "demo": "quantize, prove, check and time the embedded model",
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
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"pyq8.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Stop quietly, as other Unix tools do, when the reader of a pipe is gone: click would exit with 1."""
        try:
            result = super().invoke(ctx)
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


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pyq8")
def root() -> None:
    """INT8 quantization of ONNX CNNs that really runs on the INT8 kernels of x86 CPUs.

    Exit codes: 0 passed, 1 the gate failed, 2 wrong usage, 3 bad input (model or data), 4 the gate cannot
    tell: too few images.
    """


def _drop_output() -> None:
    """What is still buffered for a standard output that takes no more would fail again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: list[str] | None = None) -> None:
    """Run, and turn every error into one line and an exit code."""
    from pyq8.errors import Pyq8Error

    try:
        sys.exit(root.main(args=argv, prog_name="pyq8", standalone_mode=False) or 0)
    except Pyq8Error as error:
        click.echo(f"pyq8: {error}", err=True)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("pyq8: interrupted; nothing was written", err=True)
        sys.exit(130)
    except OSError as error:  # the library turns those of its own files into Pyq8Error
        _drop_output()
        click.echo(f"pyq8: {error.filename or 'standard output'}: {error.strerror}", err=True)
        sys.exit(3)
    except MemoryError:
        click.echo("pyq8: out of memory; close other programs or use smaller images", err=True)
        sys.exit(3)
