"""vcrpy's request, with a quick copy."""

from __future__ import annotations

import copy
from typing import Any

from vcr.request import HeadersDict, Request


class VcrRequest(Request):  # type: ignore[misc]
    """A request that vcrpy copies quickly: it does so before it filters one, and copies each header on its own."""

    def __deepcopy__(self, memo: dict[int, Any]) -> VcrRequest:
        copied = VcrRequest.__new__(VcrRequest)
        copied.__dict__ |= self.__dict__
        pairs = self.headers._store.values()
        if isinstance(self._body, bytes | None) and all(isinstance(value, str | bytes) for _, value in pairs):
            copied.headers = HeadersDict()
            copied.headers._store |= self.headers._store
        else:
            copied.__dict__ |= copy.deepcopy(self.__dict__, memo)
        return copied
