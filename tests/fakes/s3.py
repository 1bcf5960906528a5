"""An S3 server (moto's) on loopback; moto and boto3 take long to load, so only those who start one do."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any, Self

REGION = "us-east-1"


class S3:
    def __enter__(self) -> Self:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.environ = {
            "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._numbers = itertools.count()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.environ["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name=REGION,
        )

    def new_place(self) -> str:
        """The address of a new bucket with a prefix."""
        bucket = f"bucket-{next(self._numbers)}"
        self.client().create_bucket(Bucket=bucket)
        return f"s3://{bucket}/in/coming"
