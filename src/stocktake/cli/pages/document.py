"""The skeleton of every page: its layout, its style, and the rules that hold for all of them.

A page is one file. Its content security policy lets it load nothing and run nothing; the only style
it may use is the one whose hash the policy names. So there is no `style=` attribute and no script
anywhere: what opens and closes is `<details>`, charts are SVG with geometry in attributes, and
colours are classes of `style.css`.

Text from outside (keys, addresses, names) is escaped by Jinja, always, and passes the filter
`visible` or `key` first, so that control characters and marks that turn the direction of writing are seen.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from stocktake.cli.outcome import on_one_line, visible
from stocktake.cli.pages import charts, treemaps
from stocktake.cli.words import bytes_text, count, counted, share_text

_PLACE = "stocktake.cli.pages"
# `frame-ancestors` would be ignored in a meta element, with a complaint.
_POLICY = "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'"


def render_document(template: str, **values: object) -> str:
    """The page that a template of `templates/` makes of `values`.

    It extends `skeleton.html`, which wants `title`, `subtitle` and `generator`; a value that a
    template names and nobody gave is an error.
    """
    style = _style()
    policy = _POLICY.format(style=_hash(style))
    return _environment().get_template(template).render(style=style, policy=policy, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PLACE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        bytes=bytes_text,
        count=count,
        counted=counted,
        key=on_one_line,
        share=share_text,
        visible=visible,
    )
    environment.globals.update(charts=charts, treemaps=treemaps)
    return environment


@cache
def _style() -> str:
    return (files(_PLACE) / "templates" / "style.css").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
