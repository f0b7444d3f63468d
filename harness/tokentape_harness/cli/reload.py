"""Hot reload of `serve`: what becomes of a change is printed, and sent to the pages that watch."""

from __future__ import annotations

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli.messages import print_error
from tokentape_harness.served_files import Reload, Reloader, ServedFiles, State


def reloader(files: ServedFiles, server: FakeProviderServer) -> Reloader:
    """What keeps the server's sessions as the files describe them. Of several workers the first one prints."""

    def apply(state: State) -> None:
        server.sessions.set_up(state.settings, state.setups)

    def report(reload: Reload) -> None:
        server.publish("reload", reload)
        if server.worker not in (None, 0):
            return
        changed = ", ".join(reload.files)
        if reload.ok:
            print(f"tokentape: reloaded {changed}: {reload.message}", flush=True)
            return
        for line in reload.message.splitlines():
            print_error(line)
        print_error(f"{changed} changed, but can't be used: what was served before is still served")

    return Reloader(files, apply, report)
