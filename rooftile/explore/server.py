"""The page's server: this computer only, one page, two questions.

It answers nobody but the browser that was given its address. It listens on the loopback interface;
a name that a foreign site has pointed at it (DNS rebinding) is refused by its ``Host``, a foreign
site's request by its ``Origin``, and whoever doesn't know the token in the path finds nothing. GET
changes nothing; POST takes small JSON only, which other sites can't send without being asked first.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from foundation.errors import OutputError, RooftileError
from rooftile.explore.page import Asset, assets
from rooftile.explore.session import Session

LOOPBACK = "127.0.0.1"
#: Bytes of a question; a setting has some hundred.
MOST_BYTES = 4096
#: Requests that are answered at the same time.
MOST_REQUESTS = 24
#: Seconds in which a request must have come.
REQUEST_S = 10.0
_TOKEN_BYTES = 24
_JSON = "application/json"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
        " connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ExploreServer(ThreadingHTTPServer):
    """Serves a session's page.

    Parameters
    ----------
    session
        What answers.
    port
        Where to listen, 0 for a free one.

    Raises
    ------
    OutputError
        When the port can't be had.
    """

    daemon_threads = True
    # Another server's port isn't taken over.
    allow_reuse_port = False

    def __init__(self, session: Session, port: int) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.assets = assets(session.record())
        self._free = BoundedSemaphore(MOST_REQUESTS)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"port {port} of {LOOPBACK}: can't be listened on ({reason.lower()}); choose"
                " another one with --port, or 0 for any that is free"
            ) from None
        self.hosts = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        """The page's address; nobody else can guess it."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or close the connection where too many are being answered."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for another request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Say nothing where a browser has gone away, or never came."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    """A request that isn't answered."""

    def __init__(self, status: HTTPStatus, text: str | None = None) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ExploreServer
    server_version = "rooftile"
    sys_version = ""
    timeout = REQUEST_S

    def do_GET(self) -> None:
        """Send a file of the page."""
        self._answer(self._file)

    def do_POST(self) -> None:
        """Answer a question about a setting."""
        self._answer(self._question)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing: the terminal is the user's."""

    def _answer(self, asset: Callable[[str], Asset]) -> None:
        try:
            found = asset(self._name())
        except _RefusedError as refused:
            self.send_error(refused.status, refused.text)
        except RooftileError as error:
            self._send(HTTPStatus.BAD_REQUEST, _json({"error": str(error)}))
        else:
            self._send(HTTPStatus.OK, found)

    def _file(self, name: str) -> Asset:
        if name not in self.server.assets:
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        return self.server.assets[name]

    def _question(self, name: str) -> Asset:
        session = self.server.session
        questions = {"answer": session.answer, "wait": session.wait}
        if name not in questions:
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        return _json(questions[name](session.space.setting(self._data())))

    def _name(self) -> str:
        """Return what is asked for by somebody who may ask."""
        host, origin = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if len(host) != 1 or host[0] not in self.server.hosts:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "Foreign host")
        if any(one != f"http://{host[0]}" for one in origin):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "Foreign origin")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "Foreign site")
        _, token, *rest = [*urlsplit(self.path).path.split("/"), ""]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        return "/".join(rest).removesuffix("/")

    def _data(self) -> object:
        """Return the JSON of a request."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Content-Type") != _JSON:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if not (length.isascii() and length.isdecimal()):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise RooftileError("the question isn't JSON") from None

    def _send(self, status: HTTPStatus, asset: Asset) -> None:
        self.send_response(status)
        self.send_header("Content-Type", asset.kind)
        self.send_header("Content-Length", str(len(asset.content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(asset.content)


def _json(data: Mapping[str, Any]) -> Asset:
    return Asset(kind=_JSON, content=json.dumps(data, allow_nan=False).encode())
