from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.access import RoleRule
from lightspeed_stack.auth.roles import Rules
from lightspeed_stack.daemon.config import ConfigError

CLAIMS = {
    "org_id": "acme",
    "level": 3,
    "groups": ["dev", "ops"],
    "realm": {"roles": ["reader", "writer"], "x y": {"deep": [{"id": 1}, {"id": 2}]}},
    "https://example.com/team": "blue",
    "nothing": None,
}


def holds(path: str, operator: str, value: object, negate: bool = False) -> bool:
    return Rules([RoleRule(path, operator, value, negate, ("r",))]).roles(CLAIMS) == {"r"}


@pytest.mark.parametrize(
    ("path", "operator", "value"),
    [
        ("$.org_id", "equals", "acme"),
        ("$.org_id", "equals", ["acme"]),
        ("org_id", "equals", "acme"),
        ("$.level", "equals", 3),
        ("$.nothing", "equals", None),
        ("$.groups", "equals", ["dev", "ops"]),
        ("$.groups", "equals", [["dev", "ops"]]),
        ("$.groups[1]", "equals", "ops"),
        ("$['https://example.com/team']", "equals", "blue"),
        ('$.realm["x y"].deep[*].id', "equals", [1, 2]),
        ("$.realm['x y'].deep[1].id", "equals", 2),
        ("$.groups", "contains", "dev"),
        ("$.groups[*]", "contains", "dev"),
        ("$.realm.*", "contains", ["reader", "writer"]),
        ("$.org_id", "in", ["acme", "other"]),
        ("$.org_id", "in", [["acme"], ["other"]]),
        ("$.org_id", "match", "^ac"),
        ("$.groups[*]", "match", "o.s"),
        ("$", "contains", CLAIMS),
    ],
)
def test_a_rule_that_holds(path: str, operator: str, value: object) -> None:
    assert holds(path, operator, value)
    assert not holds(path, operator, value, negate=True)


@pytest.mark.parametrize(
    ("path", "operator", "value"),
    [
        ("$.org_id", "equals", "acm"),
        ("$.missing", "equals", "acme"),
        ("$.missing.deeper[0]", "equals", None),
        ("$.groups[7]", "equals", "ops"),
        ("$.org_id[0]", "equals", "a"),
        ("$.org_id.x", "equals", "a"),
        ("$.org_id", "contains", "ac"),
        ("$.groups", "contains", "de"),
        ("$.level", "in", [4, 5]),
        ("$.level", "match", "3"),
        ("$.groups", "match", "dev"),
        ("$.org_id", "match", "^cme"),
    ],
)
def test_a_rule_that_does_not_hold(path: str, operator: str, value: object) -> None:
    assert not holds(path, operator, value)
    assert holds(path, operator, value, negate=True)


def test_roles_add_up() -> None:
    rules = Rules(
        [
            RoleRule("$.org_id", "equals", "acme", False, ("a", "b")),
            RoleRule("$.level", "equals", 3, False, ("b", "c")),
            RoleRule("$.level", "equals", 4, False, ("d",)),
        ]
    )
    assert rules.roles(CLAIMS) == {"a", "b", "c"}
    assert Rules([]).roles(CLAIMS) == frozenset()


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (("$..roles", "equals", "x"), "jsonpath"),
        (("$.a[", "equals", "x"), "jsonpath"),
        (("$.a[?(@.x)]", "equals", "x"), "jsonpath"),
        (("a b", "equals", "x"), "jsonpath"),
        (("$.a", "match", "(?=x)"), "value"),
        (("$.a", "in", "abc"), "value"),
    ],
)
def test_a_rule_that_makes_no_sense_is_named(rule: tuple[str, str, object], key: str) -> None:
    good = RoleRule("$.a", "equals", "x", False, ("r",))
    with pytest.raises(ConfigError) as caught:
        Rules([good, RoleRule(*rule, False, ("r",))])
    [fault] = caught.value.faults
    assert fault.key == f"authentication.jwk_config.jwt_configuration.role_rules[1].{key}"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from("abc"), JSON, max_size=3),
    st.sampled_from(["$.a", "$.a.b[*]", "$.*.a", "$.b[0].c", "$[*]"]),
    st.sampled_from(["equals", "contains", "in", "match"]),
)
def test_any_claims_are_judged(claims: dict[str, object], path: str, operator: str) -> None:
    rule = RoleRule(path, operator, ["x"] if operator == "in" else "x", False, ("r",))
    assert Rules([rule]).roles(claims) in (frozenset(), {"r"})
