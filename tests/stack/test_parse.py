"""Bodies in, values out; what is wrong with them is told in upstream's words, which stand here literally."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightspeed_stack import errors, parse

ID = "c5260aec-4d82-4370-9fdf-05cf908b3f16"
JSON = "application/json"
FEEDBACK = {"conversation_id": ID, "user_question": "q", "llm_response": "a", "sentiment": 1}
LOG = {"attachment_type": "log", "content_type": "text/plain", "content": "x"}


@pytest.fixture(scope="module")
def parser() -> parse.Parser:
    return parse.Parser(parse.specification())


def items(call: Any, *arguments: object) -> list[dict[str, Any]]:
    with pytest.raises(errors.Invalid) as raised:
        call(*arguments)
    return raised.value.items


def item(kind: str, loc: list[Any], msg: str, value: object, **ctx: object) -> dict[str, Any]:
    return {"type": kind, "loc": loc, "msg": msg, "input": value} | ({"ctx": ctx} if ctx else {})


def value_error(loc: list[Any], msg: str, value: object) -> dict[str, Any]:
    return item("value_error", loc, f"Value error, {msg}", value, error={})


class TestRead:
    def test_json_is_read(self) -> None:
        assert parse.read(b'{"query": "\xc5\x99 \\u0159"}', JSON) == {"query": "ř ř"}

    @pytest.mark.parametrize(
        "kind", [JSON, "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
    )
    def test_kinds_that_are_json(self, kind: str) -> None:
        assert parse.read(b"{}", kind) == {}

    @pytest.mark.parametrize("kind", ["text/plain", "text/json", "application/xml", "", None])
    def test_a_body_of_another_kind_stays_text(self, kind: str | None) -> None:
        assert parse.read(b'{"query": "\xff"}', kind) == '{"query": "\ufffd"}'

    def test_no_body(self) -> None:
        assert parse.read(b"", JSON) is parse.ABSENT
        assert parse.read(b"", None) is parse.ABSENT

    @pytest.mark.parametrize(
        ("raw", "position", "reason"),
        [
            (b"{", 1, "Expecting property name enclosed in double quotes"),
            (b'{"a": 1}x', 8, "Extra data"),
            (b"nope", 0, "Expecting value"),
            (b'{"a": "\xff"}', 7, "Invalid UTF-8"),
            (b'{"a": NaN}', 0, "NaN is not JSON"),
            (b'{"a": -Infinity}', 0, "-Infinity is not JSON"),
            (b'{"a": "\\ud800"}', 7, "Unpaired surrogate"),
            (b'{"a": "\xed\xa0\x80"}', 7, "Invalid UTF-8"),
            (b'{"a": -1e999}', 0, "a number is out of range"),
            (b"[" * 100_000, 0, "Too deeply nested"),
        ],
    )
    def test_malformed_json(self, raw: bytes, position: int, reason: str) -> None:
        expected = item("json_invalid", ["body", position], "JSON decode error", {}, error=reason)
        assert items(parse.read, raw, JSON) == [expected]

    def test_a_number_too_long_to_read(self) -> None:
        [found] = items(parse.read, b"1" * 5000, JSON)
        assert found["type"] == "json_invalid"

    def test_half_a_surrogate_pair_in_any_encoding(self) -> None:
        [found] = items(parse.read, '{"a": "\\ud800"}'.encode("utf-16-le"), JSON)
        assert found["ctx"] == {"error": "Unpaired surrogate"}

    def test_a_whole_surrogate_pair_is_a_character(self) -> None:
        assert parse.read(b'"\\ud83d\\ude00"', JSON) == "\N{GRINNING FACE}"


class TestBody:
    def test_missing(self, parser: parse.Parser) -> None:
        assert items(parser.query, parse.ABSENT) == [item("missing", ["body"], "Field required", None)]

    @pytest.mark.parametrize("body", [[], [1], "text", 1, None, True])
    def test_not_an_object(self, parser: parse.Parser, body: object) -> None:
        expected = item(
            "model_attributes_type",
            ["body"],
            "Input should be a valid dictionary or object to extract fields from",
            body,
        )
        assert items(parser.query, body) == [expected]

    def test_deeply_nested_values_are_judged_too(self, parser: parse.Parser) -> None:
        deep: dict[str, Any] = {}
        for _ in range(500):
            deep = {"x": deep}
        assert parser.query({"query": "a", "solr": deep}).query == "a"
        assert [found["loc"] for found in items(parser.query, {"query": "a", "deep": deep})] == [["body", "deep"]]


class TestQuery:
    def test_the_least(self, parser: parse.Parser) -> None:
        assert parser.query({"query": ""}) == parse.Query("", None, None, None, None, (), None, True)

    def test_everything(self, parser: parse.Parser) -> None:
        body = {
            "query": "q",
            "conversation_id": ID,
            "provider": "openai",
            "model": "gpt4mini",
            "system_prompt": "s",
            "attachments": [LOG],
            "no_tools": True,
            "generate_topic_summary": False,
            "media_type": "text/plain",
            "vector_store_ids": ["a"],
            "shield_ids": ["b"],
            "solr": {"mode": "semantic", "filters": {"fq": []}},
        }
        expected = parse.Query("q", ID, "openai", "gpt4mini", "s", (LOG,), "text/plain", False)
        assert parser.query(body) == expected

    @pytest.mark.parametrize(
        "name",
        [
            "conversation_id",
            "provider",
            "model",
            "system_prompt",
            "attachments",
            "no_tools",
            "generate_topic_summary",
            "media_type",
            "vector_store_ids",
            "shield_ids",
            "solr",
        ],
    )
    def test_null_is_as_good_as_absent(self, parser: parse.Parser, name: str) -> None:
        assert parser.query({"query": "q", name: None}) == parser.query({"query": "q"})

    @pytest.mark.parametrize("name", ["conversation_id", "provider", "model", "system_prompt", "media_type"])
    def test_empty_is_as_good_as_absent(self, parser: parse.Parser, name: str) -> None:
        assert parser.query({"query": "q", name: ""}) == parser.query({"query": "q"})

    def test_missing_query(self, parser: parse.Parser) -> None:
        assert items(parser.query, {}) == [item("missing", ["body", "query"], "Field required", {})]

    @pytest.mark.parametrize("value", [1, 1.5, True, None, [], {}])
    @pytest.mark.parametrize("name", ["query", "conversation_id", "provider", "model", "system_prompt", "media_type"])
    def test_strings(self, parser: parse.Parser, name: str, value: object) -> None:
        if value is None and name != "query":
            return
        body = {"query": "q", name: value}
        assert items(parser.query, body) == [
            item("string_type", ["body", name], "Input should be a valid string", value)
        ]

    @pytest.mark.parametrize("value", ["yes", "true", "1", 1, 0, 2, 0.5])
    @pytest.mark.parametrize("name", ["no_tools", "generate_topic_summary"])
    def test_booleans_are_not_coerced(self, parser: parse.Parser, name: str, value: object) -> None:
        message = "Input should be a valid boolean, unable to interpret input"
        assert items(parser.query, {"query": "q", name: value}) == [
            item("bool_parsing", ["body", name], message, value)
        ]

    @pytest.mark.parametrize("value", [[], {}])
    def test_what_can_be_no_boolean(self, parser: parse.Parser, value: object) -> None:
        expected = item("bool_type", ["body", "no_tools"], "Input should be a valid boolean", value)
        assert items(parser.query, {"query": "q", "no_tools": value}) == [expected]

    @pytest.mark.parametrize("name", ["attachments", "vector_store_ids", "shield_ids"])
    def test_lists(self, parser: parse.Parser, name: str) -> None:
        expected = item("list_type", ["body", name], "Input should be a valid list", "x")
        assert items(parser.query, {"query": "q", name: "x"}) == [expected]

    def test_lists_of_strings(self, parser: parse.Parser) -> None:
        expected = item("string_type", ["body", "shield_ids", 1], "Input should be a valid string", 2)
        assert items(parser.query, {"query": "q", "shield_ids": ["a", 2]}) == [expected]

    def test_an_object(self, parser: parse.Parser) -> None:
        expected = item("dict_type", ["body", "solr"], "Input should be a valid dictionary", "x")
        assert items(parser.query, {"query": "q", "solr": "x"}) == [expected]

    @pytest.mark.parametrize(
        "form",
        [
            ID,
            ID.upper(),
            ID.replace("-", ""),
            f"{{{ID}}}",
            f"urn:uuid:{ID}",
            f"uuid:{ID}",
        ],
    )
    def test_forms_of_a_uuid(self, parser: parse.Parser, form: str) -> None:
        assert parser.query({"query": "q", "conversation_id": form}).conversation_id == ID

    @pytest.mark.parametrize("form", ["ab" * 24, "conv_" + "AB" * 24])
    def test_the_form_of_upstreams_own_ids(self, parser: parse.Parser, form: str) -> None:
        assert parser.query({"query": "q", "conversation_id": form}).conversation_id == "ab" * 24

    @pytest.mark.parametrize("form", ["abc", ID[:-1], ID + "0", f"{ID}\n", " " + ID, "conv_" + ID, "g" * 32, "ab" * 25])
    def test_no_uuid(self, parser: parse.Parser, form: str) -> None:
        expected = value_error(["body", "conversation_id"], f"Improper conversation ID '{form}'", form)
        assert items(parser.query, {"query": "q", "conversation_id": form}) == [expected]

    @pytest.mark.parametrize("provider", [None, ""])
    def test_a_model_needs_a_provider(self, parser: parse.Parser, provider: str | None) -> None:
        body = {"query": "q", "model": "m", "provider": provider}
        assert items(parser.query, body) == [
            value_error(["body"], "Provider must be specified if model is specified", body)
        ]

    def test_a_provider_needs_a_model(self, parser: parse.Parser) -> None:
        body = {"query": "q", "provider": "p"}
        assert items(parser.query, body) == [
            value_error(["body"], "Model must be specified if provider is specified", body)
        ]

    def test_media_type(self, parser: parse.Parser) -> None:
        assert parser.query({"query": "q", "media_type": "application/json"}).media_type == "application/json"
        body = {"query": "q", "media_type": "text/html"}
        message = "media_type must be either 'application/json' or 'text/plain'"
        assert items(parser.query, body) == [value_error(["body"], message, body)]

    def test_unknown_fields(self, parser: parse.Parser) -> None:
        assert items(parser.query, {"query": "q", "foo": 1}) == [
            item("extra_forbidden", ["body", "foo"], "Extra inputs are not permitted", 1)
        ]

    def test_several_at_once_declared_fields_first_in_their_order(self, parser: parse.Parser) -> None:
        body = {"foo": 1, "no_tools": "x", "conversation_id": "abc", "bar": 2}
        assert [(found["type"], found["loc"][-1]) for found in items(parser.query, body)] == [
            ("missing", "query"),
            ("value_error", "conversation_id"),
            ("bool_parsing", "no_tools"),
            ("extra_forbidden", "foo"),
            ("extra_forbidden", "bar"),
        ]

    def test_rules_about_the_whole_wait_until_the_fields_are_right(self, parser: parse.Parser) -> None:
        assert [found["type"] for found in items(parser.query, {"query": 1, "model": "m"})] == ["string_type"]
        assert [found["type"] for found in items(parser.query, {"query": "q", "model": "m", "x": 1})] == [
            "extra_forbidden"
        ]


class TestAttachments:
    def parse(self, parser: parse.Parser, *attachments: object) -> Any:
        return parser.query({"query": "q", "attachments": list(attachments)})

    @pytest.mark.parametrize("name", ["attachment_type", "content_type", "content"])
    def test_every_field_is_required(self, parser: parse.Parser, name: str) -> None:
        attachment = {key: value for key, value in LOG.items() if key != name}
        expected = item("missing", ["body", "attachments", 0, name], "Field required", attachment)
        assert items(self.parse, parser, attachment) == [expected]

    @pytest.mark.parametrize("name", ["attachment_type", "content_type", "content"])
    def test_every_field_is_a_string(self, parser: parse.Parser, name: str) -> None:
        expected = item("string_type", ["body", "attachments", 1, name], "Input should be a valid string", None)
        assert items(self.parse, parser, LOG, LOG | {name: None}) == [expected]

    def test_unknown_fields(self, parser: parse.Parser) -> None:
        expected = item("extra_forbidden", ["body", "attachments", 0, "x"], "Extra inputs are not permitted", 1)
        assert items(self.parse, parser, LOG | {"x": 1}) == [expected]

    def test_not_an_object(self, parser: parse.Parser) -> None:
        message = "Input should be a valid dictionary or object to extract fields from"
        expected = item("model_attributes_type", ["body", "attachments", 0], message, "x")
        assert items(self.parse, parser, "x") == [expected]

    def test_their_values_are_judged_later(self, parser: parse.Parser) -> None:
        odd = {"attachment_type": "foo", "content_type": "image/gif", "content": "!"}
        assert self.parse(parser, odd).attachments == (odd,)


class TestFeedback:
    def test_everything(self, parser: parse.Parser) -> None:
        body = FEEDBACK | {"sentiment": -1, "user_feedback": "f", "categories": ["other", "unsafe", "other"]}
        assert parser.feedback(body) == parse.Feedback(ID, "q", "a", -1, "f", ("other", "unsafe"))

    def test_texts_may_be_empty(self, parser: parse.Parser) -> None:
        found = parser.feedback(FEEDBACK | {"user_question": "", "llm_response": "", "user_feedback": ""})
        assert (found.user_question, found.llm_response, found.user_feedback) == ("", "", "")

    def test_nothing(self, parser: parse.Parser) -> None:
        assert items(parser.feedback, {}) == [
            item("missing", ["body", name], "Field required", {})
            for name in ("conversation_id", "user_question", "llm_response")
        ]

    @pytest.mark.parametrize("name", ["conversation_id", "user_question", "llm_response", "user_feedback"])
    def test_strings(self, parser: parse.Parser, name: str) -> None:
        expected = item("string_type", ["body", name], "Input should be a valid string", 1)
        assert items(parser.feedback, FEEDBACK | {name: 1}) == [expected]

    @pytest.mark.parametrize("form", ["abc", ""])
    def test_no_uuid(self, parser: parse.Parser, form: str) -> None:
        expected = value_error(["body", "conversation_id"], f"Improper conversation ID {form}", form)
        assert items(parser.feedback, FEEDBACK | {"conversation_id": form}) == [expected]

    def test_forms_of_a_uuid(self, parser: parse.Parser) -> None:
        assert parser.feedback(FEEDBACK | {"conversation_id": ID.replace("-", "").upper()}).conversation_id == ID

    @pytest.mark.parametrize("value", [0, 2, -2, 1000])
    def test_improper_sentiment(self, parser: parse.Parser, value: int) -> None:
        message = f"Improper sentiment value of {value}, needs to be -1 or 1"
        assert items(parser.feedback, FEEDBACK | {"sentiment": value}) == [
            value_error(["body", "sentiment"], message, value)
        ]

    @pytest.mark.parametrize(
        ("value", "kind", "message"),
        [
            (1.5, "int_from_float", "Input should be a valid integer, got a number with a fractional part"),
            ("1", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
            ("x", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
            (True, "int_type", "Input should be a valid integer"),
            ([], "int_type", "Input should be a valid integer"),
        ],
    )
    def test_sentiment_that_is_no_integer(self, parser: parse.Parser, value: object, kind: str, message: str) -> None:
        assert items(parser.feedback, FEEDBACK | {"sentiment": value}) == [
            item(kind, ["body", "sentiment"], message, value)
        ]

    def test_a_whole_number_is_an_integer_however_it_is_written(self, parser: parse.Parser) -> None:
        assert json.dumps(parser.feedback(FEEDBACK | {"sentiment": -1.0}).sentiment) == "-1"

    def test_long_feedback(self, parser: parse.Parser) -> None:
        assert parser.feedback(FEEDBACK | {"user_feedback": "ř" * 4096}).user_feedback == "ř" * 4096
        message = "String should have at most 4096 characters"
        expected = item("string_too_long", ["body", "user_feedback"], message, "x" * 4097, max_length=4096)
        assert items(parser.feedback, FEEDBACK | {"user_feedback": "x" * 4097}) == [expected]

    @pytest.mark.parametrize(
        "category", ["incorrect", "not_relevant", "incomplete", "outdated_information", "unsafe", "other"]
    )
    def test_categories(self, parser: parse.Parser, category: str) -> None:
        assert parser.feedback(FEEDBACK | {"categories": [category]}).categories == (category,)

    def test_unknown_category(self, parser: parse.Parser) -> None:
        choice = "'incorrect', 'not_relevant', 'incomplete', 'outdated_information', 'unsafe' or 'other'"
        expected = item("enum", ["body", "categories", 1], f"Input should be {choice}", "helpful", expected=choice)
        assert items(parser.feedback, FEEDBACK | {"categories": ["other", "helpful"]}) == [expected]

    @pytest.mark.parametrize("value", ["other", {"other": 1}, 1])
    def test_categories_that_are_no_list(self, parser: parse.Parser, value: object) -> None:
        expected = item("list_type", ["body", "categories"], "Input should be a valid list", value)
        assert items(parser.feedback, FEEDBACK | {"categories": value}) == [expected]

    def test_no_categories(self, parser: parse.Parser) -> None:
        assert parser.feedback(FEEDBACK | {"categories": []}).categories is None

    @pytest.mark.parametrize(
        "opinion",
        [
            {},
            {"sentiment": None, "user_feedback": None, "categories": None},
            {"user_feedback": ""},
            {"categories": []},
        ],
    )
    def test_some_opinion_is_needed(self, parser: parse.Parser, opinion: dict[str, object]) -> None:
        body = {key: value for key, value in FEEDBACK.items() if key != "sentiment"} | opinion
        message = "At least one form of feedback must be provided: 'sentiment', 'user_feedback', or 'categories'"
        assert items(parser.feedback, body) == [value_error(["body"], message, body)]

    def test_unknown_fields(self, parser: parse.Parser) -> None:
        expected = item("extra_forbidden", ["body", "x"], "Extra inputs are not permitted", [])
        assert items(parser.feedback, FEEDBACK | {"x": []}) == [expected]


class TestSmallBodies:
    @pytest.mark.parametrize("wanted", [True, False])
    def test_status(self, parser: parse.Parser, wanted: bool) -> None:
        assert parser.feedback_status({"status": wanted}) is wanted

    def test_a_status_is_required(self, parser: parse.Parser) -> None:
        assert items(parser.feedback_status, {}) == [item("missing", ["body", "status"], "Field required", {})]

    def test_an_unknown_field_of_status(self, parser: parse.Parser) -> None:
        body = {"no_status": True}
        assert items(parser.feedback_status, body) == [
            item("missing", ["body", "status"], "Field required", body),
            item("extra_forbidden", ["body", "no_status"], "Extra inputs are not permitted", True),
        ]

    @pytest.mark.parametrize("value", ["yes", 1, None])
    def test_status_is_a_boolean(self, parser: parse.Parser, value: object) -> None:
        assert [found["loc"] for found in items(parser.feedback_status, {"status": value})] == [["body", "status"]]

    def test_interrupt(self, parser: parse.Parser) -> None:
        assert parser.interrupt({"request_id": ID.upper()}) == ID
        expected = value_error(["body", "request_id"], "Improper request ID abc", "abc")
        assert items(parser.interrupt, {"request_id": "abc"}) == [expected]

    def test_topic_summary(self, parser: parse.Parser) -> None:
        assert parser.topic_summary({"topic_summary": "t"}) == "t"
        message = "String should have at least 1 character"
        expected = item("string_too_short", ["body", "topic_summary"], message, "", min_length=1)
        assert items(parser.topic_summary, {"topic_summary": ""}) == [expected]

    def test_data_collection(self, parser: parse.Parser) -> None:
        assert parser.data_collection({"enabled": False}) is False
        assert items(parser.data_collection, {}) == [item("missing", ["body", "enabled"], "Field required", {})]


class TestPathId:
    def test_forms(self) -> None:
        assert parse.conversation_id(ID.upper()) == ID
        assert parse.conversation_id("conv_" + "ab" * 24) == "ab" * 24

    def test_improper(self) -> None:
        with pytest.raises(errors.BadRequest) as raised:
            parse.conversation_id("abc")
        assert raised.value.status == 400
        assert raised.value.body() == {
            "detail": {
                "response": "Invalid conversation ID format",
                "cause": "The conversation ID abc has invalid format.",
            }
        }
