"""What boto3 raises, in our words, with the permission that would be the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stocktake.model.errors import AccessDeniedError, ServerError
from stocktake.store.failures import from_botocore


@contextmanager
def asking(what: str, needs: str, *, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Turn what boto3 raises inside, except for `but`, into our error: `what`, such as "cannot list
    s3://b/p", and why. For a denial the hint names `needs`, such as "s3:ListBucket on b".

    Raises:
        StoreError: of the class that says what to do about it.
    """
    try:
        yield
    except but:
        raise
    except ResponseParserError as exception:
        raise ServerError(f"{what}: the answer is malformed") from exception
    except (BotoCoreError, ClientError) as exception:
        error = from_botocore(exception, what)
        if isinstance(error, AccessDeniedError):
            error.hint = f"the run needs {needs}"
        raise error from exception
