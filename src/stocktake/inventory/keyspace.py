"""The key space as a number line, learned from the keys that a store returns: where keys part, and into what.

A *place* is a position in keys: so many folders deep, so many characters into the name. A character is a digit of the
line at a place only if keys were seen to part there; constant text, however long, takes no room. What may stand there
besides is guessed from other places. A wrong guess makes a split uneven or costs a request, never a key.
"""

from __future__ import annotations

import string
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from stocktake.inventory.calendar import digits_after
from stocktake.model.keys import KEY_BYTES_MAX

_PLACES_PER_FOLDER = 2048  # more than a key has characters

# How much room a character takes that was not seen at a place, beside 1 for one that was.
_KIN_DIGIT = 0.4  # digits beside a digit
_KIN_LETTER = 0.25  # letters beside a letter of the same case, where keys part
_COMPANY = 0.6  # what parts from the same character at other places
_STRANGER = 0.02  # either of them, where keys were not seen to part at this character
_LIKELY = 0.5
_STALE_GROWTH = 1.15  # a line serves until so many times as much is known
_RICH = 48  # characters seen at a place: nothing has to be guessed there any more
_COMPANY_MIN = 3  # fewer characters say little of what else parts from them

_ASCII_LAST = "\x7f"
_WIDE = "\x80"  # stands for all characters beyond ASCII
_NO_CHARACTERS = 0xFFFE  # the last two of each plane
_WIDE_MAX = 1024  # characters beyond ASCII on one line; more say nothing more of where keys lie
_WIDE_STEP_MAX = 512  # code points that one character can stand for: scripts lie far apart
_WIDE_BESIDE_ASCII = 24.0
_ENDINGS_MAX = 30  # more of them change nothing
_ENDINGS_DEPTH = 24

