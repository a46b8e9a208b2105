"""SQL macros that take apart the columns which hold more than one value.

An ACL is base64 of compact JSON whose `status` AVAILABLE comes with `grants`; where AWS could not read it, it says
UNAVAILABLE and there are none, so these are NULL: unknown, and not nobody. AWS does not say whether they are absent
then or an empty list. Tags and metadata are JSON objects of texts.
"""

from __future__ import annotations

_GRANT = (
    '[{"type": "VARCHAR", "permission": "VARCHAR", "canonicalId": "VARCHAR", "uri": "VARCHAR"}]'
)
_ACL = f'{{"status": "VARCHAR", "grants": {_GRANT}}}'

# Each macro and what it is. Grants are a list of STRUCT(type, permission, canonicalId, uri), all texts.
DECODING: dict[str, str] = {
    # A list of one, so that both are taken from what was parsed once.
    "grants(acl)": f"list_transform([from_json(decode(from_base64(acl)), '{_ACL}')],"
    " lambda read: CASE WHEN read.status = 'AVAILABLE' THEN read.grants END)[1]",
    "tags(object_tags)": "CAST(CAST(object_tags AS JSON) AS MAP(VARCHAR, VARCHAR))",
    "metadata(user_metadata)": "CAST(CAST(user_metadata AS JSON) AS MAP(VARCHAR, VARCHAR))",
}

DECODING_MACROS = tuple(f"CREATE MACRO {head} AS {body}" for head, body in DECODING.items())
