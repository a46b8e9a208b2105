"""`stocktake policy` and `stocktake lifecycle`: what is to be put on the destination, as `aws s3api` takes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, say

if TYPE_CHECKING:
    from stocktake.service.commands.policies import Policies

POLICY_EXAMPLES = """\
stocktake policy s3://photos s3://audit/inventory --principal arn:aws:iam:::user/stocktake
stocktake policy s3://photos s3://audit --principal 111122223333 --kms alias/audit --only key
stocktake policy s3://photos s3://audit --aws --source-account 111122223333
"""
LIFECYCLE_EXAMPLES = """\
stocktake lifecycle s3://photos s3://audit/inventory --keep-days 90
stocktake lifecycle s3://photos --configuration daily.json --keep-days 30 --json
"""
_PARTS = ("bucket", "key")

Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="What is reported on: s3://bucket.", show_default=False),
]
DESTINATION_HELP = "Where the reports go: s3://bucket[/prefix]."


def policy(
    source: Source,
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help=DESTINATION_HELP, show_default=False)
    ],
    *,
    principal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARN",
            help="The user or role whose credentials stocktake has, or an account of 12 digits. May be repeated.",
        ),
    ] = None,
    aws: Annotated[
        bool, typer.Option("--aws", help="For AWS's own inventory, which writes as a service.")
    ] = False,
    source_account: Annotated[
        str | None,
        typer.Option(metavar="DIGITS", help="With --aws: the source bucket's account."),
    ] = None,
    kms: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The KMS key that reports are encrypted with: print the statement for its policy, too.",
        ),
    ] = None,
    owner_full_control: Annotated[
        bool,
        typer.Option(
            "--owner-full-control",
            help="Reports are written with the ACL bucket-owner-full-control.",
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(metavar="bucket|key", help="Print only the one, to be put as it stands."),
    ] = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Print the policy that lets reports be written.

    It is what `aws s3api put-bucket-policy --policy file://...` takes. Nothing is asked and nothing is changed. A
    bucket has one policy: add the statements to those that it has.
    """
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.model.errors import UsageError
        from stocktake.service.commands.policies import destination_policies

        found = destination_policies(
            source,
            destination,
            principals=principal or (),
            aws=aws,
            source_account=source_account,
            kms=kms,
            owner_full_control=owner_full_control,
        )
        if only not in (None, *_PARTS):
            raise UsageError(f"unknown part `{only}`; expected {' or '.join(_PARTS)}")
        if only == "key" and found.key_statement is None:
            raise UsageError("--only key needs to be told of which: --kms KEY")
        if json:
            print_json(found.to_json())
        else:
            _print(found, only)


def _print(found: Policies, only: str | None) -> None:
    """What is asked for on stdout, each as one document; which is which on stderr."""
    if only != "key":
        say(f"the policy of the bucket {found.bucket}:")
        print_json(found.bucket_policy)
    if only != "bucket" and found.key_statement is not None:
        say(f"a statement to add to the policy of the key {found.key}:")
        print_json(found.key_statement)


def lifecycle(
    source: Source,
    destination: Annotated[
        str | None,
        typer.Argument(
            metavar="DESTINATION",
            help=f"{DESTINATION_HELP} A --configuration may name it.",
            show_default=False,
        ),
    ] = None,
    *,
    keep_days: Annotated[
        int | None, typer.Option(metavar="D", help="How many days reports are kept.")
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(metavar="N", hidden=True, help="What no rule can say.")
    ] = None,
    id: Annotated[  # noqa: A002 - AWS's word
        str | None,
        typer.Option(metavar="ID", help="Only the reports of this configuration. Default: all."),
    ] = None,
    configuration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration, which says Id and destination."),
    ] = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Print the lifecycle rule that removes old reports.

    It is what `aws s3api put-bucket-lifecycle-configuration` takes. What a rule cannot do is said on stderr. Nothing
    is asked and nothing is changed.
    """
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.commands.policies import lifecycle_rules

        found = lifecycle_rules(
            source,
            destination,
            keep_days=keep_days,
            keep_last=keep_last,
            identity=id,
            configuration=configuration,
        )
        print_json(found.to_json() if json else found.configuration)
        for note in found.notes:
            say(f"warning: {note}")
        if not json:
            say(f"what this rule cannot do for s3://{found.bucket}/{found.prefix}:")
            for cannot in found.cannot:
                say(f"- {cannot}")
