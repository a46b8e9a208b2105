"""ONE table: every setting, with its key in `stocktake.toml`, its variable, what it means, and why its default is what
it is. Files and environments are read by it, `stocktake settings` and docs/settings.md show it. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.runs import FILE_ROWS_MAX
from stocktake.model.sizes import parse_bytes
from stocktake.model.store_limits import LIMIT_KEYS

FILE_VARIABLE = "STOCKTAKE_SETTINGS"  # where the file is; the one setting that cannot stand in it
STORES, WEBHOOKS = "stores", "webhooks"
NAMED = (STORES, WEBHOOKS)  # tables of the file in which users choose the names
STORE_KEY, WEBHOOK_KEY = f"{STORES}.NAME.", f"{WEBHOOKS}.NAME."
MIB = 2**20


class Kind(StrEnum):
    """What a value is, as the errors say it."""

    TEXT = "a text"
    PATH = "a path"
    SIZE = "a size such as 4GiB"
    FLAG = "true or false"
    COUNT = "a whole number"
    NUMBER = "a number"
    LIST = "a list of texts"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `key` is where it stands in the file, `variable` what comes before it; a store's have none. `field`
    is its name in `Settings`. `least` and `most` bound numbers, and sizes by their bytes; `choices` texts. A `default`
    of None has to be found out, and is told in words. A `secret` is shown nowhere; what names the place of one is shown
    where there is such a place: somebody may have put the secret itself there.
    """

    key: str
    kind: Kind
    meaning: str
    reason: str
    default: Any = None
    told: str = ""  # the default in words, where it is none that could be written into the file
    field: str = ""
    variable: str | None = None
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    names_secret: bool = False

    @property
    def expected(self) -> str:
        """What a value must be."""
        if self.choices:
            return " or ".join(f"`{each}`" for each in self.choices)
        if self.least is None:
            return self.kind
        if self.kind is Kind.SIZE:
            return f"{self.kind}, at least {self.least / MIB:g}MiB"
        return f"{self.kind} from {self.least:,.10g} to {self.most:,.10g}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "debug", Kind.FLAG, "whether failures show tracebacks, as -vv does",
        "tracebacks help developers; everybody else is helped by the one line of an error",
        default=False, field="debug", variable="STOCKTAKE_DEBUG",
    ),
    Setting(
        "folders.state", Kind.PATH, "the folder of the ledger of runs and of the access keys",
        "the place that the XDG specification has for what programs must remember",
        told="`$XDG_STATE_HOME/stocktake`, else `~/.local/state/stocktake`",
        field="state_folder", variable="STOCKTAKE_STATE_FOLDER",
    ),
    Setting(
        "folders.spool", Kind.PATH, "where rows wait for their data file; on a disk with room for all rows of a run",
        "what is spooled is a run's progress, and belongs beside the ledger that knows of it",
        told="`spool` in the state folder", field="spool_folder", variable="STOCKTAKE_SPOOL_FOLDER",
    ),
    Setting(
        "folders.spill", Kind.PATH, "where what does not fit a question's memory goes meanwhile",
        "it is worth nothing afterwards", told="the system's folder for temporary files",
        field="spill_folder", variable="STOCKTAKE_SPILL_FOLDER",
    ),
    Setting(
        "ledger.url", Kind.TEXT,
        "a PostgreSQL database for a ledger: postgresql://USER[:PASSWORD]@HOST/DATABASE; needs the extra `postgres`",
        "a file needs no server; a database is for workers on more than one machine",
        told="a file in the state folder", field="ledger", variable="STOCKTAKE_LEDGER", secret=True,
    ),
    Setting(
        "reports.file_rows", Kind.COUNT, "how many rows a data file of a report holds, at most",
        "what is delivered is what another machine can go on from, and readers bear few large files best",
        FILE_ROWS_MAX, field="file_rows", variable="STOCKTAKE_FILE_ROWS", unit="rows", least=100, most=FILE_ROWS_MAX,
    ),
    Setting(
        "questions.memory", Kind.SIZE, "what a question about a report may take; the rest spills to disk",
        "enough for reports of a thousand million rows, little enough for most machines",
        told="2GiB", field="memory", variable="STOCKTAKE_MEMORY", unit="bytes", least=32 * MIB,
    ),
    Setting(
        "questions.threads", Kind.COUNT, "how many threads a question may use",
        "a question is what somebody waits for", told="the cores of this process",
        field="threads", variable="STOCKTAKE_THREADS", unit="threads", least=1, most=1024,
    ),
    Setting(
        "server.listen", Kind.TEXT, "where `stocktake serve` listens: HOST:PORT",
        "TLS is the work of a proxy, which is on the same machine unless you say otherwise",
        "127.0.0.1:8170", field="listen", variable="STOCKTAKE_LISTEN",
    ),
    Setting(
        "server.workers", Kind.COUNT, "how many workers `stocktake serve` starts; 0: they run elsewhere",
        "a run takes several cores by itself", 1,
        field="workers", variable="STOCKTAKE_WORKERS", unit="processes", least=0, most=64,
    ),
    Setting(
        "server.keys_file", Kind.PATH, "the file of the access keys that the server knows; its owner's alone",
        "beside the ledger, as both are the service's", told="`keys.json` in the state folder",
        field="keys_file", variable="STOCKTAKE_KEYS_FILE",
    ),
    Setting(
        "server.metrics_token", Kind.TEXT,
        "what `Authorization: Bearer` must say to read `/metrics`; without one, they are for this machine alone",
        "metrics name buckets, and Prometheus does not sign requests", told="none",
        field="metrics_token", variable="STOCKTAKE_METRICS_TOKEN", secret=True,
    ),
    Setting(
        "server.metrics_configurations", Kind.COUNT,
        "how many configurations `/metrics` tells one by one; all others are told as one",
        "Prometheus bears some hundred series of a kind well, and thousands badly", 200,
        field="metrics_configurations", variable="STOCKTAKE_METRICS_CONFIGURATIONS", unit="configurations",
        least=0, most=10_000,
    ),
    Setting(
        "client.server", Kind.TEXT,
        "the `stocktake serve` that commands ask where they have `--server`: http://HOST[:PORT] or https://HOST[:PORT]",
        "who asks one server all the time need not say so each time",
        told="none: they ask this machine's ledger", field="server", variable="STOCKTAKE_SERVER",
    ),
    Setting(
        "client.token", Kind.TEXT, "the token to ask that server with, where no `--token-file` is named",
        "without one, requests are signed with the keys that the AWS CLI would use", told="none",
        field="token", variable="STOCKTAKE_TOKEN", secret=True,
    ),
    Setting(
        "worker.lease", Kind.NUMBER, "how long a run stays a worker's without a word from it",
        "a dead worker's run rests that long; a worker that is cut off from the ledger stops after two thirds of it",
        60.0, field="lease_s", variable="STOCKTAKE_LEASE", unit="seconds", least=1, most=3600,
    ),
    Setting(
        "log.format", Kind.TEXT, "how `stocktake serve` and `stocktake worker` write their log; json: an object a line",
        "lines are first read by whoever started it", "text",
        field="log_format", variable="STOCKTAKE_LOG_FORMAT", choices=("text", "json"),
    ),
)  # fmt: skip

