"""A payload's way in, told in order: who sends it, what is it, is it whole, keep it, answer.

The answers and the order of the checks are the upload contract's; a repeat is answered like the first time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from flask import Request, Response, jsonify

from lightspeed_collector.ingress import contract, identity, notice
from lightspeed_collector.ingress.bearer import Bearer
from lightspeed_collector.ingress.contract import Claim, Kind, Rules
from lightspeed_collector.ingress.depot import Depot, Kept
from lightspeed_collector.ingress.draft import Draft
from lightspeed_collector.ingress.form import Broken, Form
from lightspeed_collector.ingress.identity import Identity
from lightspeed_collector.ingress.notice import Arrival
from lightspeed_collector.ingress.payload import Malformed

log = logging.getLogger(__name__)

_PROBE = 1 << 12


class Refused(Exception):
    """The upload is not taken; status, text and headers of the answer."""

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {text}".strip())
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class Uploads:
    def __init__(self, rules: Rules, bearer: Bearer, depot: Depot) -> None:
        self._rules = rules
        self._bearer = bearer
        self._depot = depot

    def take(self, request: Request, request_id: str) -> Response:
        """Raises `Refused`, `CredentialError`, `StoreError` and OSError; nothing is kept then."""
        self._admit(request)
        sender = self.identify(request)
        if _is_connection_test(request):
            return _answer(200, request_id, sender)
        with ExitStack() as drafts:
            form = self._receive(request, drafts)
            kind, draft = self._judge(form)
            arrival = _verify(form, kind, draft, sender, request_id)
            told = notice.notification(arrival, datetime.now(UTC))
            kept = self._depot.keep(arrival.batch_id, draft, told, notice.labels(arrival))
        _log(kept, arrival)
        status = 201 if kind.service == "advisor" and arrival.metadata is None else 202
        return _answer(status, request_id, sender, kept)

    def identify(self, request: Request) -> Identity:
        try:
            return identity.read(request.headers.get(identity.HEADER), required=self._rules.require_identity)
        except identity.IdentityError as error:
            raise Refused(400, f"{error}\n", {"X-Content-Type-Options": "nosniff"}) from None

    def _admit(self, request: Request) -> None:
        if not self._bearer.admits(request.headers.get("Authorization")):
            raise Refused(401, "Could not authenticate\n", {"WWW-Authenticate": "Bearer"})

    def _receive(self, request: Request, drafts: ExitStack) -> Form:
        """The form whose payload, if it is wanted, is in a draft that lives as long as `drafts`."""
        form = Form(lambda content_type: self._open_draft(content_type, drafts))
        boundary = request.mimetype_params.get("boundary")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise Refused(400, contract.NO_FILE)
        try:
            form.read(request.stream, boundary.encode("latin-1", "replace"))
        except Broken:
            raise Refused(400, contract.NO_FILE) from None
        if form.content_type is None:
            raise Refused(400, contract.NO_FILE)
        if form.metadata is None:
            form.metadata = request.args.get("metadata", "").encode()
        return form

    def _open_draft(self, content_type: str, drafts: ExitStack) -> Draft | None:
        """None for a payload that will be refused: it never reaches the disk."""
        if self._rules.kind(content_type) is None:
            return None
        return drafts.enter_context(self._depot.draft(self._rules.max_size))

    def _judge(self, form: Form) -> tuple[Kind, Draft]:
        kind, draft = self._rules.kind(form.content_type or ""), form.draft
        if kind is None or draft is None:
            raise Refused(415)
        too_large = self._rules.size_fault(draft.size)
        if too_large:
            raise Refused(413, too_large)
        return kind, draft


def _is_connection_test(request: Request) -> bool:
    if request.args.get("test") == "test":
        return True
    if request.content_type != "application/json" and request.mimetype != "application/x-www-form-urlencoded":
        return False
    return contract.is_body_test(request.mimetype, request.stream.read(_PROBE))


def _verify(form: Form, kind: Kind, draft: Draft, sender: Identity, request_id: str) -> Arrival:
    """An archive that says it is the collector's must be just that; anybody else's is taken as it is."""
    metadata = contract.metadata(form.metadata)
    claim = contract.claim(metadata)
    records = _records(claim, draft) if claim else None
    return Arrival(
        request_id, sender, form.content_type or "", kind, metadata, claim, draft.size, draft.sha256, records
    )


def _records(claim: Claim, draft: Draft) -> int:
    try:
        records = draft.records()
    except Malformed as fault:
        raise Refused(400, f"Bad Request: the archive is not what its metadata says: {fault}\n") from None
    mismatch = claim.fault(draft.sha256, records)
    if mismatch:
        raise Refused(400, f"Bad Request: the archive is not what its metadata says: {mismatch}\n")
    return records


def _answer(status: int, request_id: str, sender: Identity, kept: Kept | None = None) -> Response:
    body: dict[str, object] = {"request_id": request_id, "upload": sender.as_upload()}
    if kept and kept.is_conflict:
        body["warning"] = f"other bytes came under this batch id before; these are kept beside them as {kept.name}"
    answer = jsonify(body)
    answer.status_code = status
    return answer


def _log(kept: Kept, arrival: Arrival) -> None:
    level = logging.WARNING if kept.is_conflict else logging.INFO
    story = "again" if kept.is_repeat else "beside other bytes of the same batch" if kept.is_conflict else "new"
    log.log(
        level,
        "took %s (%s), %d bytes, service %s, request %s",
        kept.name,
        story,
        arrival.size,
        arrival.kind.service,
        arrival.request_id,
        extra={"fields": {"LIGHTSPEED_BATCH_ID": arrival.batch_id, "LIGHTSPEED_REQUEST_ID": arrival.request_id}},
    )
