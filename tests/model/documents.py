"""Strategies for the documents and values of floor 0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from stocktake.model.configuration import (
    SSEKMS,
    SSES3,
    Destination,
    Encryption,
    Filter,
    Format,
    Frequency,
    IncludedObjectVersions,
    InventoryConfiguration,
    S3BucketDestination,
    Schedule,
)
from stocktake.model.fields import EXTENSION_FIELDS, OPTIONAL_FIELDS, report_fields
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import Manifest, ManifestFile, file_schema

# Text that Python, UTF-8 and JSON can carry; and the part of it that XML 1.0 can carry as well.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
XML_TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.just("\t"),
    max_size=20,
)  # fmt: skip
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
MOMENTS = st.integers(0, 4_102_444_800_000).map(
    lambda n: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n)
)
MD5S = st.text("0123456789abcdef", min_size=32, max_size=32)
IDS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True).filter(lambda t: t.strip(".") != "")
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)


def encryptions() -> st.SearchStrategy[Encryption]:
    return st.sampled_from([Encryption(), Encryption(sse_s3=SSES3())]) | st.builds(
        lambda key: Encryption(sse_kms=SSEKMS(key_id=key)), st.just("arn:aws:kms:::key/é")
    )


def configurations(texts: st.SearchStrategy[str]) -> st.SearchStrategy[InventoryConfiguration]:
    """Any configuration AWS takes, its free texts drawn from `texts`."""
    delivery = st.fixed_dictionaries(
        {
            "bucket": BUCKETS.map(lambda name: f"arn:aws:s3:::{name}"),
            "format": st.sampled_from(Format),
            "account_id": st.none() | st.just("111122223333"),
            "prefix": st.none() | texts,
            "encryption": st.none() | encryptions(),
        }
    ).map(S3BucketDestination.model_validate)
    return st.fixed_dictionaries(
        {
            "id": IDS,
            "is_enabled": st.booleans(),
            "destination": delivery.map(lambda it: Destination(s3_bucket_destination=it)),
            "schedule": st.sampled_from(Frequency).map(lambda it: Schedule(frequency=it)),
            "included_object_versions": st.sampled_from(IncludedObjectVersions),
            "filter": st.none() | texts.map(lambda it: Filter(prefix=it)),
            "optional_fields": st.none()
            | st.lists(st.sampled_from(OPTIONAL_FIELDS), unique=True).map(tuple),
        }
    ).map(InventoryConfiguration.model_validate)


def manifests() -> st.SearchStrategy[Manifest]:
    names = st.lists(st.sampled_from(OPTIONAL_FIELDS + EXTENSION_FIELDS), unique=True)

    def build(report_format: Format, chosen: list[str], versions: bool, **rest: object) -> Manifest:
        fields = report_fields(chosen, all_versions=versions)
        schema = file_schema(report_format, fields)
        return Manifest(format=report_format, schema=schema, **rest)  # type: ignore[arg-type]

    return st.builds(
        build,
        st.sampled_from(Format),
        names,
        st.booleans(),
        source_bucket=BUCKETS,
        destination_bucket=BUCKETS.map(lambda name: f"arn:aws:s3:::{name}"),
        created=MOMENTS,
        files=st.lists(
            st.builds(ManifestFile, key=KEYS, size=st.integers(0, 2**50), md5=MD5S), max_size=3
        ).map(tuple),
    )


@st.composite
def ranges(draw: st.DrawFn) -> KeyRange:
    """Any range, from the start or not, to the end or not."""
    bounds = sorted(draw(st.sets(KEYS, min_size=2, max_size=2)))
    after = draw(st.sampled_from(["", bounds[0]]))
    return KeyRange(after, draw(st.sampled_from([None, bounds[1]])))
