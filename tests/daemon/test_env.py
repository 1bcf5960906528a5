import pytest

from lightspeed_stack.daemon import env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${env.SET}", "value"),
        ("a-${env.SET}-b", "a-value-b"),
        ("${env.UNSET:=other}", "other"),
        ("${env.EMPTY:=other}", "other"),
        ("${env.SET:=other}", "value"),
        ("${env.SET:+given}", "given"),
        ("${env.UNSET:+given}", ""),
        ("${env.SET}${env.UNSET:=!}", "value!"),
        ("${env.lower}", "${env.lower}"),
    ],
)
def test_replaces_references(text: str, expected: str) -> None:
    assert env.substitute(text, {"SET": "value", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["${env.UNSET}", "${env.EMPTY}"])
def test_names_the_variable_that_is_missing(text: str) -> None:
    with pytest.raises(env.Unset, match=text[6:-1]):
        env.substitute(text, {"EMPTY": ""})


def test_marks_only_what_was_substituted() -> None:
    assert isinstance(env.substitute("${env.A}", {"A": "1"}), env.EnvText)
    assert not isinstance(env.substitute("1", {}), env.EnvText)
