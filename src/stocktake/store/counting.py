"""About how many keys a bucket holds, for a few requests: counted where that is possible, else a guess that says so.

A store tells no such number. What can be had cheaply are its folders, level by level, and how densely keys lie in a
level that is longer than a page. Random walks from the root down to a level without folders are unbiased: a level's
own keys count once for every such level there may be. They spread widely, and a folder that holds most of the bucket
may lie beside every way that was taken; so the result is rough at best.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean

from stocktake.model.figures import Figure, Sureness
from stocktake.store.density import Entries, OutOfRequestsError, count_densely
from stocktake.store.probe_pages import Asking, ProbedPage

DELIMITER = "/"
WALKS_MAX = 12
DEPTH_MAX = 30


@dataclass(frozen=True, slots=True)
class _Level:
    """What lies directly below a prefix: keys, and folders of which some are known by name. `whole` says that nothing
    of it was guessed, `ended` that its end was found.
    """

    keys: float
    folders: float
    names: tuple[str, ...]
    whole: bool
    ended: bool


def count_keys(
    asking: Asking, first: ProbedPage, *, versions: bool, requests_max: int = 20
) -> Figure:
    """About how many rows a listing has whose first page is `first`, for at most `requests_max` further requests.

    Raises:
        StoreError: the store refuses to list.
    """
    if not first.page.truncated:
        return Figure(len(first.keys), "the whole listing is one page", Sureness.KNOWN)
    return _Count(asking, first.keys, versions=versions, requests_max=requests_max).figure()


class _Count:
    """The levels seen so far."""

    def __init__(
        self, asking: Asking, seen: Sequence[str], *, versions: bool, requests_max: int
    ) -> None:
        self._asking, self._versions, self._left = asking, versions, requests_max
        self._least, self._last = len(seen), max(seen, default="")
        self._levels: dict[str, _Level] = {}
        # The same bucket is walked the same way each time.
        self._random = random.Random(asking.address)  # noqa: S311 - no secret hangs on it

    def figure(self) -> Figure:
        """The best that can be said."""
        root = self._asking.prefix
        walks: list[float] = []
        with suppress(OutOfRequestsError):
            walks.extend(self._walked(root) for _ in range(WALKS_MAX))
            self._list_the_rest()
        counted = self._counted(root)
        if counted is not None:
            return Figure(counted, "every folder was listed", Sureness.KNOWN)
        seen = sum(level.keys for level in self._levels.values() if level.whole)
        least = max(self._least, round(seen))
        if not walks or fmean(walks) <= least:
            return Figure(least, "so many were seen, and there are more", Sureness.AT_LEAST)
        ways = "how densely keys lie"
        if len(set(walks)) > 1:
            ways = f"{len(walks)} random walks down its folders"
            ways += f", that say {min(walks):,.0f} to {max(walks):,.0f}"
        ended = [level.ended for level in self._levels.values() if not level.whole]
        # Where the end of most levels was not seen, much may lie behind.
        sureness = Sureness.ROUGH if sum(ended) * 2 >= len(ended) else Sureness.AT_LEAST
        return Figure(round(fmean(walks)), f"{ways}; {least:,} were seen", sureness)

    def _list_the_rest(self) -> None:
        """List the folders that no walk came by, where that is possible for the requests that are left."""
        while all(level.whole for level in self._levels.values()):
            names = (name for level in self._levels.values() for name in level.names)
            missing = [name for name in names if name not in self._levels]
            if not missing or len(missing) > self._left:
                return
            for name in missing:
                self._level(name)

    def _walked(self, prefix: str, depth: int = 0) -> float:
        """What one way down from `prefix`, taken at random, says of everything below it. The folder that the first page
        ended in is known to be long, so it is always looked into and stands for itself alone.
        """
        level = self._level(prefix)
        if depth >= DEPTH_MAX or not level.names:
            return level.keys
        long = self._folder_of_last(prefix)
        others = [name for name in level.names if name != long]
        total = level.keys
        if long in level.names:
            total += self._walked(long, depth + 1)
        if others:
            folders = level.folders - (long in level.names)
            total += folders * self._walked(self._random.choice(others), depth + 1)
        return total

    def _folder_of_last(self, prefix: str) -> str:
        if not self._last.startswith(prefix):
            return ""
        end = self._last.find(DELIMITER, len(prefix))
        return self._last[: end + 1]

    def _counted(self, prefix: str, depth: int = 0) -> float | None:
        """The keys below `prefix`, where every level there is known; else None."""
        level = self._levels.get(prefix)
        if level is None or not level.whole or depth > DEPTH_MAX:
            return None
        below = [self._counted(name, depth + 1) for name in level.names]
        known = [count for count in below if count is not None]
        return level.keys + sum(known) if len(known) == len(below) else None

    def _level(self, prefix: str) -> _Level:
        if (known := self._levels.get(prefix)) is None:
            known = self._levels[prefix] = self._measured(prefix, self._page(prefix, ""))
        return known

    def _page(self, prefix: str, after: str) -> ProbedPage:
        if self._left <= 0:
            raise OutOfRequestsError
        self._left -= 1
        return self._asking.page(
            prefix=prefix, after=after, delimiter=DELIMITER, versions=self._versions
        )

    def _measured(self, prefix: str, page: ProbedPage) -> _Level:
        keys, names = page.keys, page.page.common_prefixes
        if not page.page.truncated:
            return _Level(len(keys), len(names), names, whole=True, ended=True)

        def ask(text: str) -> Entries:
            page = _entries(self._page(prefix, prefix + text), prefix)
            # A folder comes once more where one goes on in the midst of it.
            texts = [
                each for each in page.texts
                if not (each.endswith(DELIMITER) and text.startswith(each))
            ]  # fmt: skip
            return Entries(texts, page.truncated)

        dense = count_densely(_entries(page, prefix), ask)
        share = len(names) / max(1, len(keys) + len(names))
        return _Level(
            dense.count * (1 - share), dense.count * share, names, whole=False, ended=dense.whole
        )


def _entries(page: ProbedPage, prefix: str) -> Entries:
    """The keys and folders of a page, as they go on behind the prefix."""
    texts = [text[len(prefix) :] for text in (*page.keys, *page.page.common_prefixes)]
    return Entries(sorted(texts), page.page.truncated)
