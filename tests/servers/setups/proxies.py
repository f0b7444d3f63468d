"""HAProxy, lighttpd, Varnish, Apache, Squid, Caddy and Envoy in front of a provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.programs import Debian, Python
from tests.servers.site import Site

HAPROXY = Debian("haproxy", "haproxy")
LIGHTTPD = Debian("lighttpd", "lighttpd")
VARNISH = Debian("varnishd", "varnish")
APACHE = Debian("apache2", "apache2-bin")
SQUID = Debian("squid", "squid")
CADDY = Python("proxies", "caddy")
ENVOY = Python("proxies", "envoy")

Configure = Callable[[Site], Sequence[str]]

_HAPROXY = """
global
    maxconn 64
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    OPTIONS
frontend front
    bind 127.0.0.1:@port@
    default_backend back
backend back
    server provider @upstream@
"""


def haproxy(*options: str) -> Configure:
    """HAProxy with these options in its defaults."""

    def configure(site: Site) -> Sequence[str]:
        config = site.write("haproxy.cfg", _HAPROXY.replace("OPTIONS", "\n    ".join(options)))
        return (HAPROXY.path(), "-db", "-f", config)

    return configure


_LIGHTTPD = """
server.modules = ("mod_proxy")
server.document-root = "@folder@"
server.bind = "127.0.0.1"
server.port = @port@
server.upload-dirs = ("@folder@")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => PROVIDER)))
OPTIONS
"""


def lighttpd(*options: str) -> Configure:
    """lighttpd with these settings."""

    def configure(site: Site) -> Sequence[str]:
        provider = site.upstream_address.rpartition(":")[2]
        text = _LIGHTTPD.replace("PROVIDER", provider).replace("OPTIONS", "\n".join(options))
        return (LIGHTTPD.path(), "-D", "-f", site.write("lighttpd.conf", text))

    return configure


_VCL = """
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "PROVIDER"; }
sub vcl_backend_response { set beresp.uncacheable = true; OPTIONS return (deliver); }
"""


def varnish(*options: str) -> Configure:
    """Varnish with these statements about what the backend answers."""

    def configure(site: Site) -> Sequence[str]:
        provider = site.upstream_address.rpartition(":")[2]
        vcl = site.write("default.vcl", _VCL.replace("PROVIDER", provider).replace("OPTIONS", " ".join(options)))
        storage = ("-s", "malloc,16m", "-n", str(site.folder / "varnish"))
        return (VARNISH.path(), "-F", "-j", "none", "-a", f"127.0.0.1:{site.port}", "-f", vcl, *storage)

    return configure


_APACHE = """
ServerName localhost
ServerRoot @folder@
PidFile @folder@/pid
Listen 127.0.0.1:@port@
ErrorLog @folder@/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
DefaultRuntimeDir @folder@
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
ProxyPass / http://@upstream@/
"""


def apache(site: Site) -> Sequence[str]:
    """Apache's mod_proxy as it comes."""
    return (APACHE.path(), "-DFOREGROUND", "-f", site.write("apache.conf", _APACHE))


_SQUID = """
http_port 127.0.0.1:@port@ accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent PROVIDER 0 no-query originserver
http_access allow all
cache deny all
access_log none
cache_log @folder@/cache.log
cache_store_log none
coredump_dir @folder@
pid_filename @folder@/pid
pinger_enable off
logfile_daemon none
shutdown_lifetime 0 seconds
"""


def squid(site: Site) -> Sequence[str]:
    """Squid as a reverse proxy that caches nothing."""
    provider = site.upstream_address.rpartition(":")[2]
    config = site.write("squid.conf", _SQUID.replace("PROVIDER", provider))
    return (SQUID.path(), "--foreground", "-n", f"tokentape{site.port}", "-f", config)


_CADDY = """
{
    admin off
    auto_https off
    persist_config off
    storage file_system @folder@
}
http://127.0.0.1:@port@ {
    reverse_proxy @upstream@ {
        OPTIONS
    }
}
"""


def caddy(*options: str) -> Configure:
    """Caddy's reverse proxy with these subdirectives."""

    def configure(site: Site) -> Sequence[str]:
        config = site.write("Caddyfile", _CADDY.replace("OPTIONS", "\n        ".join(options)))
        return (CADDY.path(), "run", "--config", config, "--adapter", "caddyfile")

    return configure


_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
_CONNECTIONS = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def envoy(*filters: dict[str, Any]) -> Configure:
    """Envoy with these HTTP filters before its router."""

    def configure(site: Site) -> Sequence[str]:
        host, _, port = site.upstream_address.rpartition(":")
        route = {"match": {"prefix": "/"}, "route": {"cluster": "provider"}}
        connections = {
            "@type": _CONNECTIONS,
            "stat_prefix": "front",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [*filters, _ROUTER],
        }
        listener = {
            "address": _address("127.0.0.1", site.port),
            "filter_chains": [
                {"filters": [{"name": "envoy.http_connection_manager", "typed_config": connections}]},
            ],
        }
        endpoint = {"endpoint": {"address": _address(host, int(port))}}
        cluster = {
            "name": "provider",
            "connect_timeout": "5s",
            "type": "STATIC",
            "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        config = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
        written = site.write("envoy.json", json.dumps(config))
        return (ENVOY.path(), "-c", written, "--concurrency", "1", "--disable-hot-restart", "-l", "warn")

    return configure


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


READS_THE_BODY = {
    "name": "envoy.filters.http.lua",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {
            "inline_string": "function envoy_on_response(handle) handle:logInfo(tostring(handle:body():length())) end"
        },
    },
}
"""A filter of Envoy's that looks at the whole answer."""
