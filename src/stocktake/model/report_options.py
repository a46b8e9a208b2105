"""What AWS's document cannot say of a configuration: stocktake's own options beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from stocktake.model.errors import OptionsError, UsageError
from stocktake.model.fields import EXTENSION_FIELDS
from stocktake.model.periods import HOUR
from stocktake.model.remembering_words import parse_age, parse_deadline, parse_share
from stocktake.model.retention import KEEP_DAYS_MAX, KEEP_LAST_MAX, Retention

# Whither a report goes is decided by admins alone: it is written with the service's own credentials.
TARGET_OPTIONS = ("destination_store", "owner_full_control")

# How an option that is said in words is read; the words are kept.
_WORDS: Mapping[str, Callable[[str], object]] = {
    "revisit": parse_share,
    "remember_for": parse_age,
    "deadline": parse_deadline,
}


class ReportOptions(BaseModel):
    """The options beside one configuration. What is not said is as AWS has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    hour: Annotated[int, Field(ge=0, le=23)] = HOUR  # UTC, at which its periods begin
    extension_fields: tuple[str, ...] = Field((), strict=False)  # columns behind AWS's
    destination_store: str | None = None  # the store's name in settings; None: the source's
    owner_full_control: bool = False
    strict: bool = False  # a row that is not whole fails the run
    # Whether answers of the report before are taken over; which are asked for again, and what a run may ask: as the
    # options of `stocktake run` by these names.
    remember: bool = True
    revisit: str | None = None
    remember_for: str | None = None
    head_budget: Annotated[int, Field(ge=0)] | None = None
    deadline: str | None = None
    # After each publication reports go that neither of these keeps; None keeps none, and where both are, all stay.
    keep_last: Annotated[int, Field(ge=1, le=KEEP_LAST_MAX)] | None = None
    keep_days: Annotated[int, Field(ge=1, le=KEEP_DAYS_MAX)] | None = None

    @property
    def retention(self) -> Retention:
        """Which reports stay."""
        return Retention(self.keep_last, self.keep_days)

    @field_validator(*_WORDS)
    @classmethod
    def _in_words(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None:
            try:
                _WORDS[str(info.field_name)](text)
            except UsageError as error:
                raise ValueError(error.message) from error
        return text

    @field_validator("extension_fields")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EXTENSION_FIELDS:
                raise ValueError(f"`{name}` is none of {', '.join(EXTENSION_FIELDS)}")
        return names


def changed_options(before: ReportOptions, change: Mapping[str, Any], where: str) -> ReportOptions:
    """What `change` makes of the options `before`, those of the configuration `where`: it names those that are to be
    others, None takes one back. https://www.rfc-editor.org/rfc/rfc7396 has the same of JSON.

    Raises:
        OptionsError: as `parse_report_options`.
    """
    said = {**before.model_dump(), **change}
    back = {name for name in ReportOptions.model_fields if said[name] is None}
    return parse_report_options({name: said[name] for name in said.keys() - back}, where)


def parse_report_options(document: Mapping[str, Any], where: str) -> ReportOptions:
    """The options in a JSON object, that of the configuration `where`.

    Raises:
        OptionsError: it says what nobody knows, or what makes no sense.
    """
    try:
        return ReportOptions.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "options"
        raise OptionsError(
            f"the option `{name}` of {where} makes no sense: {first['msg']}",
            hint=f"expected {', '.join(ReportOptions.model_fields)}",
        ) from error
