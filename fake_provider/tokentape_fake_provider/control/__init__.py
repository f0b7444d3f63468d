"""The control API: HTTP routes to set up sessions and read their journals from any language.

docs/control-api.md describes it. Only programs on this machine may use it: it listens on the loopback interface, and
requires JSON (which a web page of another origin can't send without permission) and a local `Host` (which a rebound DNS
name does not have). If a token is set, it is required instead.
"""

from __future__ import annotations

from starlette.applications import Starlette

from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.control import (
    answers,
    entry_detail,
    events,
    journal,
    metrics,
    page,
    saving,
    server,
    sessions,
    streams,
    verdict,
)
from tokentape_fake_provider.control.api import CONTROL_PATH, HEALTH_PATH, METRICS_PATH, READY_PATH, Api, Routes
from tokentape_fake_provider.control.openapi import with_openapi

__all__ = ["CONTROL_PATH", "HEALTH_PATH", "METRICS_PATH", "READY_PATH", "control_routes"]


def control_routes(config: AppConfig) -> Starlette:
    """Return the control API and the health route as an ASGI application."""
    below = (
        server.ROUTES,
        sessions.ROUTES,
        answers.ROUTES,
        journal.ROUTES,
        entry_detail.ROUTES,
        saving.ROUTES,
        streams.ROUTES,
        verdict.ROUTES,
        events.ROUTES,
    )
    public = _below(page.ROUTES)
    routes = with_openapi((metrics.ROUTES, *map(_below, below), public))
    private = {path: handlers for path, handlers in routes.items() if path not in public}
    return Api(config).application(private, public=public)


def _below(table: Routes) -> Routes:
    return {CONTROL_PATH + path: handlers for path, handlers in table.items()}
