"""`pyq8 doctor`."""

from __future__ import annotations

import click

from pyq8.cli.level import line, say
from pyq8.cli.options import json_option
from pyq8.cli.output import no_bars, write_json
from pyq8.cli.style import dim


@click.command("doctor")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the tensors.")
@json_option
def command(seed: int, json_file: str | None) -> None:
    """Examine this machine: CPU, versions, kernels, and whether every INT8 kernel computes what it must.

    ONNX Runtime's INT8 kernels and pyq8's own, each with every instruction set that runs here, on small random tensors
    with all remainders of sizes and with extreme codes, against integer arithmetic. Exit code 3: one of them is wrong.
    """
    from tqdm import tqdm

    from pyq8 import cpu, kernels
    from pyq8.cli.version import describe
    from pyq8.doctor.case import KERNELS
    from pyq8.doctor.examine import ONNXRUNTIME, examine
    from pyq8.doctor.short import advice
    from pyq8.errors import KernelError
    from pyq8.runtime.environment import environment

    row = cpu.cpu_class()
    if json_file != "-":
        for text in describe().splitlines():
            say(text)
    runtimes = (ONNXRUNTIME, *kernels.isas())
    with tqdm(total=len(list(KERNELS)) * len(runtimes), desc="examine", disable=no_bars(), leave=False) as bar:
        found = examine(seed, bar.update)
    wrong = [each for each in found if each.wrong]
    write_json({"kind": "pyq8 doctor", "schema": 1, "class": row.name, "seed": seed, **environment(),
                "kernels": [each.to_json() for each in found]}, json_file)  # fmt: skip
    if json_file != "-":
        width = max(map(len, KERNELS)) + 2
        say(dim(f"{'cases that are right':{width}}" + "".join(f"{name:>14}" for name in runtimes)))
        for name in KERNELS:
            cells = {each.runtime: each for each in found if each.kernel == name}
            say(f"{name:{width}}" + "".join(f"{_cell(cells[r].cases, cells[r].wrong):>14}" for r in runtimes))
        for each in wrong:
            line("wrong", f"{each.kernel}, {each.runtime}: {each.example}")
    ours = [each for each in wrong if each.runtime != ONNXRUNTIME]
    if len(ours) < len(wrong):
        raise KernelError(advice())
    if ours:
        where = f"pyq8's {ours[0].runtime} kernels compute wrong results on this CPU ({row.name})"
        raise KernelError(f"{where}; take --format qdq, and report it to pyq8")
    if json_file != "-":
        say(f"all right: {sum(each.cases for each in found)} cases")


def _cell(cases: int, wrong: int) -> str:
    return "-" if not cases else f"{cases - wrong}/{cases}" if wrong else str(cases)
