"""Turns: the requests of an address wait behind each other, not before those of another address."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple
from weakref import WeakValueDictionary

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access.address import base_path, client

#: Requests of an address that the server begins in a pass over its connections, and works on at once.
AT_ONCE = 4
#: Pages that run at once, for all addresses, and the seconds that each counts at most. Beside them an address without
#: a page that runs may begin one, until so many run.
RUNS_AT_ONCE, RUN_S, MOST_RUNS = 8, 30.0, 24
#: Files that are made for an address at once, for as many seconds each at most.
FILES_AT_ONCE = 8
#: Requests of an address that may wait. It has at most as many connections, and each asks for one thing at a time, so
#: more come only of connections that were closed without waiting for an answer.
MOST_WAITING = 2_048


class AddressPlaces(asyncio.Semaphore):
    """Places of an address.

    Attributes:
        waiting: requests that have none yet.

    """

    waiting: int = 0


class Addresses:
    """Places by address.

    Args:
        at_once: places of an address.

    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._places: WeakValueDictionary[str, AddressPlaces] = WeakValueDictionary()

    def places(self, scope: Scope) -> AddressPlaces:
        """Return the places of the address that a request came from."""
        return self._places.setdefault(client(scope), AddressPlaces(self._at_once))


class Runs:
    """Places for pages that run; of the addresses that wait, the one with the fewest pages is next."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    def places(self, scope: Scope) -> RunPlaces:
        """Return the places of the address that a request came from."""
        return RunPlaces(self, client(scope))

    async def take(self, address: str) -> None:
        """Wait for a place."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((address, place))
        self._hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # the place came just before
                self.give_back(address)
            raise

    def give_back(self, address: str) -> None:
        """Give a place of an address back."""
        self._running[address] -= 1
        self._running += Counter()  # forgets addresses without pages
        self._hand_out()

    def _hand_out(self) -> None:
        self._waiting = [each for each in self._waiting if not each[1].done()]
        while self._waiting:
            address, place = following = min(self._waiting, key=lambda each: self._running[each[0]])
            if self._running.total() >= (RUNS_AT_ONCE if self._running[address] else MOST_RUNS):
                return
            self._waiting.remove(following)
            self._running[address] += 1
            place.set_result(None)


class RunPlaces(NamedTuple):
    """Places of an address among those of all."""

    runs: Runs
    address: str

    async def acquire(self) -> None:
        """Wait for a place."""
        await self.runs.take(self.address)

    def release(self) -> None:
        """Give a place back."""
        self.runs.give_back(self.address)


class Run:
    """The page that a connection runs, from its message to the page's end, at one of the places of its address.

    A file that is made for a connection takes a place likewise, until it is made.

    A page that starts again, for its visitor has moved on, keeps its place. Several messages may be one start, so a
    page's end counts only if the page began after the last message. A page that waits for work goes on without a place,
    and so does one after :data:`RUN_S`: it works long, or its visitor reads nothing.
    """

    def __init__(self, places: AddressPlaces | RunPlaces) -> None:
        self._places, self._loop = places, asyncio.get_running_loop()
        self._end: asyncio.TimerHandle | None = None
        self._has_begun = False

    @property
    def is_under_way(self) -> bool:
        """Whether the connection has a place."""
        return self._end is not None

    async def ask(self) -> None:
        """Wait for a place."""
        if self._end is None:
            await self._places.acquire()
            self._end = asyncio.get_running_loop().call_later(RUN_S, self.leave)
        self._has_begun = False

    def begin(self) -> None:
        """Note that Streamlit begins a page: it has taken all messages so far."""
        self._has_begun = True

    def finish(self) -> None:
        """Note that a page has come to its end."""
        if self._has_begun:
            self.leave()

    def wait(self) -> None:
        """Note, from the thread of the page, that it waits for work."""
        self._loop.call_soon_threadsafe(self.leave)

    def leave(self) -> None:
        """Give the place back."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
            self._places.release()


class RequestTurns:
    """Let the requests of an address wait behind each other.

    The server has one thread, which answers all that its connections ask before it goes on with a page. 2,000
    connections of one address that asked again at each answer let another visitor wait 29 s for a page.

    A request has its place for a pass of that thread over all connections at least. Then it keeps it until its answer
    begins, or until it waits for what its visitor sends.

    Requests of a class have places of their own: a vote of a class behind one router does not wait for its pages.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._pages, self._class = Addresses(AT_ONCE), Addresses(AT_ONCE)
        self._path_of_class = f"{base_path()}/_class/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on in its turn."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        addresses = self._class if scope["path"].startswith(self._path_of_class) else self._pages
        places = addresses.places(scope)
        if places.waiting >= MOST_WAITING:
            await _refuse(scope, receive, send)
            return
        places.waiting += 1
        try:
            await places.acquire()
        finally:
            places.waiting -= 1
        # The first message of a WebSocket is there already, and opens it.
        has_place, waits_for_visitor = True, scope["type"] == "http"

        def leave() -> None:
            nonlocal has_place
            if has_place:
                places.release()
            has_place = False

        async def leave_and_receive() -> Message:
            nonlocal waits_for_visitor
            if waits_for_visitor:
                leave()
            waits_for_visitor = True
            return await receive()

        async def leave_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                leave()
            await send(message)

        try:
            await asyncio.sleep(0)  # a pass over all connections
            await self.app(scope, leave_and_receive, leave_and_send)
        finally:
            leave()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
        return
    sentence = "Too many requests of this address are waiting. Try again in a minute."
    await PlainTextResponse(sentence, status_code=429, headers={"Connection": "close"})(scope, receive, send)
