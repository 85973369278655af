"""HTTP as it comes in: uvicorn's own protocol, with an end to how much it keeps of a request's head.

uvicorn with httptools collects a request line and headers for as long as they come, before anybody is asked
who they are. Bodies are measured elsewhere (`api.body`).
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A URL of the longest kind that any path takes (64 KB), and as much again as other servers take for headers.
MAX_HEAD_BYTES: Final = 65_536 + 32_768


class HeadTooLarge(Exception):
    """Ends the parsing; never leaves the protocol."""


class BoundedHttp(HttpToolsProtocol):
    """A connection on which a head that is too large is answered with 400, and ends it."""

    _is_head_open = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_head_open or self.transport.is_closing():
            return
        # Pieces that the parser holds back are not told of until they are whole.
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        self._is_head_open, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_head_open = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            raise HeadTooLarge
        super().on_headers_complete()
