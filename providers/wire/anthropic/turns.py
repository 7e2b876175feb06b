"""Messages → turns as the vendor demands them: neighbours merged, every call answered at once, user first."""

from __future__ import annotations

from collections import defaultdict, deque

import msgspec

from providers.wire.translation import tool_id
from providers.wire.types import Message, Part, Proof, Reasoning, Text, ToolCall, ToolResult

STUB = "No result was recorded for this call."


class Turn:
    """Consecutive messages of one side. ``results`` answer the calls of the turn before, in its order."""

    __slots__ = ("parts", "results", "role")

    def __init__(self, role: str, parts: list[Part]) -> None:
        self.role, self.parts = role, parts
        self.results: list[ToolResult] = []


def gather(messages: tuple[Message, ...]) -> tuple[list[Turn], list[Text]]:
    """The turns, merged, and the text of system messages among them."""
    turns: list[Turn] = []
    system: list[Text] = []
    for message in messages:
        if message.role == "system":
            system += [part for part in message.parts if isinstance(part, Text)]
        elif turns and turns[-1].role == message.role:
            turns[-1].parts += message.parts
        else:
            turns.append(Turn(message.role, list(message.parts)))
    return turns, system


def paired(turns: list[Turn], rule: str = "") -> list[Turn]:
    """Every call with an id of its own and its result in the user turn right after it.

    Results that came later are moved up, missing ones get a stub, those without a call become plain content. ``rule``
    is that of ``tool_id``.
    """
    pairing = _Pairing(turns, rule)
    paired: list[Turn] = []
    owed: list[ToolResult] = []
    for number, turn in enumerate(turns):
        if turn.role == "assistant":
            turn, owed = pairing.answered(turn, number)
        else:
            turn.results, owed = owed, []
        paired.append(turn)
    if owed:
        paired.append(Turn("user", []))
        paired[-1].results = owed
    return _settled(paired, pairing.orphans())


class _Pairing:
    """Which result answers which call. Equal ids are matched in order, and no result answers a later call."""

    __slots__ = ("_early", "_rule", "_used", "_waiting")

    def __init__(self, turns: list[Turn], rule: str) -> None:
        self._rule = rule
        self._used: set[str] = set()
        self._early: list[tuple[int, ToolResult]] = []
        self._waiting: defaultdict[str, deque[tuple[int, ToolResult]]] = defaultdict(deque)
        for number, turn in enumerate(turns):
            for part in turn.parts:
                if isinstance(part, ToolResult):
                    self._waiting[part.id].append((number, part))

    def answered(self, turn: Turn, number: int) -> tuple[Turn, list[ToolResult]]:
        """The assistant's turn with ids as they will be sent, and the results of its calls."""
        parts: list[Part] = []
        results: list[ToolResult] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                result = self._result(part.id, number)
                sent = self._unused(part.id)
                part = part if sent == part.id else msgspec.structs.replace(part, id=sent)
                results.append(result if sent == result.id else msgspec.structs.replace(result, id=sent))
            parts.append(part)
        return Turn("assistant", parts), results

    def orphans(self) -> list[tuple[int, ToolResult]]:
        """Results without a call, with the numbers of their turns."""
        return self._early + [entry for queue in self._waiting.values() for entry in queue]

    def _result(self, id_: str, number: int) -> ToolResult:
        queue = self._waiting.get(id_)
        while queue and queue[0][0] < number:
            self._early.append(queue.popleft())
        return queue.popleft()[1] if queue else ToolResult(id=id_, parts=(Text(text=STUB),), error=True)

    def _unused(self, value: str) -> str:
        sent = tool_id(value, self._rule)
        again = 1
        while sent in self._used:
            again += 1
            sent = tool_id(f"{value}#{again}", self._rule)
        self._used.add(sent)
        return sent


def _settled(turns: list[Turn], orphans: list[tuple[int, ToolResult]]) -> list[Turn]:
    """Results out of the parts of user turns; turns that became empty are gone, their neighbours merged."""
    settled: list[Turn] = []
    loose: defaultdict[int, list[Part]] = defaultdict(list)
    for number, result in orphans:
        loose[number] += result.parts
    for number, turn in enumerate(turns):
        if turn.role == "user":
            turn.parts = loose[number] + [part for part in turn.parts if not isinstance(part, ToolResult)]
        if not turn.parts and not turn.results:
            continue
        if settled and settled[-1].role == turn.role:
            settled[-1].parts += turn.parts
            settled[-1].results += turn.results
        else:
            settled.append(turn)
    return settled


def own(part: Part, family: str, unsigned: bool = False) -> Proof | None:
    """The proof of reasoning that may go back to this family. ``unsigned``: its text may go without one."""
    if not isinstance(part, Reasoning):
        return None
    proof = part.proof
    if proof is not None and proof.family == family and proof.kind in ("signature", "redacted"):
        return proof
    return Proof(family=family, kind="signature", value="") if unsigned and part.text else None


def sealed(turns: list[Turn], family: str, unsigned: bool = False) -> bool:
    """Whether thinking may be on: every turn with calls in the tool loop that goes on begins with its thinking."""
    for turn in reversed(turns):
        if turn.role == "user":
            if not turn.results:
                return True
        elif any(isinstance(part, ToolCall) for part in turn.parts):
            spoken = (part for part in turn.parts if _counts(part, family, unsigned))
            if not isinstance(next(spoken, None), Reasoning):
                return False
    return True


def _counts(part: Part, family: str, unsigned: bool) -> bool:
    """Whether a part will be there in the turn that is sent."""
    if isinstance(part, Reasoning):
        return own(part, family, unsigned) is not None
    return not isinstance(part, Text) or bool(part.text.strip())
