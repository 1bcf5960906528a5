"""What reaches the ingress, made as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping

from lightspeed_collector import credentials
from lightspeed_collector.config import Config
from lightspeed_collector.courier import Courier
from lightspeed_collector.exchange import Exchange, Tls
from lightspeed_collector.report import Report
from lightspeed_collector.stop import Stop
from lightspeed_stack.daemon.credentials import locate
from lightspeed_stack.daemon.version import VERSION


def exchange(config: Config, stop: Stop, environ: Mapping[str, str]) -> Exchange:
    settings = config.data_collector
    mine = [path and locate(path, environ) for path in (settings.client_cert, settings.client_key)]
    tls = Tls(settings.ca_bundle, *mine)
    return Exchange(tls, settings.connection_timeout_seconds, settings.upload_deadline_seconds, stop)


def courier(config: Config, exchange: Exchange, stop: Stop, report: Report, environ: Mapping[str, str]) -> Courier:
    settings = config.data_collector
    return Courier(
        url=settings.ingress_server_url or "",
        service=settings.ingress_content_service_name,
        user_agent=settings.user_agent or f"lightspeed-collector/{VERSION}",
        first_wait=settings.retry_wait_seconds,
        exchange=exchange,
        credentials=credentials.create(
            settings.ingress_server_auth_token,
            settings.ingress_server_auth_token_file,
            settings.oauth2,
            exchange,
            environ,
        ),
        stop=stop,
        report=report,
    )
