"""
Which test proves which rule: made of the docstrings of the tests, and of what still waits.

`python -m tests.tidy.proofs` writes the page.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.tidy.source import ROOT, modules_of_tests

PAGE: Final = ROOT / "runbook" / "proofs.md"
_NUMBER: Final = re.compile(r"\b([RS]\d{1,2})\b")
#: `trap 9`, `traps 9, 10`: what other clients of exchanges get wrong.
_TRAPS: Final = re.compile(r"\btraps? (\d{1,2}(?:(?:, | and )\d{1,2})*)", re.IGNORECASE)

#: The rules, a line each: R of the protocol, S of security.
RULES: Final = {
    "R1": "One intent, one order: an id with a claim or an end is a duplicate.",
    "R2": "A claim is a record, read back as valid and first before a byte is sent.",
    "R3": "A record counts by the last fence before it and its number, for every reader alike.",
    "R4": "Opinions count in the epoch in force, the exchange's evidence from any.",
    "R5": "Evidence is always applied, however odd; exposure is a sum over orders.",
    "R6": "Exactly one output for each input, refusals and rubbish included.",
    "R7": "A rate window is occupied until its length after the answer.",
    "R8": "Nothing the state needs may expire; a log that begins late halts.",
    "R9": "Control is never compacted; a resume clears the kills that it names.",
    "R10": "After the kill no first byte; who cannot answer is shown as unconfirmed.",
    "R11": "An unknown blocks its own symbol; approvals are for the gateway that is ready.",
    "R12": "One BTCTurk request in flight for each key, in stamp order.",
    "R13": "Questions are signed with a key that cannot trade.",
    "R14": "Reconciliation never calls an order missing by one absence, nor ours foreign.",
    "R15": "The same log gives the same bytes again.",
    "R16": "One account, one partition; another count of partitions stops the stage.",
    "R17": "The audit trail has no gap and no double line, over any restart.",
    "R18": "A topic made anew, or a record that is another, halts.",
    "R19": "A row is written once: offsets move in the transaction that holds it.",
    "R20": "One strategy stops nobody but itself.",
    "S1": "The broker's time, and the partition of the account.",
    "S2": "One key for each writer and verifier.",
    "S3": "The signer believes the strategy's own tag and its own ceilings.",
    "S4": "Two exchange keys; the trade key signs approved places and cancels of known ids.",
    "S5": "Paper and shadow sign with a key that opens nothing.",
    "S6": "Whoever may kill may not resume.",
    "S7": "One uid for each role.",
    "S8": "Feeds price nothing alone.",
    "S9": "Independent evidence; the gateway lives on a lease.",
    "S10": "The latch is one way: any entry and any doubt is a kill.",
    "S11": "Back towards risk only with two persons' signatures.",
    "S12": "HTTP kills, tightens and proposes, for those who are meant to ask.",
    "S13": "Each process has its own role in PostgreSQL; audit rows stay.",
    "S14": "Anchors outside root's reach.",
    "S15": "Secrets come from private files and go nowhere else.",
    "S16": "Only what is locked by hash is loaded.",
    "S17": "The broker refuses what the table does not grant.",
    "S18": "No secret in anything that is printed.",
}

#: What other clients get wrong, and their users suffer from; T of traps.
TRAPS: Final = {
    "T1": "BTCTurk's stamps are milliseconds of its own clock, increasing, of one signer.",
    "T2": "A body that says success under a refusal is a refusal.",
    "T3": "BTCTurk's client id is sent and read under its right names, and its echo is checked.",
    "T4": "BTCTurk's market buy is in the quote currency; it is never sent as another order.",
    "T5": "A price keeps to scale and fraction, or it is not sent.",
    "T6": "BTCTurk's order history is asked for in seconds.",
    "T7": "Candles are asked for with both ends of their time.",
    "T8": "Each documented error has its class, by its token.",
    "T9": "A place is never sent again by itself.",
    "T10": "A timeout of the exchange's own is an unknown, whatever the stream says meanwhile.",
    "T11": "One denial right after a place proves nothing.",
    "T12": "A stamp is made when it is signed, from the exchange's clock; a refusal is counted.",
    "T13": "A clock's offset takes the way there into account.",
    "T14": "The exchange's own weight is the budget, and its Retry-After is kept.",
    "T15": "A local book begins by the documented rule.",
    "T16": "A snapshot older than the buffer is asked for again; the buffer stays.",
    "T17": "BTCTurk's book goes by CP and CS, and is compared with a full one.",
    "T18": "A socket that is open but mute is found and replaced.",
    "T19": "Who reads too slowly makes the socket wait, or fails loudly.",
    "T20": "A join that is acknowledged and brings nothing is found.",
    "T21": "BTCTurk's cancel is accepted first and true later.",
    "T22": "Funds that come a moment after a fill are no reason to give up the account.",
    "T23": "Fills are made up for by asking.",
    "T24": "BTCTurk's login signs the constant nonce, an integer, with a fresh time.",
    "T25": "Binance's private stream is opened by a signed subscription.",
}

#: What a later part of Spark brings, the whole rule or the rest of it.
WAITS: Final = {
    "S12": "the HTTP API and the console",
}


def proofs() -> dict[str, dict[str, list[str]]]:
    """Collect, for each number, the tests that name it, by file and in their order there."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module in modules_of_tests():
        for name, doc in _tests(module.tree):
            for number in sorted({*_NUMBER.findall(doc), *_traps(doc)}):
                found[number][module.path].append(name)
    return found


def _traps(doc: str) -> Iterator[str]:
    for numbers in _TRAPS.findall(doc):
        yield from (f"T{number}" for number in re.findall(r"\d+", numbers))


def page() -> str:
    """Write the page."""
    found = proofs()
    lines = [
        "# Proofs",
        "",
        "Each rule of the protocol (R) and of security (S), each trap of the exchanges (T), and",
        "the tests that name it in their docstrings. Generated: `python -m tests.tidy.proofs`.",
        "",
    ]
    for number, rule in (RULES | TRAPS).items():
        lines += [f"## {number}", "", rule, ""]
        if number in WAITS:
            lines += [f"Waits for {WAITS[number]}.", ""]
        for path, names in found.get(number, {}).items():
            lines += [f"- `{path}`"]
            lines += [f"  - {name.removeprefix('test_').replace('_', ' ')}" for name in names]
        if number in found:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _tests(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name, ast.get_docstring(node) or ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
