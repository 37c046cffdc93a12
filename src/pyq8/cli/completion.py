"""`pyq8 completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pyq8.cli.names import Names


@click.command("completion")
@click.argument("shell", metavar="SHELL", type=Names("bash", "zsh", "fish"))
def command(shell: str) -> None:
    """Print the script that completes pyq8's commands, options, names and model files in SHELL: bash, zsh or fish.

    \b
    bash    echo 'eval "$(pyq8 completion bash)"' >> ~/.bashrc
    zsh     echo 'eval "$(pyq8 completion zsh)"' >> ~/.zshrc        # behind compinit
    fish    pyq8 completion fish > ~/.config/fish/completions/pyq8.fish

    Then start a new shell. bash must be 4.4 or newer.
    """
    from pyq8.cli import root

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(root, {}, "pyq8", "_PYQ8_COMPLETE").source())
