"""An HTTP server that classifies images with an INT8 model: the standard library, Pillow and plain ONNX Runtime.

Install: pip install .                                         (in the folder of the repository)
Run:     python examples/serve_onnxruntime.py [OUT]            the embedded network, made INT8 in OUT, on port 8000
         python examples/serve_onnxruntime.py OUT --model resnet50.onnx --images photos --preset imagenet
         curl --data-binary @photo.jpg http://127.0.0.1:8000   -> {"top": [[class, logit], ...]}

The model takes pixels (`input="uint8"`), so decoding and resizing are all that a request needs before it runs. With
--self-test it asks itself over loopback, compares the answers with direct inference, and ends.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any

import click
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

import pyq8
from pyq8.loaders import PRESETS
from pyq8.loaders.datasets import dataset

LARGEST = 16 * 2**20
"""Bytes of a request."""


class Classifier:
    """One session for all threads: `run` may be called by several at once, and the weights are in memory once.

    Args:
        model: takes uint8 [N, H, W, C].
        at_once: images that are computed at the same time; others wait.
        threads: of one image. 1 gives the most images/s; all cores, with at_once 1, the shortest answer.
    """

    def __init__(self, model: Path, at_once: int, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the CPU to others
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._turn = BoundedSemaphore(at_once)
        (spec,) = self._session.get_inputs()
        self._input, (_, self._height, self._width, channels) = spec.name, spec.shape
        if not isinstance(self._height, int) or not isinstance(self._width, int):
            raise click.ClickException(f"{model}: takes {spec.shape}; export it with a fixed height and width")
        self._mode = "L" if channels == 1 else "RGB"

    def __call__(self, image: bytes) -> list[tuple[int, float]]:
        """The five likeliest classes and their logits, best first.

        Raises:
            ValueError: no image that Pillow reads.
        """
        try:
            with Image.open(io.BytesIO(image)) as opened:
                upright = ImageOps.exif_transpose(opened).convert(self._mode)
        except Exception as error:  # on a broken file Pillow's decoders raise nearly anything
            raise ValueError(f"not a readable image: {error}") from None
        fitted = ImageOps.fit(upright, (self._width, self._height), Image.Resampling.BILINEAR)
        pixels = np.asarray(fitted, np.uint8).reshape(1, self._height, self._width, -1)
        with self._turn:
            logits = self._session.run(None, {self._input: pixels})[0][0]
        return [(int(i), float(logits[i])) for i in np.argsort(-logits, kind="stable")[:5]]


def make_server(classify: Classifier, port: int) -> ThreadingHTTPServer:
    """A thread a connection; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30  # seconds that a client may be silent

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > LARGEST:
                self.close_connection = True  # the body stays unread
                return self._answer(413 if length.isdigit() else 411, {"error": f"send 1 to {LARGEST} bytes"})
            try:
                return self._answer(200, {"top": classify(self.rfile.read(int(length)))})
            except ValueError as error:
                return self._answer(400, {"error": str(error)})

        def do_GET(self) -> None:
            self._answer(200, {"ready": True})

        def _answer(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass  # one line a request is for a real server's log

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def ask(port: int, body: bytes) -> tuple[int, Any]:
    """Status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def self_test(server: ThreadingHTTPServer, direct: Classifier, images: Path) -> None:
    """Ask from eight threads at once, then something that is no image.

    Raises:
        ClickException: an answer is not what direct inference says.
    """
    Thread(target=server.serve_forever, daemon=True).start()
    files = [file for file in sorted(images.rglob("*.*")) if file.suffix in (".png", ".jpg", ".jpeg")][:64]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda file: ask(server.server_port, file.read_bytes()), files))
    for file, (status, answer) in zip(files, answers, strict=True):
        expected = [list(pair) for pair in direct(file.read_bytes())]
        if status != 200 or answer["top"] != expected:
            raise click.ClickException(f"{file}: {status} {answer}, direct inference says {expected}")
    status, answer = ask(server.server_port, b"no image")
    if status != 400:
        raise click.ClickException(f"no image: {status} {answer}, not 400")
    server.shutdown()
    print(f"self-test passed: {len(files)} answers over HTTP equal direct inference, what is no image gets 400")


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="FP32; the embedded digits if not given")
@click.option("--images", type=click.Path(path_type=Path, exists=True), help="to calibrate on")
@click.option("--preset", default="imagenet", show_default=True, help="of --model")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--at-once", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="images")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="of one image")
@click.option("--self-test", "test", is_flag=True, help="on a free port")
def main(
    out: Path, model: Path | None, images: Path | None, preset: str, port: int, at_once: int, threads: int, test: bool
) -> None:
    digits = dataset("digits")
    if (model is None) != (images is None):
        raise click.UsageError("--model and --images: give both or none")
    model, images = model or digits / "digits.onnx", images or digits / "images"
    try:
        embedded = model.parent == digits
        how = pyq8.Preprocess.from_toml(digits / "preprocess.toml") if embedded else PRESETS.get(preset)
        result = pyq8.quantize(model, images, preprocess=how, input="uint8")
        out.mkdir(parents=True, exist_ok=True)
        int8 = out / f"{model.stem}.int8.onnx"
        result.save(int8)
    except pyq8.Pyq8Error as error:
        raise click.ClickException(str(error)) from None
    print(f"{int8}: {result.report.kernels}")
    with make_server(Classifier(int8, at_once, threads), 0 if test else port) as server:
        if test:
            self_test(server, Classifier(int8, 1, 1), images)
            return
        print(f"POST images to http://127.0.0.1:{server.server_port}; Ctrl-C ends")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
