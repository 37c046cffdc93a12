"""`--quiet` and `--verbose`, before a command or behind it, and what is printed at each."""

from __future__ import annotations

import click

from pyq8.cli.style import dim
from pyq8.errors import UsageError

CONFIG = "pyq8.config"
"""Key of the context's notes: the configuration file that was read."""
_CHOSEN = "pyq8.level"


def quiet() -> bool:
    """Nothing is printed but errors and where the result is."""
    return _level() == "quiet"


def verbose() -> bool:
    """Details are printed too, on standard error."""
    return _level() == "verbose"


def say(text: str = "") -> None:
    """A line of what a command has to tell."""
    if not quiet():
        click.echo(text)


def line(label: str, text: str) -> None:
    """A line with what it is about in front of it."""
    say(f"{dim(f'{label:11}')} {text}")


def warn(text: str) -> None:
    """A doubt about the result, on standard error."""
    if not quiet():
        click.echo(f"{click.style('warning:', fg='yellow')} {text}", err=True)


def detail(text: str) -> None:
    """A line for `--verbose`."""
    if verbose():
        click.echo(dim(text), err=True)


def tell_path(path: str) -> None:
    """Where the result is, with `--quiet`; otherwise a line of its own says so."""
    if quiet():
        click.echo(path)


def announce_config(context: click.Context) -> None:
    """Say which configuration file was read, as soon as it is known that this is wanted."""
    if CONFIG in context.meta:
        detail(f"config      {context.meta[CONFIG]}")


def _level() -> str | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_CHOSEN)


def _choose(context: click.Context, option: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    if context.meta.setdefault(_CHOSEN, option.name) != option.name:
        raise UsageError("--quiet and --verbose exclude each other; give one")
    announce_config(context)


OPTIONS = (
    click.Option(
        ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_choose, help="Only errors and the result's path."
    ),
    click.Option(
        ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_choose, help="Stages, passes, every reason."
    ),
)
"""Of the group and of every command."""