_KIN = {
    character: kin
    for kin in (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    for character in kin
}
_DIGITS = frozenset(string.digits)


def common_length(one: str, other: str) -> int:
    """How many characters `one` and `other` begin with in common."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    low, high = 0, most  # the first difference lies in [low, high)
    step = 16
    while low + step < high:
        if one[low : low + step] != other[low : low + step]:
            high = low + step
            break
        low += step
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def place_of(key: str, depth: int) -> int:
    """The place of the character of `key` at `depth`."""
    return key.count("/", 0, depth) * _PLACES_PER_FOLDER + depth - key.rfind("/", 0, depth) - 1


@dataclass(frozen=True, slots=True)
class Cells:
    """The number line at one place: `characters` in order, each from its edge to the next; `likely` tells of each
    whether it is more than a faint guess.
    """

    characters: list[str]
    edges: list[float]
    likely: list[bool]

    @property
    def width(self) -> float:
        """The length of the whole line, which begins at 0."""
        return self.edges[-1]

    def span(self, character: str) -> tuple[float, float]:
        """From where to where `character` reaches; one that has no room of its own is a point, or within the reach of
        the character that stands for its script.
        """
        index = bisect_right(self.characters, character) - 1
        if index < 0:
            return 0.0, 0.0
        left, right = self.edges[index], self.edges[index + 1]
        if self.characters[index] == character or character > _ASCII_LAST:
            return left, right
        return right, right

    def index_at(self, point: float) -> int:
        """The index of the character in whose reach `point` lies."""
        return min(max(bisect_right(self.edges, point) - 1, 0), len(self.characters) - 1)


class KeySpace:
    """What was learned of a bucket's keys. Without `control_characters`, none is ever put into a pivot: some stores
    decode them wrongly.
    """

    def __init__(self, *, control_characters: bool = True) -> None:
        self._control_characters = control_characters
        self._branches: dict[int, set[str]] = {}
        self._endings: dict[int, dict[str, int]] = {}
        self._endings_known: dict[int, int] = {}
        # What was seen to part from each character, at any place.
        self._company: dict[str, set[str]] = {}
        self._wide: set[str] = set()
        self._cells: dict[tuple[int, str, frozenset[str] | None], tuple[int, Cells]] = {}

    # -- learning ----------------------------------------------------------------------------------

    def learn(self, left: str, right: str) -> int:
        """Two keys of the bucket, `left` < `right`; the depth at which they part."""
        depth = common_length(left, right)
        self.learn_branch(place_of(right, depth), left[depth : depth + 1] + right[depth])
        return depth

    def learn_neighbours(self, left: str, right: str) -> None:
        """Two keys of the bucket, `left` < `right`, with no key between them."""
        self.learn_ending(left, self.learn(left, right))

    def learn_ending(self, text: str, depth: int) -> None:
        """No key begins as `text` does for more than `depth` characters and then goes on behind it."""
        start = depth + 1
        folders = text.count("/", 0, start)
        offset = start - text.rfind("/", 0, start) - 1
        for character in text[start : start + _ENDINGS_DEPTH]:
            place = folders * _PLACES_PER_FOLDER + offset
            endings = self._endings.setdefault(place, {})
            seen = endings.get(character, 0)
            if seen < _ENDINGS_MAX:
                endings[character] = seen + 1
                self._endings_known[place] = self._endings_known.get(place, 0) + 1
            if character == "/":
                folders, offset = folders + 1, 0
            else:
                offset += 1

    def learn_branch(self, place: int, characters: Iterable[str]) -> None:
        """Keys part at `place`, into `characters` among others."""
        branches = self._branches.setdefault(place, set())
        for character in characters:
            if character in branches:
                continue
            branches.add(character)
            if character > _ASCII_LAST:
                self._wide.add(character)
            elif len(branches) >= _COMPANY_MIN:
                self._introduce(character, branches)

    def _introduce(self, newcomer: str, branches: set[str]) -> None:
        ascii_branches = {character for character in branches if character <= _ASCII_LAST}
        if len(ascii_branches) == _COMPANY_MIN:  # the first two are introduced with the third
            for character in ascii_branches:
                self._company.setdefault(character, set()).update(ascii_branches)
            return
        for character in ascii_branches:
            self._company.setdefault(character, set()).add(newcomer)
        self._company.setdefault(newcomer, set()).update(ascii_branches)

    # -- the line ----------------------------------------------------------------------------------

    def may_part(self, place: int, character: str) -> bool:
        """Whether keys can part at `place`, where `character` stands."""
        return place in self._branches or character in _DIGITS

    def cells(self, place: int, context: str, prefix: str = "", following: str = "") -> Cells:
        """The number line at `place`, behind `prefix`, where `context` is one of the characters that stand there, and
        a key goes on with `following`.
        """
        wide = context > _ASCII_LAST
        branches = self._branches.get(place, ())
        if wide:
            context = _WIDE  # one line for all of them
        elif len(branches) >= _RICH and context in branches:
            context = ""  # what else there may be matters no more
        digits = digits_after(prefix, following) if context in _DIGITS else None
        known = self._cells.get((place, context, digits))
        version = len(self._wide) if wide else self._version(place, context)
        if known is not None and version <= known[0] * _STALE_GROWTH:
            return known[1]
        cells = self._wide_cells(place) if wide else self._ascii_cells(place, context, digits)
        self._cells[place, context, digits] = (version, cells)
        return cells

    def _version(self, place: int, context: str) -> int:
        """How much is known that the line at `place` depends on: it only grows."""
        branches = self._branches.get(place, ())
        company = self._company.get(context, ())
        return 4 * len(branches) + len(company) + self._endings_known.get(place, 0)

    def _ascii_cells(self, place: int, context: str, digits: frozenset[str] | None) -> Cells:
        branches = self._branches.get(place, set())
        widths: dict[str, float] = {}
        if context:
            widths = self._guesses(branches, context)
            self._shrink_unseen(widths, place, branches)
        if digits is not None:
            for digit in (_DIGITS - digits) & widths.keys():
                del widths[digit]  # those that were seen come back
        parts_here = not context or context in branches
        wide = sorted(character for character in branches if character > _ASCII_LAST)
        for character in branches:
            if character <= _ASCII_LAST:
                widths[character] = 1.0 if parts_here else max(widths.get(character, 0), _STRANGER)
        if context:
            widths[context] = 1.0
        characters = sorted(widths)
        sizes = [widths[character] for character in characters]
        step = max(1, -(-len(wide) // _WIDE_MAX))
        wide = wide[::step]
        if wide:
            characters += wide
            sizes += [min(1.0, _WIDE_BESIDE_ASCII / len(wide))] * len(wide)
        return _line(characters, sizes)

    def _guesses(self, branches: set[str], context: str) -> dict[str, float]:
        """The room that characters have which were not seen at a place, before it is known how keys end there."""
        digit, parts_here = context in _DIGITS, context in branches
        widths: dict[str, float] = {}
        if digit or (parts_here and len(branches) > 1):
            kin = _KIN_DIGIT if digit else _KIN_LETTER
            widths = dict.fromkeys(_KIN.get(context, ()), kin)
        company = _COMPANY if parts_here or digit else _STRANGER
        for character in self._company.get(context, ()):
            if widths.get(character, 0.0) < company:
                widths[character] = company
        return widths

    def _shrink_unseen(self, widths: dict[str, float], place: int, branches: set[str]) -> None:
        """Give less room to what should have been seen by now: keys came to their end here, and it did not follow."""
        endings = sorted(self._endings.get(place, {}).items())
        if not endings:
            return
        index = missed = 0
        for character in sorted(widths):
            if character in branches:
                missed, index = 0, bisect_left(endings, (character, 0))
                continue
            while index < len(endings) and endings[index][0] < character:
                missed += endings[index][1]
                index += 1
            widths[character] /= 1 + 3 * missed

    def _wide_cells(self, place: int) -> Cells:
        wide = sorted(self._wide) or [_WIDE]
        wide = wide[:: -(-len(wide) // _WIDE_MAX)]
        codes = [ord(character) for character in wide]
        sizes = [
            float(min(after - code, _WIDE_STEP_MAX))
            for code, after in zip(codes, [*codes[1:], codes[-1] + 1], strict=True)
        ]
        few = sorted(
            character for character in self._branches.get(place, ()) if character <= _ASCII_LAST
        )
        unit = sum(sizes) / max(10, len(sizes))
        return _line(few + wide, [unit] * len(few) + sizes)

    # -- pivots ------------------------------------------------------------------------------------

    def compose(self, prefix: str, cells: Cells, point: float, resolution: float) -> str | None:
        """The text that begins with `prefix` and lies at `point` of the line behind it, give or take `resolution`; None
        where no character can be used. It is longer than it had to be: round texts are where pages would end anyway.
        """
        text, size = prefix, len(prefix.encode())
        while True:
            index = self._usable_from(cells, cells.index_at(point))
            if index is None:
                return text if text != prefix else None
            character = cells.characters[index]
            size += len(character.encode())
            if size > KEY_BYTES_MAX:
                return text if text != prefix else None
            text += character
            width = cells.edges[index + 1] - cells.edges[index]
            resolution /= width
            place = place_of(text, len(text))
            branches = self._branches.get(place)
            if resolution > 1 or not branches:
                return text
            share = min(max((point - cells.edges[index]) / width, 0.0), 1.0)
            cells = self.cells(place, min(branches), text)
            point, resolution = share * cells.width, resolution * cells.width

    def successor(self, character: str) -> str | None:
        """The next character behind `character` that can be used in a pivot."""
        if character > _ASCII_LAST:
            return min(filter(character.__lt__, filter(self.usable, self._wide)), default=None)
        following = max(chr(ord(character) + 1), " ")
        return following if following < _ASCII_LAST else None

    def _usable_from(self, cells: Cells, index: int) -> int | None:
        for at in range(index, len(cells.characters)):
            if self.usable(cells.characters[at]):
                return at
        return None

    def usable(self, character: str) -> bool:
        """Whether a pivot may hold `character`, which a key held or which is printable ASCII."""
        if character < " " or character == _ASCII_LAST:
            return self._control_characters and character != "\x00"
        return not "\ud800" <= character <= "\udfff" and ord(character) & 0xFFFF < _NO_CHARACTERS


def _line(characters: list[str], sizes: list[float]) -> Cells:
    return Cells(characters, [0.0, *accumulate(sizes)], [size >= _LIKELY for size in sizes])
