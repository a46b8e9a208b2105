"""Audits: questions about a report, each a row of data, and what came of asking them."""
