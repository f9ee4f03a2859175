"""
Everything that libraries and the loop say when they are asked to say all: no key, no signature.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

_KEY: Final = "k3yidk3yidk3yid"
_SIGNATURE: Final = "c0ffeec0ffeec0ffee"

_PROGRAM: Final = textwrap.dedent("""
    import asyncio, logging, sys, time, warnings
    from spark.clock import SystemClock
    from spark.errors import VenueUnavailable
    from spark.exchanges.http import HttpLink
    from spark.exchanges.port import NotSentError, SignedRequest
    from spark.exchanges.sockets import Sockets
    from spark.log import set_up

    _OK = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\n{}"
    key, signature = sys.argv[1:]
    set_up("gateway", "json")
    logging.getLogger().setLevel(logging.DEBUG)
    for name in ("asyncio", "aiohttp.client", "aiohttp.internal", "aiohttp.websocket"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    warnings.simplefilter("always")

    def order(method):
        return SignedRequest(
            method=method,
            path="/api/v3/order",
            query=f"symbol=BTCUSDT&signature={signature}",
            headers={"X-MBX-APIKEY": key},
            body=f"signature={signature}" if method == "POST" else "",
            stamp_ns=0,
            final_after_ns=0,
        )

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        if head.startswith(b"GET"):
            writer.write(_OK)
        elif head.startswith(b"POST"):
            time.sleep(0.2)  # a slow step, which a loop in debug mode tells of
            writer.write(b"HTTP/1.1 2OO nonsense\\r\\n\\r\\n")
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for url in (f"http://127.0.0.1:{port}", "http://127.0.0.1:1"):
            link = HttpLink("Nobody", url, SystemClock(), connections_max=2, reply_ms_max=500)
            for method in ("GET", "POST", "DELETE"):
                try:
                    print(repr(await link.send_once(order(method), lambda: True)))
                except NotSentError as error:
                    logging.getLogger("library").exception("not sent %r", error)
            unfinished = asyncio.ensure_future(link.send_once(order("DELETE"), lambda: True))
            await asyncio.sleep(0)
            print(repr(unfinished), asyncio.all_tasks())
            unfinished.cancel()
            await asyncio.gather(unfinished, return_exceptions=True)
            await link.close()
        sockets = Sockets("Nobody", f"ws://127.0.0.1:{port}")
        try:
            await sockets.connect(f"/stream?signature={signature}")
        except VenueUnavailable:
            logging.getLogger("library").exception("no stream")
        await sockets.close()
        server.close()
        # A request that somebody forgot to close.
        link = HttpLink("Nobody", url, SystemClock(), connections_max=2, reply_ms_max=500)
        try:
            await link.ask(order("GET"))
        except VenueUnavailable:
            pass
        del link

    asyncio.run(main(), debug=True)
""")


def test_s18_with_everything_switched_on_no_key_and_no_signature_is_printed() -> None:
    """Fault X1, S18: at the lowest level, with the loop's debug mode: answers, errors, leaks."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _PROGRAM, _KEY, _SIGNATURE],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "", "PYTHONASYNCIODEBUG": "1"},
        text=True,
    )
    out = done.stdout + done.stderr
    assert done.returncode == 0, out
    # The switches are on: the loop speaks, the slow step and the forgotten session are told of.
    for said in ("Executing <", "Unclosed client session", "not sent", "no stream"):
        assert said in out, out
    assert _SIGNATURE not in out
    assert _KEY not in out
