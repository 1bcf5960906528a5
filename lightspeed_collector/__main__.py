"""`python -m lightspeed_collector`, and the console script."""

import gc
import sys

_GARBAGE_THRESHOLD = 50_000


def run() -> None:
    gc.set_threshold(_GARBAGE_THRESHOLD)  # what is imported is no garbage, and a run makes few cycles
    from lightspeed_collector import cli

    status = cli.main(sys.argv[1:])
    gc.freeze()  # nor is it worth a search at the end
    sys.exit(status)


if __name__ == "__main__":
    run()
