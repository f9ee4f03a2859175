"""
No secret on a screen or in a file, in whatever form it is about to be printed (S18).
"""

import base64
import io
import json
import os
import subprocess
import sys
import textwrap
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark import log
from spark.log import FilteredStream, redact, register_secret

SECRETS = [
    b"plain-secret-word",
    b"with/slash+plus=and space",
    b'quote"back\\slash\ttab',
    "ünïcode-sécret".encode(),
    bytes(range(32)),
    bytes(range(224, 256)),
    b"Zm9vYmFyYmF6cXV4Zm9v",
]


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without secrets, and leave none behind."""
    monkeypatch.setattr(log, "_forms", {})


def printed(secret: bytes) -> Iterator[str]:
    """The ways in which a secret has been seen to leak."""
    yield secret.hex()
    yield secret.hex().upper()
    yield base64.b64encode(secret).decode()
    yield base64.urlsafe_b64encode(secret).decode()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield repr(secret)
    yield str({"key": secret})
    yield json.dumps(repr(secret))
    yield urllib.parse.quote_from_bytes(secret, safe="")
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield text
    yield repr(text).strip("'\"") if "\\" not in repr(text) else text
    yield json.dumps(text)
    yield json.dumps(text, ensure_ascii=False)
    yield orjson.dumps({"a": [text]}).decode()
    yield json.dumps(json.dumps(text))
    yield urllib.parse.quote(text, safe="")
    yield urllib.parse.quote(text)
    yield urllib.parse.quote_plus(text)
    yield urllib.parse.urlencode({"signature": text})


def bare(secret: bytes) -> list[str]:
    """What must not be found any more."""
    found = [secret.hex(), base64.b64encode(secret).decode().rstrip("="), repr(secret)[2:-1]]
    with suppress(UnicodeDecodeError):
        found.append(secret.decode())
    return found


@pytest.mark.parametrize("secret", SECRETS, ids=repr)
def test_s18_every_form_of_a_secret_is_removed(secret: bytes) -> None:
    """S18: as it is, hex, base64, URL, JSON, JSON inside JSON, and as Python shows bytes."""
    register_secret(secret)
    for text in printed(secret):
        clean = redact(f"before {text} after")
        assert "[redacted]" in clean, text
        assert clean.startswith("before ")
        assert clean.endswith(" after")
        assert not any(form in clean for form in bare(secret)), text


def test_s18_a_secret_that_begins_like_another_hides_both() -> None:
    """S18: removing the short one first would leave the rest of the long one."""
    register_secret(b"prefix-secret")
    register_secret(b"prefix-secret-and-more")
    register_secret(b"prefix-secret-and")
    assert redact("prefix-secret-and-more") == "[redacted]"


def test_s18_a_secret_is_removed_wherever_and_however_often() -> None:
    """S18: repeated, inside a word, across other text."""
    register_secret(b"hunter2hunter2")
    assert redact("xhunter2hunter2yhunter2hunter2") == "x[redacted]y[redacted]"


def test_other_text_stays_as_it_is() -> None:
    """Only secrets go; what is too short to be one would hide half of every line."""
    register_secret(b"short")
    register_secret(b"")
    assert redact("a short line") == "a short line"


@given(st.binary(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_s18_any_secret_in_any_text_is_removed(secret: bytes, before: str, after: str) -> None:
    """S18: nothing about the bytes or their surroundings lets a form through."""
    log._forms = {}
    register_secret(secret)
    for form in (secret.hex(), base64.b64encode(secret).decode()):
        assert form.rstrip("=") not in redact(before + form + after)


PROGRAM = textwrap.dedent("""
    import asyncio, base64, logging, sys, threading, urllib.parse, warnings
    from spark.errors import SettingError
    from spark.log import logger, register_secret, set_up

    secret = sys.stdin.buffer.read()
    register_secret(secret)
    set_up("signer", sys.argv[1])
    text = secret.decode()
    query = urllib.parse.urlencode({"key": text})

    class Refused(Exception):
        def __str__(self):
            return f"401 for https://venue/order?{query}"

    def deep(held):
        local_copy = {"held": held}
        raise Refused(held) from ValueError(local_copy["held"])

    logger().info(text, value=text, nested={"a": [text, secret]}, at=query)
    logger(bound=text).warning("bound", hex=secret.hex(), b64=base64.b64encode(secret).decode())
    logging.getLogger("library").error("library: %s", text)
    try:
        deep(text)
    except Refused as error:
        logger().exception("failed", why=str(error))
        logging.getLogger("library").exception("library failed")
    try:
        raise SettingError(f"a line with {text}")
    except SettingError as error:
        logger().error("process_ended", why=str(error))
    warnings.warn(text)
    thread = threading.Thread(target=deep, args=(text,))
    thread.start()
    thread.join()

    class Unraisable:
        def __del__(self):
            deep(text)

    Unraisable()

    async def forgotten():
        asyncio.get_running_loop().call_soon(deep, text)
        await asyncio.sleep(0)

    asyncio.run(forgotten())
    # In pieces, as tracebacks are printed, and without an end.
    for piece in (text[:5], text[5:9], text[9:], " "):
        print(piece, end="", file=sys.stderr, flush=True)
    try:
        deep(text)
    finally:
        print(text[:7], end="", file=sys.stderr, flush=True)
        print(text[7:], end="", file=sys.stderr, flush=True)
""")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("secret", [b"hunter2/hunter2+hunter2==", b'say"hunter2\\hunter2"'])
def test_s18_no_way_of_logging_prints_a_secret(form: str, secret: bytes) -> None:
    """
    S18, fault X1: fields, messages, libraries, exceptions, their causes, locals, and a bug's end.

    Each is forced in a process of its own, as it is printed there.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form],
        input=secret,
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": ""},
    )
    out = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert out.count("[redacted]") >= 16, out
    for way in (
        "UserWarning",
        "Exception in thread",
        "Exception ignored in",
        "Exception in callback",
    ):
        assert way in out
    assert "hunter2" not in out
    assert "local_copy =" not in out
    assert secret.hex() not in out
    if form == "json":
        lines = [orjson.loads(line) for line in out.splitlines() if line.startswith("{")]
        assert len(lines) >= 5
        assert all(line["role"] == "signer" for line in lines)


def test_s18_the_filter_itself_keeps_no_secret() -> None:
    """S18: whoever reads what the filter holds finds lengths, salted hashes and keyed digests."""
    secret = b"hunter2hunter2hunter2"
    register_secret(secret)
    held = repr(log._forms)
    assert log._forms
    for form in printed(secret):
        assert form not in held
    assert "hunter2" not in held


def test_s18_secrets_that_overlap_are_removed_whole() -> None:
    """S18: the end of one is the beginning of another: nothing of either is left."""
    register_secret(b"abcdefghijklmnop")
    register_secret(b"ijklmnopqrstuvwxyz0123456789")
    assert redact("< abcdefghijklmnopqrstuvwxyz0123456789 >") == "< [redacted] >"


def test_s18_a_line_is_held_until_it_ends() -> None:
    """S18: written in two parts, a secret would pass in halves."""
    register_secret(b"hunter2hunter2")
    below = io.StringIO()
    stream = FilteredStream(below)
    for piece in ("a hunter2", "hunter", "2 b\nc hunter2hun"):
        stream.write(piece)
    assert below.getvalue() == "a [redacted] b\n"
    stream.write("ter2")
    stream.end()
    assert below.getvalue() == "a [redacted] b\nc [redacted]"
