"""What a store can do with a bucket, as far as asking it tells: one row an ability, and what follows for a run.

ABILITIES is the table of facts: what is asked, who needs it, and what a run does where the store lacks it. What was
found about one store is a `Capability` for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Found(StrEnum):
    """What asking has shown."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Need(StrEnum):
    """Who needs an ability."""

    ANY_RUN = "any run"  # without it nothing that the store lists can be trusted
    ALL_VERSIONS = "all versions"
    PARALLEL = "parallel listing"
    FIELDS = "some fields"
    NOBODY = "nobody"  # good to know


class Verdict(StrEnum):
    """What all the abilities together mean."""

    FINE = "fine"
    BROKEN = "broken"  # something that is needed is not there
    UNTOLD = "untold"  # nothing is known to be broken, but the bucket holds too little to tell


class Walk(StrEnum):
    """How a bucket on this store can be listed."""

    PARALLEL = "parallel"  # in ranges that begin anywhere
    SERIAL = "serial"  # only from its first key on, page by page
    NONE = "none"


class Ability(StrEnum):
    """The name of an ability."""

    LIST = "list"
    ORDER = "order"
    START_AFTER = "start-after"
    EXCLUSIVE = "start-after-exclusive"
    IS_TRUNCATED = "is-truncated"
    ANYWHERE = "start-after-anywhere"
    UNICODE = "start-after-unicode"
    CONTROL = "start-after-control"
    ENCODING = "encoding-type"
    TOKEN = "continuation-token"  # noqa: S105 - the name of a parameter
    MAX_KEYS = "max-keys"
    KEY_COUNT = "key-count"
    OWNER = "fetch-owner"
    RESTORE = "restore-status"
    VERSIONS = "versions"
    KEY_MARKER = "key-marker"
    VERSION_MARKER = "version-id-marker"
    HEAD = "head"
    PAYER = "no-request-payer"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class AbilityFact:
    """What is asked about an ability, who needs it, and what it means where it is not there."""

    question: str
    need: Need
    if_no: str


# In the order they are shown: what matters most comes first.
ABILITIES: Mapping[Ability, AbilityFact] = {
    Ability.LIST: AbilityFact(
        "Does it answer ListObjectsV2 with a listing?", Need.ANY_RUN,
        "the bucket cannot be inventoried",
    ),
    Ability.ORDER: AbilityFact(
        "Do keys ascend in the order of their UTF-8 bytes?", Need.ANY_RUN,
        "a run finds it out and fails: what follows a key cannot be asked for",
    ),
    Ability.START_AFTER: AbilityFact(
        "Does a page begin behind the key that start-after names?", Need.ANY_RUN,
        "a run finds it out and lists serially, by continuation tokens; without these it fails",
    ),
    Ability.EXCLUSIVE: AbilityFact(
        "Is the key that start-after names itself left out?", Need.ANY_RUN,
        "a run finds it out and lists serially, by continuation tokens; without these it fails",
    ),
    Ability.IS_TRUNCATED: AbilityFact(
        "Does IsTruncated say whether keys follow?", Need.ANY_RUN,
        "keys would be missed; a run fails where it finds out",
    ),
    Ability.ANYWHERE: AbilityFact(
        "May start-after be a key that does not exist?", Need.PARALLEL,
        "a run finds it out and lists serially",
    ),
    Ability.UNICODE: AbilityFact(
        "May start-after hold any character, also beyond ASCII?", Need.PARALLEL,
        "a run that has such keys finds it out and fails",
    ),
    Ability.CONTROL: AbilityFact(
        "May start-after hold control characters?", Need.PARALLEL,
        "a run that has such keys finds it out and fails",
    ),
    Ability.ENCODING: AbilityFact(
        "Does it percent-encode keys when asked to?", Need.PARALLEL,
        "keys with characters that XML cannot carry are read as far as the store writes them truly",
    ),
    Ability.TOKEN: AbilityFact(
        "Does a continuation token lead to the next page?", Need.NOBODY,
        "nothing where start-after works: pages are asked for by the last key",
    ),
    Ability.MAX_KEYS: AbilityFact(
        "Does it keep to max-keys?", Need.NOBODY,
        "pages are as long as the store likes; memory grows with them",
    ),
    Ability.KEY_COUNT: AbilityFact(
        "Is KeyCount, where it is given, the number of keys on a page?", Need.ANY_RUN,
        "a page whose number is wrong is asked for again, and in the end the run fails",
    ),
    Ability.OWNER: AbilityFact(
        "Does it name owners when asked to?", Need.FIELDS,
        "ObjectOwner stays empty, but in reports of all versions",
    ),
    Ability.RESTORE: AbilityFact(
        "Does it list RestoreStatus when asked to?", Need.FIELDS,
        "RestoreStatus stays empty unless HEAD is made for another field",
    ),
    Ability.VERSIONS: AbilityFact(
        "Does it answer ListObjectVersions with a listing?", Need.ALL_VERSIONS,
        "only current objects can be inventoried",
    ),
    Ability.KEY_MARKER: AbilityFact(
        "Does a page of versions begin behind key-marker?", Need.ALL_VERSIONS,
        "a run of all versions finds it out and lists serially, version by version; or it fails",
    ),
    Ability.VERSION_MARKER: AbilityFact(
        "Does it go on behind the version that version-id-marker names?", Need.ALL_VERSIONS,
        "a run of all versions may fail where a key's versions fill more than a page",
    ),
    Ability.HEAD: AbilityFact(
        "Does HeadObject answer?", Need.FIELDS,
        "fields that only HeadObject knows stay empty, and are counted",
    ),
    Ability.PAYER: AbilityFact(
        "Does it answer without x-amz-request-payer?", Need.NOBODY,
        "give --request-payer: the requests are charged to you",
    ),
    Ability.CLOCK: AbilityFact(
        "Does its clock agree with this machine's?", Need.NOBODY,
        "requests are signed by the store's clock; moments in the report are the store's too",
    ),
}  # fmt: skip


