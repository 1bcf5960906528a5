"""/v1/conversations: list, read, name and delete; everybody only their own."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from flask import Response
from flask.views import MethodView, View

from lightspeed_stack import parse
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightspeed_stack.conversations import Conversation, Conversations, Turn
    from lightspeed_stack.forgetting import Forgetting
    from lightspeed_stack.memory import Memory
    from lightspeed_stack.views.door import Door

FEW = 5  # turns that are told in one piece, with its length
RECORDS = "Records of this conversation that have not left this host will be removed unsent."


class ConversationsView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, conversations: Conversations) -> None:
        self._door = door
        self._conversations = conversations

    def dispatch_request(self) -> Response:
        user = self._door.enter_for("list_conversations")
        return reply.as_json({"conversations": [_listed(one) for one in self._conversations.list(user.id)]})


class ConversationView(MethodView):
    init_every_request = False

    def __init__(
        self,
        door: Door,
        parser: parse.Parser,
        memory: Memory,
        conversations: Conversations,
        forgetting: Forgetting,
        redact: Callable[[str], str],
    ) -> None:
        self._door = door
        self._parser = parser
        self._memory = memory
        self._conversations = conversations
        self._forgetting = forgetting
        self._redact = redact

    def get(self, conversation_id: str) -> Response:
        user = self._door.enter_for("get_conversation")
        known = self._memory.own(user, parse.conversation_id(conversation_id), "read")
        turns = map(_told, self._memory.told(known))
        if known.message_count <= FEW:
            return reply.as_json({"conversation_id": known.id, "chat_history": list(turns)})
        first = list(islice(turns, 1))
        return reply.with_list({"conversation_id": known.id}, "chat_history", chain(first, turns))

    def put(self, conversation_id: str) -> Response:
        body = self._door.body()
        user = self._door.enter()
        topic_summary = self._parser.topic_summary(body)
        self._door.allow(user, "update_conversation")
        known = self._memory.own(user, parse.conversation_id(conversation_id), "update")
        self._conversations.rename(known.id, self._redact(topic_summary))
        message = "Topic summary updated successfully"
        return reply.as_json({"conversation_id": known.id, "success": True, "message": message})

    def delete(self, conversation_id: str) -> Response:
        user = self._door.enter_for("delete_conversation")
        wanted = parse.conversation_id(conversation_id)
        known = self._conversations.get(wanted)
        if known is not None:
            self._memory.own(user, wanted, "delete")
            self._forgetting.forget(wanted)
        return reply.as_json(_deleted(wanted, known is not None))


def _deleted(conversation_id: str, deleted: bool) -> Mapping[str, object]:
    return {
        "deleted": deleted,
        "conversation_id": conversation_id,
        "response": "Conversation deleted successfully" if deleted else "Conversation not found",
        "success": True,
        "records": RECORDS if deleted else None,
    }


def _listed(one: Conversation) -> dict[str, object]:
    return {
        "conversation_id": one.id,
        "created_at": _time(one.created_at),
        "last_message_at": _time(one.last_message_at),
        "message_count": one.message_count,
        "last_used_model": one.last_used_model,
        "last_used_provider": one.last_used_provider,
        "topic_summary": one.topic_summary,
    }


def _told(turn: Turn) -> dict[str, object]:
    return {
        "messages": [
            {"content": turn.question, "type": "user", "referenced_documents": None},
            {"content": turn.answer, "type": "assistant", "referenced_documents": None},
        ],
        "tool_calls": [],
        "tool_results": [],
        "provider": turn.provider,
        "model": turn.model,
        "started_at": _time(turn.started_at),
        "completed_at": _time(turn.completed_at),
    }


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
