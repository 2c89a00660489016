"""Prompts as servers read them: every word arrives as it is, with its weight.

Servers read syntax in a prompt: `(word:1.4)`, `[a:b:0.5]`, `AND`, `BREAK`, `<lora:x:1>`, a
backslash before a bracket. Which of it can be escaped, and how, differs between the two dialects.
"""

import re

from flopslab.core.prompts import Prompt


def write_prompt(prompt: Prompt) -> str:
    r"""The prompt for AUTOMATIC1111's parser, which then has exactly the fragments and weights.

    A backslash that precedes no bracket or backslash vanishes there, and so takes keywords, tags
    and numbers after a colon apart.
    """
    return " ".join(_weigh(_escape(text), weight) for text, weight in prompt.fragments) or " "


def write_plain_prompt(prompt: Prompt) -> str:
    r"""The prompt for stable-diffusion.cpp's parser, which knows only `\(`.

    There a word gets spaces at some brackets and after `<`; BREAK is written small; a closing
    bracket has no emphasis; an opening square bracket brings a backslash.
    """
    parts = [_weigh_plainly(_escape_plainly(text), w) for text, w in prompt.fragments]
    return " ".join(parts) or " "  # an empty prompt is an error there


def _escape(text: str) -> str:
    text = re.sub(r"[\\()\[\]]", r"\\\g<0>", text)
    text = re.sub(r":(?=\s*(?:[-+.\d]|$))", r":\\", text)
    text = re.sub(r"<(?=\w)", r"<\\", text)
    return re.sub(r"\b(A)(ND)\b|\b(B)(REAK)\b", _split, text)


def _split(match: re.Match[str]) -> str:
    first, rest = [group for group in match.groups() if group]
    return f"{first}\\{rest}"


def _weigh(text: str, weight: float) -> str:
    return text if weight == 1 else f"({text}:{weight:.4f})"


def _escape_plainly(text: str) -> str:
    text = re.sub(r"\\(?=[\\()\[\]])", r"\\ ", text)
    text = re.sub(r"[(\[]", r"\\\g<0>", text)
    text = re.sub(r"(?<=[.\d])\)", " )", text)
    text = re.sub(r"<(?=\w)", "< ", text)
    return text.replace("BREAK", "break")


def _weigh_plainly(text: str, weight: float) -> str:
    """Closing brackets stand outside of the emphasis: there they are no syntax."""
    parts = re.split(r"(\))", text)
    return "".join(
        part if weight == 1 or part == ")" or not part.strip() else f"({part}:{weight:.4f})"
        for part in parts
    )
