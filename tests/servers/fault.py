"""An S3 server for tests: scripted objects, faults on request, races that happen when told.

It does what no real store here can be made to do. It is no judge of what real stores do: for that
there are moto and Ceph.

    with FaultServer() as server:
        server.bucket("b", [
            FixtureObject("a", head_headers={"x-amz-replication-status": "REPLICA"}),
            FixtureObject("b", body=b"bytes", tags={"team": "x"}),
            FixtureObject("c", version_id="v2", delete_marker=True),   # a key's newest version first
            FixtureObject("c", version_id="v1", sse_c=True),
        ])
        server.bucket("big", generated=synthetic(1_000_000, "data/{:09d}".format))
        server.bucket("dest", encryption="ignored", trailers="refused")   # as on Ceph
        server.rule(slow_down(), operation="HeadObject", every=20)
        server.rule(truncate(), operation="List", nth=1, per_target=True)  # every page's first try
        server.rule(latency(0.2))                                          # everything
        ... server.endpoint_url, server.client(), server.environment() ...
        assert server.counts["HeadObject"] == 4 and server.bucket_named("dest").keys() == [...]
        assert [entry.status for entry in server.log if entry.operation == "HeadObject"] == [...]

Where to read on: objects and buckets in fault_fixtures.py, what a rule matches in fault_rules.py
(`Rule`), all actions in fault_actions.py. All of them can be imported from here. Key, token, clock
and region: `require`, `expire_token`, `skew_clock` below and `Bucket(wrong_region=)`.

Rules apply in the order they were added, all that match; an error of a rule comes before the bucket
is asked, so a write that a rule refuses is not done, while `reset`, `truncate` and `stall` befall
the answer to a write that was done. Races are rules too: `server.after_page(2, lambda:
bucket.overwrite("k", body=b"new"))`, `server.before_head("k", lambda: bucket.remove("k"))`.

The server runs in a thread of the test. `python -m tests.servers.fault --port 0 --setup
module:function` runs it by itself and prints its address; `function(server)` fills it;
`SeparateServer` in fault_separate.py starts it so and reads its counts. Over HTTP: GET
/.fault/counts, /.fault/log, /.fault/credentials; POST /.fault/clear ends all rules. Buckets stand
in the path, or before `.localhost` (and other `domains`) in the host name; it also serves as a
plain HTTP proxy to itself. For TLS see fault_tls.py, for requests written by hand fault_raw.py.
Nothing is verified of a signature but what `require` and its kin name.
"""

from __future__ import annotations

from tests.servers.fault_actions import (
    access_denied,
    ceph_style,
    do_after,
    do_before,
    drop_keys,
    empty_body,
    encoding_ignored,
    hold,
    html,
    huge_pages,
    ignore_start_after,
    ignore_subresource,
    internal_error,
    latency,
    malformed_xml,
    raw_tokens,
    refuse_checksum_mode,
    repeat_page,
    reset,
    respond,
    short_pages,
    slash_encoded,
    slow_down,
    stall,
    stop_early,
    stuck_marker,
    throttle,
    too_many_requests,
    truncate,
    unordered,
    unquoted_etags,
    with_headers,
    without_headers,
    wrong_root,
)
from tests.servers.fault_fixtures import Bucket, FixtureObject, Synthetic, synthetic
from tests.servers.fault_rules import Action, Exchange, Rule
from tests.servers.fault_separate import SeparateServer, main
from tests.servers.fault_server import FaultServer, LogEntry
from tests.servers.fault_values import Request, Response, document, error

__all__ = [
    "Action",
    "Bucket",
    "Exchange",
    "FaultServer",
    "FixtureObject",
    "LogEntry",
    "Request",
    "Response",
    "Rule",
    "SeparateServer",
    "Synthetic",
    "access_denied",
    "ceph_style",
    "do_after",
    "do_before",
    "document",
    "drop_keys",
    "empty_body",
    "encoding_ignored",
    "error",
    "hold",
    "html",
    "huge_pages",
    "ignore_start_after",
    "ignore_subresource",
    "internal_error",
    "latency",
    "malformed_xml",
    "raw_tokens",
    "refuse_checksum_mode",
    "repeat_page",
    "reset",
    "respond",
    "short_pages",
    "slash_encoded",
    "slow_down",
    "stall",
    "stop_early",
    "stuck_marker",
    "synthetic",
    "throttle",
    "too_many_requests",
    "truncate",
    "unordered",
    "unquoted_etags",
    "with_headers",
    "without_headers",
    "wrong_root",
]

if __name__ == "__main__":
    main()
