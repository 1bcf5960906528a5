"""usage: load.py URL THREADS STOP_FILE [JSON]: request URL until the file exists, each time over a new connection.

Prints one line of JSON: how many were answered 200, how many failed and how, the longest in seconds.
"""

import collections
import http.client
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

url, threads, stop = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
body = sys.argv[4].encode() if len(sys.argv) > 4 else None
request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
counts: collections.Counter[str] = collections.Counter()
longest = [0.0]


def once() -> None:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
            counts[str(answer.status)] += 1
    except urllib.error.HTTPError as error:
        counts[str(error.code)] += 1
    except (OSError, http.client.HTTPException) as error:
        counts[type(getattr(error, "reason", error)).__name__] += 1
    longest[0] = max(longest[0], time.monotonic() - began)


def work() -> None:
    while not stop.exists():
        once()


workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(json.dumps({**counts, "longest": round(longest[0], 2)}))
