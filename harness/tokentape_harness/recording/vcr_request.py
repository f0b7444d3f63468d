"""vcrpy's request, with a quick copy."""

from __future__ import annotations

import copy
from typing import Any

from vcr.request import HeadersDict, Request


class VcrRequest(Request):  # type: ignore[misc]
    """A request that vcrpy copies quickly: it does so before it filters one, and copies each header on its own."""

    def __deepcopy__(self, memo: dict[int, Any]) -> VcrRequest:
        copied = copy.copy(self)
        headers = self.headers
        if isinstance(self._body, bytes | None) and all(isinstance(value, str | bytes) for value in headers.values()):
            copied.headers = HeadersDict(dict(headers))
        else:
            copied.__dict__ |= copy.deepcopy(self.__dict__, memo)
        return copied
