"""
`spark resume`, `spark approve`, `spark proposals`: back towards risk, by persons alone.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.options import LOCAL_PERSON, AsOption, ObeyedOption, ReasonOption, YesOption
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.cli.exit_codes import ExitCode
    from spark.cli.resume_desk import ResumeDraft
    from spark.cli.words_desk import Desk, Outcome, Sight

_IGNORED_SHOWN = 20


def resume(
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Go on after the halts in force now, and after no later one; names each of them.
    """
    raise typer.Exit(
        asyncio.run(_resume(person, reason, is_sure=yes, wait_s=timeout, as_json=as_json))
    )


def approve(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="As `spark proposals` lists it.")],
    *,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Sign what another person proposed, after it was shown in words.
    """
    raise typer.Exit(
        asyncio.run(_approve(person, proposal, is_sure=yes, wait_s=timeout, as_json=as_json))
    )


def proposals(*, as_json: JsonOption = False) -> None:
    """
    List what waits for a second person, and what was ignored and why.
    """
    sight = asyncio.run(_look())
    if as_json:
        print_json(_proposals_object(sight))
    else:
        _print_proposals(sight)


async def _resume(
    person: str, reason: str, *, is_sure: bool, wait_s: float, as_json: bool
) -> "ExitCode":
    from spark.cli.resume_desk import draft_resume
    from spark.cli.words_desk import confirm, desk
    from spark.cli.words_lines import proposal_lines
    from spark.events import LimitValues

    async with desk(person) as at:
        draft = await draft_resume(at, reason=reason)
        for line in proposal_lines(draft.proposal, draft.sight, LimitValues()):
            say(line)
        _say_rest(draft)
        confirm("Resume?", is_sure=is_sure)
        outcome = await at.propose(draft.proposal, wait_s=wait_s)
        return _print_end(at, outcome, as_json=as_json)


async def _approve(
    person: str, prefix: str, *, is_sure: bool, wait_s: float, as_json: bool
) -> "ExitCode":
    from spark.cli.resume_desk import find_word
    from spark.cli.words_desk import confirm, desk
    from spark.cli.words_lines import ID_CHARS, proposal_lines, span

    async with desk(person) as at:
        sight = await at.look()
        word = find_word(sight, prefix, person)
        for line in proposal_lines(word.proposal, sight, word.before):
            say(line)
        first = word.signatures[0]
        say(f"proposed by {first.person}, {span(sight.now_ns - first.appended_ns)} ago")
        confirm(f"Sign {word.proposal_id[:ID_CHARS]} as {person}?", is_sure=is_sure)
        outcome = await at.approve(word, wait_s=wait_s)
        return _print_end(at, outcome, as_json=as_json)


async def _look() -> "Sight":
    from spark.cli.words_desk import desk

    async with desk(LOCAL_PERSON) as at:
        return await at.look()


def _say_rest(draft: "ResumeDraft") -> None:
    for role in draft.killed_by_environment:
        say(f"{role} is killed by KILL_SWITCH in its environment: no resume ends that")
    if draft.left:
        say(f"{draft.left} more halts are in force: resume once more after this")
    say("needs a second person" if draft.needed > 1 else "one person is enough")


def _print_end(at: "Desk", outcome: "Outcome", *, as_json: bool) -> "ExitCode":
    from spark.cli.resume_desk import remove_latch_files
    from spark.cli.words_lines import print_outcome, printable

    latch = at.attached.settings.process.latch_dir or at.attached.home.kill
    removed, kept = remove_latch_files(latch, outcome)
    extra: dict[str, object] = {"latch_files_removed": removed, "latch_files_kept": kept}
    code = print_outcome(outcome, as_json=as_json, extra=extra)
    for line in (*(f"removed {name}" for name in removed), *kept):
        say(printable(line))
    return code


def _proposals_object(sight: "Sight") -> dict[str, object]:
    from spark.cli.resume_desk import proposals as waiting
    from spark.cli.words_lines import word_object

    return {
        "proposals": [word_object(one.word, one.state, one.needed) for one in waiting(sight)],
        "ignored": [
            {
                "topic": one.topic,
                "offset": one.offset,
                "appended_ns": one.appended_ns,
                "person": one.person,
                "why": one.why,
            }
            for one in sight.log.ignored[-_IGNORED_SHOWN:]
        ],
        "control_next": sight.log.next_offset,
    }


def _print_proposals(sight: "Sight") -> None:
    from spark.cli.resume_desk import proposals as waiting
    from spark.cli.words_lines import ID_CHARS, printable, proposal_lines, span

    for one in waiting(sight):
        word, first = one.word, one.word.signatures[0]
        since = span(sight.now_ns - first.appended_ns)
        signed = ", ".join(signature.person for signature in word.signatures)
        print_line(
            f"{word.proposal_id[:ID_CHARS]}  {one.state}  {since} ago  signed by {signed}"
            f" (of {one.needed})"
        )
        for line in proposal_lines(word.proposal, sight, word.before):
            print_line(f"  {line}")
    for ignored in sight.log.ignored[-_IGNORED_SHOWN:]:
        who = f"  {printable(ignored.person)}" if ignored.person else ""
        print_line(f"ignored {ignored.topic}@{ignored.offset}{who}: {printable(ignored.why)}")
    print_line(f"the next word stands at control@{sight.log.next_offset}")
