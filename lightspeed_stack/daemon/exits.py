"""Exit statuses (BSD sysexits.h), the interface to systemd and scripts."""

OK = 0
USAGE = 64
DATAERR = 65
UNAVAILABLE = 69
CANTCREAT = 73
IOERR = 74
TEMPFAIL = 75
NOPERM = 77
CONFIG = 78
