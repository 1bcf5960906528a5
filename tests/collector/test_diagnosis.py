"""What can't be provoked over a connection of Python's own; the rest is in test_wire.py."""

import ssl

import pytest
import requests

from lightspeed_collector.diagnosis import Way, diagnose, place

HIDDEN = "an address that isn't shown (escape the / ? # of its password, or the @ of its path, with %)"
WAY = Way("https://ingress.example.com/upload?key=h1dden", "ingress_server_url", "http://me:s3cr3t@[::1]:3128")


def tls(reason: str) -> requests.exceptions.SSLError:
    error = ssl.SSLError(1, "text")
    error.reason = reason
    return requests.exceptions.SSLError(error)


@pytest.mark.parametrize(
    ("reason", "connected", "lasting", "text"),
    [
        ("TLSV1_UNRECOGNIZED_NAME", False, True, "TLS: unrecognized name (see ingress_server_url)"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False, True, "TLS: protocol version (see ingress_server_url)"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", True, True, "see client_cert"),
        ("WRONG_VERSION_NUMBER", False, True, "no TLS is spoken there"),
        ("WRONG_VERSION_NUMBER", True, False, "TLS: wrong version number"),
        ("TLSV1_ALERT_INTERNAL_ERROR", False, False, "TLS: internal error"),
        ("UNEXPECTED_EOF_WHILE_READING", False, False, "TLS: unexpected eof"),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", True, False, "TLS: decryption failed"),
    ],
)
def test_only_what_waiting_does_not_heal_is_lasting(reason: str, connected: bool, lasting: bool, text: str) -> None:
    found = diagnose(tls(reason), WAY, 30, connected=connected)
    assert found.lasting is lasting
    assert found.text.startswith("ingress.example.com:443 through the proxy [::1]:3128: ")
    assert text in found.text


def test_trouble_with_the_proxy_itself_blames_the_proxy() -> None:
    found = diagnose(requests.exceptions.ProxyError(tls("WRONG_VERSION_NUMBER")), WAY, 30, connected=False)
    assert found == ("the proxy [::1]:3128: no TLS is spoken there, http perhaps: see HTTPS_PROXY", True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cr3t@host/path?query", "host:443"),
        ("http://host", "host:80"),
        ("proxy:3128", "proxy:3128"),
        ("http://host:port", "an address that is none"),
        ("http://me:s3/cr3t@host:3128", HIDDEN),
        ("http://me:12/cr3t@host:3128", HIDDEN),
        ("http://t0k3n?x@host:3128", HIDDEN),
        ("t0k3n#x@host:3128", HIDDEN),
        ("https://host/path?key=s3@cr3t", HIDDEN),
        ("http://me:s3@cr3t@host:3128", "host:3128"),
        ("http://me:s3\\cr3t@host:3128", "host:3128"),
    ],
)
def test_place_is_host_and_port_alone(url: str, shown: str) -> None:
    assert place(url) == shown
