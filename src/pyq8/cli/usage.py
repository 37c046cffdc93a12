"""Errors of click as one line."""

from __future__ import annotations

import re

import click


def one_line(error: click.ClickException) -> str:
    """Command, option, what was found, what to do; as pyq8's own errors say it."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'pyq8'}: {message(error)}"


def message(error: click.ClickException) -> str:
    """The same without the command."""
    if isinstance(error, click.BadParameter) and error.param is not None:
        if isinstance(error, click.MissingParameter):
            return f"{_name(error.param)} is missing; see --help"
        return f"{_name(error.param)}: {_plain(error.message)}"
    text = _plain(error.format_message())
    return text[:1].lower() + text[1:]


def long_name(parameter: click.Parameter) -> str:
    """The longest name of an option, without the dashes."""
    return max(parameter.opts, key=len).lstrip("-")


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Argument):
        return f"argument {(param.metavar or param.name or '').rstrip('.')}"
    return f"option {max(param.opts, key=len)}"


def _plain(text: str) -> str:
    """Without the full stop in front of a hint, and the quotes around options."""
    text = re.sub(r"'(--?[\w-]+)'", r"\1", text.strip())
    text = re.sub(r"(option|command):? ", r"\1 ", text, flags=re.IGNORECASE)
    text = re.sub(r"\.? \(?(?:Did you mean|Possible options:)(?: one of:)? ([^?)]+).*$", r"; did you mean \1?", text)
    return " ".join(text.rstrip(".").split())
