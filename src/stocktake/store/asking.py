"""What botocore raises, in our words, with the permission that would be the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stocktake.model.errors import AccessDeniedError, ServerError
from stocktake.store.failures import from_botocore, printable


@contextmanager
def asking(what: str, needs: str, *, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Turn what botocore raises inside, except for `but`, into our error: `what`, such as "cannot list
    s3://b/p", and why. For a denial the hint names `needs`, such as "s3:ListBucket on b".

    Raises:
        StoreError: of the class that says what to do about it.
    """
    try:
        yield
    except but:
        raise
    except (BotoCoreError, ClientError) as exception:
        error = from_botocore(exception, what)
        if isinstance(error, AccessDeniedError):
            error.hint = f"the run needs {needs}"
        raise error from exception
    except (ResponseParserError, ValueError, LookupError) as exception:
        # botocore's parsers let through whatever a date or a number that is none makes Python raise.
        raise ServerError(f"{what}: malformed answer: {printable(str(exception))}") from exception
