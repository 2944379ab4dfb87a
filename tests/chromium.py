"""Chromium for tests of pages, driven over its debugging pipe: it needs no further package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.leftovers import MARK

TIMEOUT_S = 30.0
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
_KEYS |= {"ArrowDown": 40, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34}
_FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-extensions", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio"),
    *("--disable-breakpad", "--disable-features=Translate,OptimizationHints"),
    *("--force-device-scale-factor=1", "--hide-scrollbars", "--lang=en-US"),
)
Message = dict[str, Any]


def chromium_path() -> str:
    """Return where Chromium is, or ""."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or ""


class PageError(Exception):
    """The page raised, or the browser refused a command."""


class Chromium:
    """One browser process; `page` opens a page in it."""

    def __init__(self, path: str, directory: Path) -> None:
        to_browser, self._commands = _pipe()
        self._answers, from_browser = _pipe()
        # It ends with all its processes in `close`; until then it may have as many as it likes.
        own = {"HOME": str(directory), "TMPDIR": str(directory), "TZ": "UTC"}
        environment = {k: v for k, v in os.environ.items() if k != MARK} | own
        self._pid = os.posix_spawn(
            path,
            [path, *_FLAGS, f"--user-data-dir={directory}", "about:blank"],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, to_browser, 3),
                (os.POSIX_SPAWN_DUP2, from_browser, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number = 0
        self._read = b""
        self.events: list[Message] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Send a command and return its result; what happens meanwhile is kept in `events`."""
        self._number += 1
        number = self._number
        message: Message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self._next()
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise PageError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def _next(self) -> Message:
        deadline = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._read:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._answers], [], [], max(left, 0))
            data = os.read(self._answers, 1 << 20) if ready else b""
            if not data:
                raise PageError("Chromium ended" if ready else f"no answer within {TIMEOUT_S} s")
            self._read += data
        message, self._read = self._read.split(b"\0", 1)
        found: Message = json.loads(message)
        return found

    @contextmanager
    def page(self, width: int = 1280, height: int = 800) -> Iterator[Page]:
        """Open an empty page of a size; it is closed afterwards."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        page.resize(width, height)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)

    def close(self) -> None:
        """End the browser with all its processes."""
        os.close(self._commands)
        os.close(self._answers)
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class Page:
    """A page: what a reader does with it, what it shows, and what it complained about."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command of the debugging protocol to this page."""
        return self._browser.call(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str = "light", motion: str = "no-preference", media: str = "") -> None:
        """Set what the reader prefers: a scheme, and whether things may move."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, file: Path) -> None:
        """Show a file, and wait until the page has drawn itself."""
        self.call("Page.navigate", url=file.as_uri())
        self.wait("document.readyState === 'complete' && document.querySelector('#page > *')")

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression; a promise is awaited."""
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise PageError(json.dumps(result["exceptionDetails"])[:2000])
        return result["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait in the page, frame by frame, until an expression is true, and return its value."""
        return self.evaluate(
            f"""new Promise((resolve, reject) => {{
                const end = performance.now() + {TIMEOUT_S * 900};
                const look = () => {{
                    const found = {condition};
                    if (found) resolve(found instanceof Node ? true : found);
                    else if (performance.now() > end) reject(new Error({json.dumps(condition)}));
                    else setTimeout(look, 8);
                }};
                look();
            }})"""
        )

    def text(self, selector: str) -> str:
        """Return what an element shows."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element that a selector finds, or the one of them with this text."""
        found = f"""[...document.querySelectorAll({json.dumps(selector)})]
            .find((one) => one.innerText.includes({json.dumps(text)}))"""
        self.wait(found)
        self.evaluate(f"{found}.scrollIntoView({{block: 'nearest'}})")
        x, y = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"({found}.getBoundingClientRect())"
        )
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        """Press and release the left button at a point of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send an event of the mouse."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, one after the other: their names, or letters."""
        for key in keys:
            more: Message = {"windowsVirtualKeyCode": _KEYS.get(key, 0)}
            if key == "Enter":
                more["text"] = "\r"
            elif len(key) == 1:
                more["text"] = key
            modifiers = 8 if shift else 0
            self.call(
                "Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=modifiers, **more
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers)

    def screenshot(self) -> bytes:
        """Return a picture of the window as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        return base64.b64decode(data)

    def complaints(self) -> list[str]:
        """Return all errors and warnings of the page so far."""
        self.evaluate("1")  # whatever was sent before is read with this answer
        found = []
        for method, parameters in self._events():
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:500])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] != "log":
                found.append(json.dumps(parameters["args"])[:500])
            elif method == "Log.entryAdded":
                found.append(parameters["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Return the addresses of all requests so far but those of data in the page itself."""
        self.evaluate("1")
        urls = [
            parameters["request"]["url"]
            for method, parameters in self._events()
            if method == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]

    def _events(self) -> Iterator[tuple[str, Message]]:
        for event in self._browser.events:
            if event.get("sessionId") == self._session:
                yield event["method"], event["params"]


@contextmanager
def browser() -> Iterator[Chromium]:
    """A browser with a profile of its own; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as directory:
        started = Chromium(chromium_path(), Path(directory))
        try:
            yield started
        finally:
            started.close()


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are not among the numbers that the browser gets."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
