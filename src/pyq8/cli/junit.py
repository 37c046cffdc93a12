"""The gate's verdict as JUnit XML, which CI systems show: one test case a demand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pyq8.gate.gate import Verdict


def junit(verdict: Verdict) -> str:
    """The document. What failed is a failure, what is inconclusive an error; warnings are in system-out."""
    demands = verdict.demands
    counts = {outcome: sum(d.outcome == outcome for d in demands) for outcome in ("failed", "inconclusive")}
    suite = ElementTree.Element(
        "testsuite",
        name="pyq8 check",
        tests=str(len(demands)),
        failures=str(counts["failed"]),
        errors=str(counts["inconclusive"]),
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(verdict).items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for demand in demands:
        case = ElementTree.SubElement(
            suite, "testcase", classname=verdict.record["candidate"]["path"], name=demand.name
        )
        if demand.outcome == "passed":
            ElementTree.SubElement(case, "system-out").text = demand.text
        else:
            kind = "failure" if demand.outcome == "failed" else "error"
            ElementTree.SubElement(case, kind, type=demand.outcome, message=demand.text)
    if verdict.warnings:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(verdict.warnings)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _properties(verdict: Verdict) -> dict[str, str]:
    record = verdict.record
    return {
        "cpu": record["cpu"],
        **{f"version {name}": version for name, version in record["versions"].items()},
        "reference sha256": record["reference"]["sha256"],
        "candidate sha256": record["candidate"]["sha256"],
        "data sha256": record["data_sha256"],
    }
