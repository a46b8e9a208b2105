from __future__ import annotations

import pytest
from hypothesis import given
from lxml import etree

from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.errors import ConfigurationError
from stocktake.model.xml import (
    NAMESPACE,
    XmlError,
    local_name,
    parse_configuration_xml,
    parse_xml,
    render_configuration_xml,
    without_illegal_characters,
)
from tests.model.documents import XML_TEXTS, configurations

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
XMLNS = f' xmlns="{NAMESPACE}"'.encode()

# What botocore sends, with the other key of each pair of choices.
SENT = (
    b'<InventoryConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Destination><S3BucketDestination><AccountId>111122223333</AccountId>"
    b"<Bucket>arn:aws:s3:::dest</Bucket><Format>Parquet</Format><Prefix>inv</Prefix>"
    b"<Encryption><SSE-S3 /></Encryption></S3BucketDestination></Destination>"
    b"<IsEnabled>true</IsEnabled><Filter><Prefix>logs/</Prefix></Filter><Id>report1</Id>"
    b"<IncludedObjectVersions>All</IncludedObjectVersions>"
    b"<OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields>"
    b"<Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>"
)


def configuration(**changes: object) -> InventoryConfiguration:
    """A configuration as users of AWS had it, whose listing's length was recorded."""
    fields = changes.pop("fields")
    delivery = {"Format": "CSV", **changes.pop("delivery")}  # type: ignore[dict-item]
    return InventoryConfiguration.model_validate(
        {
            "IsEnabled": True,
            "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": delivery},
            "OptionalFields": fields,
            **changes,
        }
    )


PREFIX = "Inventories/644160558196"
RECORDED = {
    604: configuration(
        Id="something",
        IncludedObjectVersions="All",
        delivery={"Bucket": "arn:aws:s3:::custodian-inv", "Prefix": "abcdef"},
        fields=["LastModifiedDate"],
    ),
    645: configuration(
        Id="something",
        IncludedObjectVersions="Current",
        delivery={"Bucket": "arn:aws:s3:::custodian-inv", "Prefix": PREFIX},
        fields=["LastModifiedDate", "Size"],
    ),
    673: configuration(
        Id="inv-name",
        IncludedObjectVersions="Current",
        delivery={
            "Bucket": "arn:aws:s3:::inv-dest",
            "Prefix": PREFIX,
            "Encryption": {"SSES3": {}},
        },
        fields=["Size", "EncryptionStatus"],
    ),
    711: configuration(
        Id="inv-name",
        IncludedObjectVersions="Current",
        delivery={
            "Bucket": "arn:aws:s3:::inv-dest",
            "Prefix": PREFIX,
            "Encryption": {"SSEKMS": {"KeyId": "arn:valid:kms"}},
        },
        fields=["Size", "EncryptionStatus"],
    ),
}
EMPTY_LIST_LENGTH = 189  # the recorded length of a listing without any configuration


@pytest.mark.parametrize(("length", "document"), RECORDED.items(), ids=[str(n) for n in RECORDED])
def test_a_configuration_is_as_long_as_it_was_in_aws_own_answers(
    length: int, document: InventoryConfiguration
) -> None:
    rendered = render_configuration_xml(document)
    within_a_list = rendered.removeprefix(DECLARATION).replace(XMLNS, b"", 1)
    assert EMPTY_LIST_LENGTH + len(within_a_list) == length


def test_a_configuration_is_one_line_without_default_parts() -> None:
    assert render_configuration_xml(RECORDED[673]) == (
        DECLARATION + b'<InventoryConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Id>inv-name</Id><IsEnabled>true</IsEnabled><Destination><S3BucketDestination>"
        b"<Bucket>arn:aws:s3:::inv-dest</Bucket><Format>CSV</Format>"
        b"<Prefix>Inventories/644160558196</Prefix><Encryption><SSE-S3/></Encryption>"
        b"</S3BucketDestination></Destination><Schedule><Frequency>Daily</Frequency></Schedule>"
        b"<IncludedObjectVersions>Current</IncludedObjectVersions>"
        b"<OptionalFields><Field>Size</Field><Field>EncryptionStatus</Field></OptionalFields>"
        b"</InventoryConfiguration>"
    )


@given(configurations(XML_TEXTS))
def test_a_configuration_is_read_back_as_it_was(document: InventoryConfiguration) -> None:
    assert parse_configuration_xml(render_configuration_xml(document)) == document


@given(configurations(XML_TEXTS))
def test_xml_and_json_say_the_same(document: InventoryConfiguration) -> None:
    through_xml = parse_configuration_xml(render_configuration_xml(document))
    assert parse_configuration_json(through_xml.to_json()) == document


