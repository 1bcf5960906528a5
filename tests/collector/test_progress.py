import io
import os
import pty
import subprocess

from lightspeed_collector.progress import Progress, terminal
from lightspeed_stack.daemon.notify import Notifier
from tests.fakes.site import Site


def test_bar_fills_and_goes() -> None:
    shown = io.StringIO()
    progress = Progress(Notifier({}), shown)
    progress.begin(4)
    progress.sent(1)
    progress.sent(4)
    progress.end()
    assert "1/4 records" in shown.getvalue()
    assert "[" + "#" * 30 + "] 4/4 records" in shown.getvalue()
    assert shown.getvalue().endswith("\r\x1b[K")


def test_nothing_to_send_is_a_full_bar() -> None:
    shown = io.StringIO()
    progress = Progress(Notifier({}), shown)
    progress.begin(0)
    progress.sent(0)
    assert "0/0" in shown.getvalue()


def test_no_bar_where_nobody_looks() -> None:
    assert terminal(io.StringIO()) is None
    progress = Progress(Notifier({}), None)
    progress.begin(1)
    progress.sent(1)
    progress.uploaded(10)
    progress.end()


def test_bar_on_a_terminal(site: Site) -> None:
    site.put(3)
    main, other = pty.openpty()
    done = subprocess.run(site.command("run"), stdout=subprocess.DEVNULL, stderr=other, check=True, cwd=site.folder)
    os.close(other)
    shown = os.read(main, 65536).decode()
    os.close(main)
    assert done.returncode == 0
    assert "3/3 records" in shown
    assert "sent 3 records" in shown
