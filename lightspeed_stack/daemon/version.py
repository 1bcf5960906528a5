"""The one place that holds the version of both programs."""

VERSION = "0.1.0"