# What a serial walk does with, where the store lacks what pages are asked for by.
_INSTEAD: Mapping[Ability, Ability] = {
    Ability.START_AFTER: Ability.TOKEN,
    Ability.EXCLUSIVE: Ability.TOKEN,
    Ability.KEY_MARKER: Ability.VERSION_MARKER,
}


@dataclass(frozen=True, slots=True)
class Capability:
    """What was found about one ability, and what that rests on."""

    ability: Ability
    found: Found
    evidence: str

    @property
    def fact(self) -> AbilityFact:
        """The row of ABILITIES."""
        return ABILITIES[self.ability]

    @property
    def consequence(self) -> str:
        """What it means for a run; empty where nothing stands in the way."""
        return self.fact.if_no if self.found is Found.NO else ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do with the keys of one bucket, or of one prefix in it. `rows` are in the order of ABILITIES.

    `list_s` is the median time of a LIST that asked for a whole page, `head_s` the time of one HEAD; `clock_skew_s`
    how far the store's clock is ahead of this machine's, to about a second. None where nothing was measured.
    """

    address: str
    endpoint: str
    server: str
    rows: tuple[Capability, ...]
    list_s: float | None
    head_s: float | None
    clock_skew_s: float | None
    requests: int

    def found(self, ability: Ability) -> Found:
        """What was found about one ability."""
        return next((row.found for row in self.rows if row.ability is ability), Found.UNKNOWN)

    def verdict(self, *, all_versions: bool = False) -> Verdict:
        """Whether a run can be trusted on this store; one of all versions needs more."""
        needs = {Need.ANY_RUN, Need.ALL_VERSIONS} if all_versions else {Need.ANY_RUN}
        found = {self._served(row.ability) for row in self.rows if row.fact.need in needs}
        if Found.NO in found:
            return Verdict.BROKEN
        return Verdict.UNTOLD if Found.UNKNOWN in found else Verdict.FINE

    def _served(self, ability: Ability) -> Found:
        """Whether a run is served, by the ability or by what does instead."""
        found = self.found(ability)
        instead = _INSTEAD.get(ability)
        return self.found(instead) if found is Found.NO and instead is not None else found

    def walk(self, *, all_versions: bool = False) -> Walk:
        """How a run lists the bucket, by how far the store can be trusted with where a page begins."""
        if self.verdict(all_versions=all_versions) is Verdict.BROKEN:
            return Walk.NONE
        current = (Ability.START_AFTER, Ability.EXCLUSIVE, Ability.ANYWHERE)
        needed = (Ability.KEY_MARKER,) if all_versions else current
        lacks = any(self.found(ability) is Found.NO for ability in needed)
        return Walk.SERIAL if lacks else Walk.PARALLEL

    def to_json(self, *, all_versions: bool = False) -> dict[str, Any]:
        """The same as JSON takes it."""
        return {
            "source": self.address,
            "endpoint": self.endpoint,
            "server": self.server or None,
            "verdict": str(self.verdict(all_versions=all_versions)),
            "walk": str(self.walk(all_versions=all_versions)),
            "list_seconds": _rounded(self.list_s),
            "head_seconds": _rounded(self.head_s),
            "clock_skew_seconds": _rounded(self.clock_skew_s),
            "requests": self.requests,
            "abilities": {
                str(row.ability): {
                    "question": row.fact.question,
                    "found": str(row.found),
                    "evidence": row.evidence,
                    "needed_by": str(row.fact.need),
                    "consequence": row.consequence or None,
                }
                for row in self.rows
            },
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
