"""What the service says when it does not answer: errors with a status, in OpenAI's form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from saec.errors import SaecError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class RequestRefused(SaecError):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        code: one word that programs can tell it by.
        what: what is wrong with it.
        remedy: what to do about it.
        after: seconds after which it may be made again, where that helps.
        param: the field of the body that is wrong, where it is one.
    """

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        remedy: str = "",
        *,
        after: float | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(what, remedy)
        self.status, self.code, self.after, self.param = status, code, after, param

    @property
    def fields(self) -> dict[str, Any]:
        """The arguments that make it again, elsewhere."""
        return {
            "status": self.status,
            "code": self.code,
            "what": self.what,
            "remedy": self.remedy,
            "after": self.after,
            "param": self.param,
        }

    @property
    def body(self) -> dict[str, Any]:
        """The error in OpenAI's form."""
        return error_body(self.status, self.code, str(self), self.param)

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After in whole seconds, where there is a wish."""
        return {} if self.after is None else {"Retry-After": str(max(1, math.ceil(self.after)))}


def no_such_model(name: str, known: Iterable[str]) -> RequestRefused:
    """The refusal of a request that names none of the models."""
    what, remedy = f"there is no model {name[:80]!r}", f"name one of {', '.join(known)}"
    return RequestRefused(404, "model_not_found", what, remedy, param="model")


def error_body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
