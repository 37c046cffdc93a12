"""What options take is written down for help and completion; here it is compared with what there is."""

from __future__ import annotations

from collections.abc import Iterable

import click
import pytest

from pyq8.calibration.observers import OBSERVERS
from pyq8.cli import COMMANDS, load_command, names
from pyq8.correction.effort import EFFORTS
from pyq8.gate.demand import CRITERIA
from pyq8.loaders import PRESETS
from pyq8.metrics import METRICS
from pyq8.model.pixel_input import COLORS, LAYOUTS
from pyq8.ops.by_cost import PLACEMENTS
from pyq8.rewrite import FORMATS


@pytest.mark.parametrize(
    ("written", "there"),
    [(names.OBSERVER, OBSERVERS), (names.FORMAT, FORMATS), (names.EFFORT, EFFORTS), (names.PLACEMENT, PLACEMENTS),
     (names.PRESET, PRESETS), (names.METRIC, METRICS), (names.LAYOUT, LAYOUTS), (names.COLOR, COLORS),
     (names.CRITERION, CRITERIA)],
)  # fmt: skip
def test_the_names_are_those_that_there_are(written: names.Names, there: Iterable[str]) -> None:
    assert set(written.names) == set(there)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_takes_a_path_says_so_to_click(command: str) -> None:
    paths = (
        "FILE",
        "FILE.toml",
        "FILE.html",
        "PATH",
        "OUT",
        "FOLDER",
        "MODEL",
        "MODEL...",
        "MODEL|FOLDER|BATCH.toml",
        "FP32",
        "INT8",
    )
    for param in load_command(command).params:
        if param.metavar in paths:
            assert isinstance(param.type, click.Path), param.name
