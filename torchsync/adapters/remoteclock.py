"""The clock of a web server, by the Date of an answer of it (RFC 9110, 6.6.1)."""

from __future__ import annotations

import http.client
import ssl
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit


def drift_from(url: str, ca_file: str = "", patience: float = 10.0) -> float | None:
    """By how many seconds this host is ahead of the server of an https URL; None when it does not say. Nothing of ours is sent but the question.

    Raises OSError when it cannot be reached, ssl.SSLError among others.
    """
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=ca_file or None)
    with closing(http.client.HTTPSConnection(parts.hostname or "", parts.port or 443, timeout=patience, context=context)) as connection:
        before = time.time()
        try:
            connection.request("HEAD", "/")
            said = connection.getresponse().headers.get("Date", "")
        except http.client.HTTPException:
            return None
        now = (before + time.time()) / 2
    try:
        return now - 0.5 - parsedate_to_datetime(said).timestamp()
    except ValueError:
        return None
