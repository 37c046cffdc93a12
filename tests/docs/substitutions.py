"""What the tests change in a command of the documents. Everything else runs as it is written."""

from __future__ import annotations

import re

TEXT = (
    # pattern, replacement                                                  why
    (r"--preset [\w-]+", "--preprocess preprocess.toml"),  #                digits are no photographs
    (r'preprocess="[\w-]+"', 'preprocess=pyq8.Preprocess.from_toml("preprocess.toml")'),
    (r"--max-drop 0\.\d+", "--max-drop 2"),  #                              a hundred digits cannot tell less
    (r"max_drop=0\.\d+", "max_drop=2"),
    (r"--min-speedup \S+", "--min-speedup 0.01"),  #                        no test asserts a time
    (r"--max-latency \S+", "--max-latency 9"),  #                           of the times that the test makes up
    (r"(--batch|--threads) \S+", r"\1 2"),  #                              every setting starts every model once more
    (r"/layer4/conv2/Conv", "/down/conv/Conv"),  #                          nodes that the digits' network has
    (r"/layer4/", "/inverted/"),
)
DEFAULTS = {
    # command -> options that make it shorter, where the document does not give them
    "quantize": {"--samples": "12", "--effort": "fast"},
    "tune": {"--samples": "12", "--search-samples": "12", "--effort": "fast"},
    "inspect": {"--samples": "4", "--effort": "fast"},
    "check": {"--max-drop": "2"},
    "report": {"--max-drop": "2", "--rounds": "0"},
    "bench": {"--rounds": "1", "--seconds": "0.02"},
}
IMAGES = ("photos", "val", "calib")
"""Folders of the documents that are the digits."""
SAMPLES = {"calib": 12, "val": 160}
"""So many of either split."""


def substitute(text: str) -> str:
    """TEXT, in its order."""
    for pattern, replacement in TEXT:
        text = re.sub(pattern, replacement, text)
    return text


def shorten(argv: list[str]) -> list[str]:
    """DEFAULTS, for `pyq8 argv`."""
    command = argv[0]
    if command == "inspect" and "--data" not in argv:
        return argv
    if command == "quantize" and "--plan" in argv:
        return argv
    given = {word.partition("=")[0] for word in argv}
    if given & {"--metric", "--min"}:
        given.add("--max-drop")
    more = [(name, value) for name, value in DEFAULTS.get(command, {}).items() if name not in given]
    return [*argv, *(word for pair in more for word in pair)]
