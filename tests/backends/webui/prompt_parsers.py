"""Parsers of the two dialects of prompt syntax, written from the description of each.

Both give the text with its weights, character by character, so that no spelling of the same
meaning makes a difference.
"""

import re

NUMBER = r"[+-]?[.\d]+"
Weighted = list[tuple[str, float]]  # each character and its weight


class SyntaxReadError(Exception):
    """The parser was told to do something that no word may tell it."""


def parse_automatic(prompt: str) -> Weighted:
    """As AUTOMATIC1111 reads it. SyntaxReadError for networks, schedules, several prompts."""
    if re.search(r"<\w+:[^>]+>", prompt):
        raise SyntaxReadError("an extra network")
    if re.search(r"\bAND\b", prompt):
        raise SyntaxReadError("several prompts")
    if re.search(r":\s*[-+]?(\d+\.?|\d*\.\d+)\s*\Z", prompt):
        raise SyntaxReadError("a weight of the whole prompt")
    return _Reader(prompt, automatic=True).read()


def parse_plain(prompt: str) -> Weighted:
    """As stable-diffusion.cpp reads it. SyntaxReadError for arguments and lost text."""
    if "<sd_cpp_extra_args>" in prompt:
        raise SyntaxReadError("arguments")
    if not prompt:
        raise SyntaxReadError("prompt required")
    return _Reader(prompt, automatic=False).read()


class _Reader:
    def __init__(self, prompt: str, automatic: bool) -> None:
        self._rest, self._automatic = prompt, automatic
        self._characters: list[list] = []
        self._open: list[int] = []

    def read(self) -> Weighted:
        while self._rest:
            self._step()
        if self._open:
            raise SyntaxReadError("an open bracket")
        return [(character, round(weight, 4)) for character, weight in self._characters]

    def _step(self) -> None:
        rest = self._rest
        space = r"\s*" if self._automatic else ""
        weight = re.match(rf":{space}({NUMBER}){space}\)", rest)
        if rest[0] == "\\":
            self._backslash()
        elif rest[0] == "(":
            self._open.append(len(self._characters))
            self._rest = rest[1:]
        elif weight:
            if not self._open:
                raise SyntaxReadError("a weight without a bracket")
            self._close(float(weight[1]), weight.end())
        elif rest[0] == ")" and self._open:
            self._close(1.1, 1)
        elif rest[0] == "[" or (rest[0] == "]" and self._automatic):
            raise SyntaxReadError("a square bracket")
        elif re.match(r"BREAK\b", rest) and self._at_a_word():
            raise SyntaxReadError("a chunk")
        else:
            self._say(rest[0], 1)

    def _backslash(self) -> None:
        """AUTOMATIC1111 drops it; stable-diffusion.cpp does before an opening round bracket."""
        following = self._rest[1:2]
        if following and following in ("\\()[]" if self._automatic else "("):
            self._say(following, 2)
        elif self._automatic:
            self._rest = self._rest[1:]
            self._cut = len(self._rest)
        elif following and following in "\\)[]":
            self._say("\\" + following, 2)
        else:
            self._say("\\", 1)

    _cut = -1  # how much was left when a backslash ended a piece of text

    def _at_a_word(self) -> bool:
        """BREAK is looked for within one piece of text."""
        if not self._automatic:
            return True
        before = self._characters[-1][0] if self._characters else " "
        return self._cut == len(self._rest) or not re.match(r"\w", before)

    def _close(self, weight: float, length: int) -> None:
        for entry in self._characters[self._open.pop() :]:
            entry[1] *= weight
        self._rest = self._rest[length:]

    def _say(self, text: str, length: int) -> None:
        self._characters += [[character, 1.0] for character in text]
        self._rest = self._rest[length:]
