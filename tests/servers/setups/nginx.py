"""nginx in front of a provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.servers.programs import Debian
from tests.servers.site import Site

NGINX = Debian("nginx", "nginx-light")

_CONFIG = """
daemon off;
worker_processes 1;
pid @folder@/pid;
error_log stderr warn;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path @folder@/body;
    proxy_temp_path @folder@/proxy;
    fastcgi_temp_path @folder@/fastcgi;
    uwsgi_temp_path @folder@/uwsgi;
    scgi_temp_path @folder@/scgi;
    server {
        listen 127.0.0.1:@port@;
        location / {
            proxy_pass http://@upstream@;
            OPTIONS
        }
    }
}
"""


def nginx(*options: str) -> Callable[[Site], Sequence[str]]:
    """nginx as a reverse proxy with these directives."""

    def configure(site: Site) -> Sequence[str]:
        directives = " ".join(f"{option};" for option in options)
        config = site.write("nginx.conf", _CONFIG.replace("OPTIONS", directives))
        return (NGINX.path(), "-p", str(site.folder), "-c", config, "-e", "stderr")

    return configure
