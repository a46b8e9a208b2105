"""Texts as places on a line, so that one can ask how far apart two of them are, or for a text between them. Pure.

A place is a text read as a number, each character a digit in an alphabet of its own position. A position where all
texts seen have one and the same character has but that one; elsewhere everything may stand that stands at any such
position, and digits and letters that were not seen where others of their kind were.
"""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Sequence

PLACES = 64  # characters that count, beside those that are the same in all texts
LENGTH_MAX = 1024
# Where one character of a kind is seen, the others may occur too.
_KINDS = (string.digits, "abcdef", string.ascii_lowercase[6:], string.ascii_uppercase)


class KeySpace:
    """The line on which texts made like the given ones lie, from 0 up to `end`."""

    def __init__(self, texts: Sequence[str]) -> None:
        length = max(map(len, texts), default=0)
        columns = [{text[index] for text in texts if index < len(text)} for index in range(length)]
        varied = {character for column in columns if len(column) > 1 for character in column}
        for kind in _KINDS:
            if not varied.isdisjoint(kind):
                varied.update(kind)
        # Digit 0 is where a text has ended.
        self._alphabets: list[list[str]] = []
        places = PLACES
        for column in columns[:LENGTH_MAX]:
            fixed = len(column) == 1 and not column <= varied
            places -= not fixed
            if places < 0:
                break
            self._alphabets.append(sorted(column if fixed else column | varied))
        self.end = 1
        for alphabet in self._alphabets:
            self.end *= len(alphabet) + 1

    def place(self, text: str) -> int:
        """Where `text` lies. What cannot be told apart from another text lies where that does: only so many
        characters count, and one that no alphabet has stands behind all that begins with the next lower one.
        """
        place, behind = 0, False
        for index, alphabet in enumerate(self._alphabets):
            digit = 0
            if behind:
                digit = len(alphabet)
            elif index < len(text):
                digit = bisect_left(alphabet, text[index])
                behind = digit == len(alphabet) or alphabet[digit] != text[index]
                digit += not behind
            place = place * (len(alphabet) + 1) + digit
        return place

    def text(self, place: int) -> str:
        """The text at `place`, or just before it."""
        digits: list[int] = []
        for alphabet in reversed(self._alphabets):
            place, digit = divmod(place, len(alphabet) + 1)
            digits.append(digit)
        text = ""
        for digit, alphabet in zip(reversed(digits), self._alphabets, strict=True):
            if digit == 0:
                break
            text += alphabet[digit - 1]
        return text
