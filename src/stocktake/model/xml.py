"""The one safe XML parser and writer, and AWS's inventory forms.

No entities are expanded, no DTD is read, no network is touched. Elements are compared by local name, because stores
differ in the namespace they use, or use none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from lxml import etree
from pydantic import ValidationError

from stocktake.model.configuration import InventoryConfiguration, configuration_error
from stocktake.model.errors import ConfigurationError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# Character references that XML 1.0 cannot carry. Ceph writes them into continuation tokens for keys that hold control
# characters, even where keys themselves are URL-encoded; they would make the whole page unreadable.
_ILLEGAL_REFERENCE = re.compile(
    rb"&#(?:x0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]|[fF]{3}[eEfF])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));"
)
_ILLEGAL_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")


class XmlError(ValueError):
    """The bytes are not well-formed XML, or declare what is not allowed."""


def parse_xml(body: bytes) -> etree._Element:
    """The root of an XML document.

    Raises:
        XmlError: not well-formed, or it brings a document type of its own.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlError(str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise XmlError("a document type is not allowed here")
    return root


def without_illegal_characters(body: bytes) -> bytes:
    """`body` with what XML 1.0 forbids replaced by `?`: for pages whose keys are URL-encoded, where only a
    continuation token that is not used can hold such a thing.
    """
    return _ILLEGAL_BYTE.sub(b"?", _ILLEGAL_REFERENCE.sub(b"?", body))


def local_name(element: etree._Element) -> str:
    """The element's name without its namespace; empty for comments and processing instructions."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def parse_configuration_xml(body: bytes) -> InventoryConfiguration:
    """The configuration in an XML document, whatever the order of its elements, with or without a namespace.

    Raises:
        ConfigurationError: not XML, another document, or one that AWS would refuse.
    """
    try:
        return InventoryConfiguration.model_validate(configuration_members(body), by_name=False)
    except ValidationError as error:
        raise configuration_error(error) from error


def configuration_members(body: bytes) -> dict[str, object]:
    """What an XML document says of a configuration, as its JSON form would say it; the values are not checked.

    Raises:
        ConfigurationError: not XML, another document, or elements or text where none may stand.
    """
    try:
        root = parse_xml(body)
    except XmlError as error:
        raise ConfigurationError(
            f"malformed inventory configuration: {error}",
            hint="expected an InventoryConfiguration as XML or JSON",
        ) from error
    if local_name(root) != "InventoryConfiguration":
        raise ConfigurationError(
            f"malformed inventory configuration: the root is <{local_name(root)}>, expected <InventoryConfiguration>"
        )
    return _members(root)


_RENAMED = {"SSE-S3": "SSES3", "SSE-KMS": "SSEKMS"}
_STRUCTURES = {
    "Destination", "S3BucketDestination", "Encryption", "SSE-S3", "SSE-KMS", "Schedule", "Filter",
}  # fmt: skip


_FLAGS = {"true": True, "false": False}


def _members(element: etree._Element) -> dict[str, object]:
    _check_bare(element)
    members: dict[str, object] = {}
    for child in element:
        name = local_name(child)
        if not name:
            continue
        if name in members or _RENAMED.get(name) in members:
            raise ConfigurationError(
                f"malformed inventory configuration: <{name}> stands there twice"
            )
        if name == "OptionalFields":
            members[name] = _field_names(child)
        elif name in _STRUCTURES:
            members[_RENAMED.get(name, name)] = _members(child)
        else:
            text = _text(child)
            members[name] = _FLAGS.get(text, text) if name == "IsEnabled" else text
    # The documentation's sample puts <SSE-S3/> outside <Encryption>; genuine documents nest it.
    for key in ("SSES3", "SSEKMS"):
        if local_name(element) == "S3BucketDestination" and key in members:
            members["Encryption"] = {key: members.pop(key)}
    return members


def _field_names(element: etree._Element) -> tuple[str, ...]:
    _check_bare(element)
    children = [child for child in element if local_name(child)]
    for child in children:
        if local_name(child) != "Field":
            raise ConfigurationError(
                f"malformed inventory configuration: found <{local_name(child)}> in <OptionalFields>,"
                " expected <Field>"
            )
    return tuple(_text(child).strip() for child in children)


def _text(element: etree._Element) -> str:
    """What stands in an element that holds text alone; comments are no part of it."""
    if any(local_name(child) for child in element):
        raise ConfigurationError(
            f"malformed inventory configuration: <{local_name(element)}> holds elements, expected text"
        )
    return "".join([element.text or "", *(child.tail or "" for child in element)])


def _check_bare(element: etree._Element) -> None:
    """Refuse text where only elements may stand: what it was meant to say would be lost."""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if found := "".join(texts).strip():
        raise ConfigurationError(
            f"malformed inventory configuration: found the text `{found[:80]}` in"
            f" <{local_name(element)}>, expected elements"
        )


_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
_RENDERED_MAX = (
    4096  # configurations whose form is kept: a list renders a hundred of them, again and again
)


def render_configuration_xml(configuration: InventoryConfiguration) -> bytes:
    """The document as AWS answers it: one line, no newline behind the declaration, absent parts absent.

    Raises:
        ConfigurationError: it holds a character that XML cannot.
    """
    return _document("InventoryConfiguration", _inside(configuration))


def render_configurations_xml(
    configurations: Iterable[InventoryConfiguration],
    *,
    continuation_token: str | None = None,
    next_token: str | None = None,
) -> bytes:
    """A page of a bucket's configurations as AWS lists them; `continuation_token` is the one that was asked with, and
    `next_token` asks for the page behind this one.

    Raises:
        ConfigurationError: one holds a character that XML cannot.
    """
    listed = [
        b"<InventoryConfiguration>%b</InventoryConfiguration>" % _inside(configuration)
        for configuration in configurations
    ]
    tokens = {"ContinuationToken": continuation_token, "NextContinuationToken": next_token}
    told = {name: token for name, token in tokens.items() if token is not None}
    end = _members_xml({"IsTruncated": next_token is not None, **told})
    return _document("ListInventoryConfigurationsResult", b"".join([*listed, end]))


def _document(root: str, inside: bytes) -> bytes:
    name = root.encode()
    return b'%b<%b xmlns="%b">%b</%b>' % (_DECLARATION, name, NAMESPACE.encode(), inside, name)


@lru_cache(_RENDERED_MAX)
def _inside(configuration: InventoryConfiguration) -> bytes:
    """What stands between the tags of a configuration."""
    try:
        return _members_xml(configuration.model_dump(by_alias=True, exclude_none=True, mode="json"))
    except ValueError as error:
        raise ConfigurationError(
            f"malformed inventory configuration: {configuration.id} holds a character that XML cannot"
        ) from error


def _members_xml(members: Mapping[str, object]) -> bytes:
    root = etree.Element("root")
    _append(root, members)
    return b"".join(etree.tostring(child) for child in root)


def render_xml(root: str, members: Mapping[str, str]) -> bytes:
    """A document of one element that holds texts, without a namespace."""
    element = etree.Element(root)
    _append(element, members)
    return _DECLARATION + b"\n" + etree.tostring(element)


_XML_NAMES = {python: xml for xml, python in _RENAMED.items()}


def _append(parent: etree._Element, members: Mapping[str, object]) -> None:
    for name, value in members.items():
        child = etree.SubElement(parent, _XML_NAMES.get(name, name))
        if isinstance(value, dict):
            _append(child, value)
        elif isinstance(value, list):
            for item in value:
                etree.SubElement(child, "Field").text = str(item)
        else:
            child.text = str(value).lower() if isinstance(value, bool) else str(value)