@pytest.mark.parametrize(
    "body",
    [
        SENT,
        DECLARATION + b"\n" + SENT,
        SENT.replace(XMLNS, b""),
        SENT.replace(b"xmlns=", b"xmlns:s3=")
        .replace(b"<", b"<s3:")
        .replace(b"<s3:/", b"</s3:")
        .replace(b"SSE-S3 /", b"SSE-S3/"),
        SENT.replace(b"><", b">\n  <"),
        SENT.replace(b"<Encryption><SSE-S3 /></Encryption>", b"<SSE-S3/>"),
        SENT.replace(b"<Schedule>", b"<!-- when --><Schedule>"),
        SENT.replace(b"report1", b"rep<!-- which -->ort1"),
    ],
    ids=[
        "as sent",
        "a declaration",
        "no namespace",
        "a prefix",
        "indented",
        "SSE-S3 beside",
        "comment",
        "a comment within text",
    ],
)
def test_every_form_clients_send_is_read(body: bytes) -> None:
    document = parse_configuration_xml(body)
    assert (document.id, document.prefix, document.all_versions) == ("report1", "logs/", True)
    assert document.optional_fields == ("Size", "ETag")
    encryption = document.delivery.encryption
    assert encryption is not None
    assert encryption.sse_s3 is not None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "Document is empty|no element found|empty"),
        (SENT[:-5], "malformed"),
        (b"<html/>", "the root is <html>, expected <InventoryConfiguration>"),
        (b"<InventoryConfiguration/>", "Field required"),
        (SENT.replace(b"<Id>report1</Id>", b"<Id>a</Id><Id>b</Id>"), "<Id> stands there twice"),
        (SENT.replace(b"Parquet", b"parquet"), "found `parquet`"),
        (SENT.replace(b"<Id>report1</Id>", b"<Id>r</Id><Colour/>"), "Colour: Extra inputs"),
        (SENT.replace(b"true", b"maybe"), "IsEnabled"),
        (SENT.replace(b"true", b"yes"), "IsEnabled: .*found `yes`"),
        (SENT.replace(b"<Id>report1</Id>", b"<Id>rep<b>o</b>rt1</Id>"), "<Id> holds elements"),
        (SENT.replace(b"<Schedule>", b"Weekly<Schedule>"), "text `Weekly` in <InventoryConfiguration>"),
        (SENT.replace(b"<Field>Size</Field>", b"<Feld>Size</Feld>"), "<Feld> in <OptionalFields>"),
        (SENT.replace(b"<Field>Size</Field>", b"Size"), "text `Size` in <OptionalFields>"),
        (SENT.replace(b"arn:aws:s3:::dest", b"dest"), "`dest` is not a bucket ARN"),
        (SENT.replace(b"<SSE-S3 />", b"<SSE-S3/><SSE-KMS><KeyId>k</KeyId></SSE-KMS>"), "at most one"),
        (SENT.replace(b"<Field>Size</Field>", b"<Field>Colour</Field>"), "`Colour` is not one of"),
    ],
)  # fmt: skip
def test_what_aws_would_refuse_is_one_clear_error(body: bytes, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parse_configuration_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r/>',
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r>&b;</r>',
        b"<!DOCTYPE html><html/>",
        b"<r>&x;</r>",
        b"<r>&#1;</r>",
        b"<a><b></a>",
    ],
)
def test_entities_and_document_types_are_refused(body: bytes) -> None:
    with pytest.raises(XmlError):
        parse_xml(body)


def test_illegal_characters_can_be_taken_out() -> None:
    references = [b"&#x%x;" % n for n in (0, 1, 8, 0xB, 0xC, 0xE, 0x1F, 0xFFFE, 0xFFFF)]
    decimals = [b"&#%d;" % n for n in (0, 1, 8, 11, 12, 14, 31)]
    raw = [b"\x01", b"\x1f", "\ufffe".encode(), "\uffff".encode()]
    for illegal in (*references, *decimals, *raw, b"&#x0001;", b"&#001;"):
        body = b"<Token>a" + illegal + b"b</Token>"
        with pytest.raises(XmlError):
            parse_xml(body)
        assert parse_xml(without_illegal_characters(body)).text == "a?b", illegal


def test_legal_characters_stay() -> None:
    body = "<Token>&#9;&#10;&#13;&#x1F600;&#32;&#19;</Token>é\ufffd😀".encode().replace(
        b"&#19;", b"&#190;"
    )
    assert without_illegal_characters(body) == body


def test_a_comment_has_no_name() -> None:
    root = parse_xml(b'<r xmlns="urn:x"><!-- c --><?p i?><a/></r>')
    assert [local_name(child) for child in root] == ["", "", "a"]
    assert isinstance(root, etree._Element)
