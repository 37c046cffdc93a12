"""The page, as a browser shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pyq8.metrics.metric import Outputs
from pyq8.report.document import Document, Missing
from pyq8.report.page import SECTIONS, render
from pyq8.report.worst import Watcher
from pyq8.verify.halves import HalvesReport, HalvesRow
from tests.report.conftest import Digits

BEYOND = """Array.from(document.querySelectorAll('main, main *:not(svg, svg *)'))
.filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 80))"""
"""What reaches over the right edge of the window."""


@contextmanager
def shown(browser: Browser, file: Path, text: str, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    """The page in a browser that must neither ask for anything nor complain."""
    file.write_text(text, encoding="utf-8")
    said: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("data:") else said.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert said == [file.as_uri()]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_screen_and_asks_for_nothing(
    browser: Browser, document: Document, page_file: Path, width: int, scheme: str
) -> None:
    with shown(browser, page_file, render(document), width, scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        verdict = page.locator("#verdict b").bounding_box()
        assert verdict is not None and 0 <= verdict["y"] < 300  # on the first screen
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (red + green + blue > 384) == (scheme == "light")


def test_a_node_without_sqnr_has_no_colour_of_the_scale(browser: Browser, document: Document, page_file: Path) -> None:
    last = max(i for i, x in enumerate(document.network.lines) if x.kernel.int8 and x.sqnr is None)
    with shown(browser, page_file, render(document)) as page:
        colour = "e => getComputedStyle(e).backgroundColor"
        dot = page.locator(f"#n{last} .dot").evaluate(colour)
        assert dot not in page.locator("#network .legend i[class]").evaluate_all(f"all => all.map({colour})")
        assert page.locator(f"#n{last} .dot.moved").count() == page.locator(f"a[href='#n{last}'] .moved").count() == 1
        assert "no SQNR" in page.locator("#network .legend").inner_text()


def test_each_of_the_two_speeds_says_how_it_was_measured(browser: Browser, document: Document, page_file: Path) -> None:
    with shown(browser, page_file, render(document)) as page:
        assert "whole calls by the clock" in page.locator("#speed").inner_text()
        assert "need not agree" in page.locator("#time").inner_text()


def test_long_names_fit_a_phone_and_every_figure_says_what_it_is(
    browser: Browser, document: Document, page_file: Path
) -> None:
    name = "a_tensor_of_a_network_" * 12
    lines = [replace(x, kernel=replace(x.kernel, node=name), worst=True) for x in document.network.lines]
    row = HalvesRow(name, (0.0, 1.0), (0.0, 2.0), 0.5)
    network = replace(document.network, blocks=(tuple(lines),), inputs=(name,), outputs=(name,))
    long = replace(document, network=network, halves=HalvesReport((row,) * 4, (4, 4), "percentile"))
    with shown(browser, page_file, render(long), 390) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(BEYOND) == []
        known = next(i for i, x in enumerate(lines) if x.sqnr is not None and x.fp32_ms is not None)
        node = page.locator("#network li.node").nth(known)
        places = [node.locator(part).bounding_box() for part in (".name", ".tag", ".chip", ".run", ".time .before")]
        assert all(box is not None and box["width"] > 20 for box in places)
        tag, chip = places[1:3]
        assert tag is not None and chip is not None and tag["x"] + tag["width"] <= chip["x"]
        assert node.locator(".tag").evaluate("e => e.scrollWidth <= e.clientWidth")
        labels = "([part, side]) => getComputedStyle(document.querySelector(part), side).content"
        assert page.evaluate(labels, [f"#n{known} .meter > :last-child", "::before"]) == '"SQNR "'
        assert page.evaluate(labels, [f"#n{known} .time > :last-child", "::after"]) == '" ms"'


def test_verdict_and_three_numbers_come_first(browser: Browser, document: Document, page_file: Path) -> None:
    with shown(browser, page_file, render(document)) as page:
        assert page.locator("#verdict b").inner_text() == document.verdict.outcome.capitalize()
        assert document.verdict.demands[0].text in page.locator("#verdict").inner_text()
        for card, wanted in (("accuracy", "confidence"), ("speed", "as fast as FP32"), ("size", "smaller")):
            box = page.locator(f"#{card}").bounding_box()
            assert box is not None and box["y"] + box["height"] < 600
            assert wanted in page.locator(f"#{card}").inner_text()
        assert [page.locator(f"section#{id} h2").count() for id, _ in SECTIONS] == [1] * len(SECTIONS)


def test_every_node_is_there_in_order_with_kernel_and_sqnr(
    browser: Browser, document: Document, page_file: Path
) -> None:
    rows = document.verdict.report.kernels.rows
    with shown(browser, page_file, render(document)) as page:
        nodes = page.locator("#network li.node")
        assert nodes.locator(".name > span:first-child").evaluate_all("all => all.map(e => e.title)") == [
            r.node for r in rows
        ]
        first = next(i for i, row in enumerate(rows) if row.op_type == "Conv")
        convolution = nodes.nth(first)
        for wanted in ("INT8", "QLinearConv"):
            assert wanted in convolution.inner_text()
        worst = min(line.sqnr for line in document.network.lines if line.sqnr is not None)
        assert f"{worst:.1f}" in " ".join(page.locator("#network li.worst").all_inner_texts())
        assert page.locator("#network li.worst").count() == 3


def test_histograms_show_the_chosen_range_and_the_other_observers(
    browser: Browser, document: Document, page_file: Path
) -> None:
    assert not isinstance(document.ranges, Missing)
    with shown(browser, page_file, render(document)) as page:
        figures = page.locator("#activations figure")
        assert figures.count() == len(document.ranges)
        first = figures.first.inner_text() + " ".join(figures.first.locator("text").all_text_contents())
        assert all(name in first for name in ("minmax", "mse", "kl", "percentile", "clipped"))
        assert page.locator("#weights div.weights:not(.head)").count() == 22  # 21 convolutions and the head


def test_the_worst_images_are_pictures_with_both_answers(browser: Browser, document: Document, page_file: Path) -> None:
    with shown(browser, page_file, render(replace(document, classes=("zero", "one", "two")))) as page:
        cards = page.locator("#images figure")
        assert cards.count() == 12
        assert page.locator("#images img").evaluate_all("all => all.every(i => i.naturalWidth == 32)")
        text = " ".join(cards.all_inner_texts())
        assert "FP32" in text and "INT8" in text and "labelled" in text and "one" in text and "class 7" in text


def test_boxes_of_both_models_are_drawn_where_they_are(browser: Browser, document: Document, page_file: Path) -> None:
    watcher = Watcher(None)
    found = {"boxes": np.array([[[10.0, 20, 50, 60]]]), "labels": np.array([[3]]), "scores": np.array([[0.9]])}
    missed = {**found, "scores": np.array([[0.2]])}
    image = np.zeros((1, 3, 100, 200), np.float32)
    watcher(Outputs(found, missed, [None], ["a.jpg"], (100, 200)), {"x": image})
    with shown(browser, page_file, render(replace(document, worst=watcher.worst()))) as page:
        frame, box = page.locator("#images .frame"), page.locator("#images rect.fp32.missed")
        assert box.count() == 1 and page.locator("#images rect.int8").count() == 0
        around, inside = frame.bounding_box(), box.bounding_box()
        assert around is not None and inside is not None
        scale = around["width"] / 200
        top = around["y"] + (around["height"] - 100 * scale) / 2  # the picture is in the middle
        assert inside["x"] == pytest.approx(around["x"] + 10 * scale, abs=4)
        assert inside["y"] == pytest.approx(top + 20 * scale, abs=4)
        assert "1 found by one only" in page.locator("#images").inner_text()


def test_on_the_calibration_images_nothing_is_judged(browser: Browser, quantized: Digits, page_file: Path) -> None:
    document = quantized.report(split="calib", result=quantized.result, samples=12)
    with shown(browser, page_file, render(document)) as page:
        text = page.locator("#verdict").inner_text()
        assert text.startswith("Not judged: these are its calibration images") and "pyq8 check" in text
        assert f"Calibration images: {document.halves}" in page.locator("#plan").inner_text()


def test_what_is_missing_is_said(browser: Browser, document: Document, page_file: Path) -> None:
    gone = Missing("the reason stands here")
    document = replace(document, speed=gone, ranges=gone, weights=gone, layers=gone, sqnr=None)
    with shown(browser, page_file, render(document)) as page:
        for section in ("activations", "weights", "time", "speed"):
            assert "the reason stands here" in page.locator(f"#{section}").inner_text()


def test_a_network_whose_nodes_have_no_names_says_so(browser: Browser, document: Document, page_file: Path) -> None:
    document = replace(document, network=replace(document.network, blocks=()))
    with shown(browser, page_file, render(document)) as page:
        assert "No node of it is known by name" in page.locator("#network").inner_text()


def test_names_cannot_break_the_page(browser: Browser, document: Document, page_file: Path) -> None:
    with shown(browser, page_file, render(replace(document, classes=("<script>alert(1)</script>",) * 10))) as page:
        assert page.locator("script").count() == 0
        assert "<script>alert(1)</script>" in page.locator("#images").inner_text()
