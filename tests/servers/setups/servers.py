"""Application servers with an application of `apps/`, and the LiteLLM proxy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.servers.programs import Python
from tests.servers.site import Site

WEB = Python("web")
OLD_STARLETTE = Python("starlette_old")
LITELLM = Python("litellm")

Configure = Callable[[Site], Sequence[str]]


def module(program: Python, *arguments: str, **environment: str) -> Configure:
    """A Python module that is run with these arguments, in which `@port@` is the site's port."""

    def configure(site: Site) -> Sequence[str]:
        site.environment.update(environment)
        return (program.path(), "-m", *(argument.replace("@port@", str(site.port)) for argument in arguments))

    return configure


def uvicorn(app: str, program: Python = WEB, **environment: str) -> Configure:
    """uvicorn as it comes."""
    return module(program, "uvicorn", app, "--port", "@port@", "--no-access-log", **environment)


def gunicorn(app: str, *options: str, **environment: str) -> Configure:
    """gunicorn with one worker."""
    return module(WEB, "gunicorn", app, "-b", "127.0.0.1:@port@", "-w", "1", *options, **environment)


def gthread(app: str, **environment: str) -> Configure:
    """gunicorn with threads."""
    return gunicorn(app, "-k", "gthread", "--threads", "4", **environment)


def granian(app: str, interface: str) -> Configure:
    """granian, for ASGI or WSGI."""
    threads = ("--blocking-threads", "4") if interface == "wsgi" else ()
    return module(WEB, "granian", app, "--interface", interface, "--port", "@port@", *threads)


def hypercorn(app: str) -> Configure:
    """hypercorn as it comes."""
    return module(WEB, "hypercorn", app, "-b", "127.0.0.1:@port@")


def daphne(app: str) -> Configure:
    """daphne as it comes."""
    return module(WEB, "daphne", "-b", "127.0.0.1", "-p", "@port@", app)


def flask(app: str) -> Configure:
    """Werkzeug's server, as Flask starts it."""
    return module(WEB, "flask", "--app", app, "run", "--port", "@port@")


def waitress(app: str) -> Configure:
    """waitress as it comes."""
    return module(WEB, "waitress", "--listen", "127.0.0.1:@port@", app)


_LITELLM = """
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {model: openai/gpt-4o-mini, api_base: "@base@/v1", api_key: any}
litellm_settings: {num_retries: 0, telemetry: false}
"""


def litellm(site: Site) -> Sequence[str]:
    """The LiteLLM proxy for one model."""
    site.environment.update(
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        # It is reached from this machine only.
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
    )
    program = LITELLM.path()
    config = site.write("litellm.yaml", _LITELLM)
    serve = ("--config", config, "--host", "127.0.0.1", "--port", str(site.port), "--telemetry", "False")
    return (program.removesuffix("python") + "litellm", *serve)
