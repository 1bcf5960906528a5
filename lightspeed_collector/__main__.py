"""`python -m lightspeed_collector`, and the console script."""

import sys

from lightspeed_collector import cli


def run() -> None:
    sys.exit(cli.main(sys.argv[1:]))


if __name__ == "__main__":
    run()