_AS_CLI = "as in the AWS CLI"
STORE_SETTINGS: tuple[Setting, ...] = tuple(
    Setting(f"{STORE_KEY}{name}", kind, meaning, reason, told=told, unit=unit, least=least, most=most)
    for name, kind, told, meaning, reason, unit, least, most in (
        ("endpoint_url", Kind.TEXT, _AS_CLI, "the store's endpoint, such as http://127.0.0.1:7480",
         "what the AWS set-up says already need not be said again", "", None, None),
        ("profile", Kind.TEXT, _AS_CLI, "a profile of ~/.aws, for the service's own credentials",
         "secrets stay where the AWS CLI has them", "", None, None),
        ("region", Kind.TEXT, _AS_CLI, "the region to sign for", "most stores take any", "", None, None),
        ("addressing_style", Kind.TEXT, "auto", "where the bucket stands in a request: auto, path or virtual",
         "AWS wants host names, most other stores have none", "", None, None),
        ("no_sign_request", Kind.FLAG, "false", "whether to ask anonymously", "for public buckets only",
         "", None, None),
        ("request_payer", Kind.FLAG, "false", "whether to pay for requests oneself", "money is spent on request only",
         "", None, None),
        ("ca_bundle", Kind.PATH, _AS_CLI, "certificates to trust, a PEM file", "the system's are right for most", "",
         None, None),
        ("no_verify_ssl", Kind.FLAG, "false", "whether to leave the store's certificate unchecked",
         "who does not check it may talk to anybody", "", None, None),
        ("domains", Kind.LIST, "none",
         "the host names under which requests for this store arrive, so that bucket.NAME is a bucket of it",
         "with one store, the bucket is looked for in the path", "", None, None),
        ("account", Kind.TEXT, "none",
         "the 12 digits of the account that owns its buckets, which x-amz-expected-bucket-owner must name",
         "an expectation that cannot be confirmed is refused", "", None, None),
        ("requests_per_second", Kind.NUMBER, "no bound", LIMIT_KEYS["requests_per_second"],
         "a store that is asked too much says so, and is asked less", "requests a second", 0.001, 1_000_000),
        ("runs_at_a_time", Kind.COUNT, "no bound", LIMIT_KEYS["runs_at_a_time"],
         "workers are a bound already", "runs", 1, 1000),
        ("quiet_hours", Kind.TEXT, "none", LIMIT_KEYS["quiet_hours"], "nobody but you knows when they are",
         "hours, UTC", None, None),
    )
)  # fmt: skip

