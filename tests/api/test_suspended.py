"""A configuration that runs no more says so, whoever asks, and wherever."""

from __future__ import annotations

import json

from stocktake.model.errors import BucketChangedError
from stocktake.service import house
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import stocktake
from tests.api.serving import ADMIN, Api
from tests.api.test_inventory import plain, put
from tests.state.scheduling import claimed, tick

REASON = "the bucket is gone"


def test_that_it_is_suspended_is_told_everywhere_and_ends_with_a_put(api: Api, bucket: str) -> None:
    put(api, bucket, plain("report1"))
    with Ledger.open(api.state_folder, now=house.now) as ledger:
        [standing] = [each for each in ledger.schedule.standing() if each.key.bucket == bucket]
        tick(ledger)
        claim = claimed(ledger)
        while claim.key != standing.key:  # of another test
            claim = claimed(ledger)
        ledger.claims.fail(claim, BucketChangedError(REASON), suspend=True)
    place = f"/api/v1/configurations/default/{bucket}"
    for found in (
        json.loads(api.ask("GET", f"{place}/report1").body),
        *json.loads(api.ask("GET", place).body)["configurations"],
    ):
        assert found["suspended"]["reason"] == REASON
    pair = {"AWS_ACCESS_KEY_ID": ADMIN.access_key, "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key}
    here = {"STOCKTAKE_STATE_FOLDER": str(api.state_folder)}
    for words, environment in (([], here), (["--server", api.endpoint_url], pair)):
        told = stocktake("config", "list", f"s3://{bucket}", *words, environment=environment)
        assert f", suspended: {REASON}" in told.out
        shown = stocktake(
            "config", "get", f"s3://{bucket}", "report1", "--json", *words, environment=environment
        )
        assert shown.document["suspended"]["reason"] == REASON
    # AWS's document is as it was put, and putting it again ends all this.
    got = api.client().get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    assert got["InventoryConfiguration"] == plain("report1")
    put(api, bucket, plain("report1"))
    assert "suspended" not in json.loads(api.ask("GET", f"{place}/report1").body)
