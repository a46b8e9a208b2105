"""Whether a bucket is the one that a configuration was put for.

At AWS a configuration goes with its bucket. Other stores know nothing of it, and a bucket that somebody else makes
under the same name must not be reported to where the old one was. Whose a bucket is, GetBucketAcl tells on all stores
that have it. When it was made is no help: AWS's CreationDate changes with the bucket's policy.
"""

from __future__ import annotations

from collections import Counter

from stocktake.model.errors import (
    AccessDeniedError,
    BucketChangedError,
    NoSuchBucketError,
    StoreError,
)
from stocktake.model.store import Store
from stocktake.model.stored import StoredConfiguration
from stocktake.state.configurations import Configurations
from stocktake.store.client import Client
from stocktake.store.connection import Connection

_PUT_AGAIN = (
    "put the configuration again, if its reports are to go on; `stocktake config delete` forgets it"
)


def check_same_bucket(
    configurations: Configurations, stored: StoredConfiguration, store: Store
) -> None:
    """Check that the configuration's bucket is still whose it was when it was put. Where nobody could tell that then,
    it is whose it is now.

    Raises:
        BucketChangedError: it is somebody else's, or gone.
        AccessDeniedError: the store told it then, and does not now.
        StoreError: it cannot be asked.
    """
    bucket, before = stored.key.bucket, stored.owner
    now = _owner(store, stored)
    if before is None:
        if now is not None:
            configurations.note_owner(stored, now)
    elif now is None:
        raise AccessDeniedError(
            f"whose the bucket {bucket} is cannot be told any more; it was {before}'s when the configuration was put",
            hint=f"allow s3:GetBucketAcl on {bucket}, or put the configuration again",
        )
    elif now != before:
        raise BucketChangedError(
            f"the bucket {bucket} is {now}'s; it was {before}'s when the configuration was put",
            hint=_PUT_AGAIN,
        )


def _owner(store: Store, stored: StoredConfiguration) -> str | None:
    bucket = stored.key.bucket
    try:
        with Client.open(Connection.open(store), Counter()) as client:
            return client.bucket_owner(bucket)
    except NoSuchBucketError as error:
        raise BucketChangedError(f"the bucket {bucket} is gone", hint=_PUT_AGAIN) from error
    except StoreError:
        if stored.owner is None:  # some stores answer 500 to what they do not know
            return None
        raise