WEBHOOK_SETTINGS: tuple[Setting, ...] = tuple(
    Setting(
        f"{WEBHOOK_KEY}{name}", kind, meaning, reason, told=told, secret=secret,
        names_secret=name.startswith("secret_"),
    )
    for name, kind, told, meaning, reason, secret in (
        ("url", Kind.TEXT, "none, and one is needed", "where to post to: https://HOST/PATH, or http",
         "some hold what lets one in, so it is shown nowhere", True),
        ("secret_file", Kind.PATH, "none", "a file with the secret that notices are signed with, `whsec_...`",
         "one of the two is needed, so that receivers can tell who speaks", False),
        ("secret_variable", Kind.TEXT, "none", "the environment variable with that secret, instead",
         "as many have their secrets there", False),
        ("events", Kind.LIST, "both", "what to tell of: `published`, `failed`",
         "who hears of reports wants to hear that one is missing", False),
        ("stores", Kind.LIST, "all", "of which stores, by their names", "most have one", False),
        ("ca_bundle", Kind.PATH, "those that certifi, else botocore, comes with", "certificates to trust, a PEM file",
         "a target within the house may have its own", False),
        ("allow_local", Kind.FLAG, "false", "whether the target may be on this machine or its link",
         "what is there often trusts whoever can reach it", False),
    )
)  # fmt: skip
# By table, the settings of everything that is named in it.
NAMED_SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    STORES: STORE_SETTINGS,
    WEBHOOKS: WEBHOOK_SETTINGS,
}

BY_KEY: Mapping[str, Setting] = {
    each.key: each for each in (*SETTINGS, *STORE_SETTINGS, *WEBHOOK_SETTINGS)
}
# Every variable, with what it means; the documentation and the tests go by this.
VARIABLES: Mapping[str, str] = {
    FILE_VARIABLE: "the file of settings, `stocktake.toml`; `--settings` comes before it",
    **{each.variable: each.meaning for each in SETTINGS if each.variable},
}
_NO = ("", "0", "false", "no", "off")


def nearest(key: str) -> str:
    """The key that was probably meant by `key`, which is none; empty where nothing is near."""
    name = key.rpartition(".")[2]
    if same := [each for each in BY_KEY if each.rpartition(".")[2] == name]:
        return same[0]
    if (section := key.partition(".")[0]) in NAMED and "." in key:
        known = [each.key for each in NAMED_SETTINGS[section]]
        found = difflib.get_close_matches(name, [each.rpartition(".")[2] for each in known], n=1)
        return f"{key.rpartition('.')[0]}.{found[0]}" if found else ""
    leaves = {each.rpartition(".")[2]: each for each in BY_KEY}
    sections = {each.partition(".")[0]: each.partition(".")[0] for each in BY_KEY}
    known_words = {**{each: each for each in BY_KEY}, **leaves, **sections}
    for word in (key, name):
        if found := difflib.get_close_matches(word, list(known_words), n=1):
            return known_words[found[0]]
    return ""


def checked(setting: Setting, value: Any, where: str) -> Any:
    """`value` as the file has it, if it is one of those that the setting may have. `where` is for the error: which key
    of what.

    Raises:
        UsageError: it is not.
    """
    kinds: Mapping[Kind, tuple[type, ...]] = {
        Kind.FLAG: (bool,),
        Kind.COUNT: (int,),
        Kind.NUMBER: (int, float),
        Kind.LIST: (list,),
    }
    good = type(value) in kinds.get(setting.kind, (str,)) and value != ""
    if good and setting.kind is Kind.LIST:
        good = all(isinstance(each, str) for each in value)
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    if good and not all(_fit(each, setting.kind) for each in texts):
        raise UsageError(
            f"{where} holds a character that {setting.kind} cannot have",
            hint="look for what was written as \\u0000, or copied along",
        )
    if good and setting.choices:
        good = value in setting.choices
    if good and setting.least is not None:
        number = parse_bytes(value, where) if setting.kind is Kind.SIZE else value
        good = setting.least <= number <= (number if setting.most is None else setting.most)
    if not good:
        raise UsageError(
            f"{where} is {_found(setting, value)}; expected {setting.expected}",
            hint="`stocktake settings` shows what holds, docs/settings.md what each setting means",
        )
    return float(value) if setting.kind is Kind.NUMBER else value


def _fit(text: str, kind: Kind) -> bool:
    """Whether a value of that kind may hold these characters. The system takes all but NUL for a path."""
    return "\0" not in text if kind is Kind.PATH else text.isprintable()


def _found(setting: Setting, value: Any) -> str:
    """What was found in place of what a setting may be, as an error says it."""
    if setting.secret:
        return "of another kind, and not shown"
    if isinstance(value, dict | list):  # of any depth
        return "a table" if isinstance(value, dict) else "a list"
    return f"`{value}`"


def from_text(setting: Setting, text: str) -> Any:
    """The value in a variable, checked.

    Raises:
        UsageError: it is none.
    """
    value: Any = text
    if setting.kind is Kind.FLAG:
        value = text.strip().lower() not in _NO
    elif setting.kind in {Kind.COUNT, Kind.NUMBER}:
        try:
            value = int(text) if setting.kind is Kind.COUNT else float(text)
        except ValueError:
            value = text
    return checked(setting, value, f"the variable {setting.variable}")
