from __future__ import annotations

import io
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import redact, sensitive
from lightspeed_stack.config import Filter, Redaction
from lightspeed_stack.daemon.config import ConfigError

ALL = tuple(sensitive.BUILTIN)
PROSE = (
    "How do I restart the postgresql service on my Fedora 41 server when it fails with error 137 at boot and "
    "the journal says that the port is already in use by something else? I tried systemctl restart already."
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def builtin(*names: str) -> redact.Redactor:
    return redact.from_config(Redaction(names or ALL, ()))


def own(*filters: tuple[str, str, str], names: tuple[str, ...] = ()) -> redact.Redactor:
    return redact.from_config(Redaction(names, tuple(Filter(*each) for each in filters)))


EVERYTHING = builtin()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("email", "ask bob.smith+x@mail.example.co.uk now", "ask [EMAIL] now"),
        ("email", "Přítel <přítel@žluť.cz>,", "Přítel <[EMAIL]>,"),
        ("email", "root@localhost and @app.route", "root@localhost and @app.route"),
        ("ipv4", "from 10.0.0.1:8080 to 192.168.255.3/24", "from [IPV4]:8080 to [IPV4]/24"),
        ("ipv4", "version 1.2.3 and 256.1.1.1 and 1.2.3.4567", "version 1.2.3 and 256.1.1.1 and 1.2.3.4567"),
        ("ipv6", "fe80::1%eth0 and [2001:db8::8a2e:370:7334]:443", "[IPV6]%eth0 and [[IPV6]]:443"),
        ("ipv6", "inet6 addr:fe80::5054:ff:fe12:3456/64", "inet6 addr:[IPV6]/64"),
        ("ipv6", "::1, ::ffff:10.0.0.1.", "[IPV6], [IPV6]."),
        ("ipv6", "at 12:30:45 std::cout a::b 52:54:00:12:34:56 ::", "at 12:30:45 std::cout a::b 52:54:00:12:34:56 ::"),
        ("bearer_token", "Authorization: Bearer abc123.def-456", "Authorization: [BEARER_TOKEN]"),
        ("bearer_token", "BEARER: abcdefgh1", "[BEARER_TOKEN]"),
        ("bearer_token", "bearer authentication and bearer short1", "bearer authentication and bearer short1"),
        ("api_key", "sk-" + "a1" * 24, "[API_KEY]"),
        ("api_key", "sk-proj-" + "aB_-1" * 8, "[API_KEY]"),
        ("api_key", "sk-ant-api03-" + "aB1-" * 20, "[API_KEY]"),
        ("api_key", "AKIAIOSFODNN7EXAMPLE.", "[API_KEY]."),
        ("api_key", 'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', 'aws_[API_KEY]"'),
        ("api_key", "AIza" + "a" * 35, "[API_KEY]"),
        ("api_key", "ghp_" + "A1" * 18, "[API_KEY]"),
        ("api_key", "github_pat_" + "A1_" * 20, "[API_KEY]"),
        ("api_key", "glpat-" + "aB-1" * 5, "[API_KEY]"),
        ("api_key", "xoxb-123456789012-abcdefABCDEF", "[API_KEY]"),
        ("api_key", "sk_live_" + "a1" * 12, "[API_KEY]"),
        ("api_key", "hf_" + "aB" * 17, "[API_KEY]"),
        ("api_key", "AccountName=x;AccountKey=" + "a/+1" * 21 + "aa==;", "AccountName=x;[API_KEY];"),
        ("api_key", "abc8Q~" + "a" * 34, "[API_KEY]"),
        ("api_key", "oc login --token=sha256~" + "aB_1" * 11, "oc login --token=[API_KEY]"),
        ("api_key", '{"api_key": "abcdefgh12345678"}', '{"[API_KEY]"}'),
        ("api_key", "lsk_" + "aB-_" * 11, "[API_KEY]"),
        (
            "api_key",
            "the api key is missing, desk-organizer-for-cables",
            "the api key is missing, desk-organizer-for-cables",
        ),
        ("private_key", "x -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- y", "x [PRIVATE_KEY] y"),
        ("private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", "[PRIVATE_KEY]"),
        ("private_key", "-----BEGIN CERTIFICATE-----\nMII", "-----BEGIN CERTIFICATE-----\nMII"),
        ("jwt", f"token={JWT};", "token=[JWT];"),
        ("url_password", "postgres://user:p@ss:w@db.example.com/x", "postgres://[URL_PASSWORD]@db.example.com/x"),
        ("url_password", "https://:secret@host", "https://[URL_PASSWORD]@host"),
        ("url_password", "http://host:8080/a@b https://git@host/x", "http://host:8080/a@b https://git@host/x"),
        ("password", "password=hunter2supersecret", "password=[PASSWORD]"),
        ("password", "POSTGRES_PASSWORD = correct-horse; DB=x", "POSTGRES_PASSWORD = [PASSWORD]; DB=x"),
        ("password", "https://h/?user=u&passwd=a%20b&x=1", "https://h/?user=u&passwd=[PASSWORD]&x=1"),
        ("password", '{"password": "two words", "n": 1}', '{"password": "[PASSWORD]", "n": 1}'),
        ("password", "password: secretly\n", "password: [PASSWORD]\n"),
        ("password", "my password: P@ssw0rd and it fails", "my password: [PASSWORD] and it fails"),
        ("password", "Server=x;Pwd=abc;Database=y", "Server=x;Pwd=[PASSWORD];Database=y"),
        (
            "password",
            "mysql --password=x1y2 (passphrase: 'a b')",
            "mysql --password=[PASSWORD] (passphrase: '[PASSWORD]')",
        ),
        *(
            ("password", text, text)
            for text in (
                "I forgot my password: how do I reset it?",
                "forgot password: can't log in",
                "su: incorrect password",
                "Enter password:\nthen press Enter",
                "grep bob /etc/passwd: Permission denied; /etc/passwd:bob:x:1000:1000::/home/bob:/bin/sh",
                "passwd: Authentication token manipulation error",
                "PWD=/home/bob OLDPWD=/root",
                "password=$DB_PASSWORD password=${env.PW} password=<your password> password={{ pw }} password=%s",
                "password = getpass.getpass() if password == None else os.environ['PASSWORD']",
                "def f(user: str, password: str, n: int): password=None",
                "reset your password: https://example.com/reset",
                "password_file: /run/secrets/db; password: ********",
                "a password must be 8 characters, passwords: many",
            )
        ),
        ("basic_auth", "Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: [BASIC_AUTH]"),
        ("basic_auth", "-H 'authorization: basic Zm9vOmJhcg' x", "-H 'authorization: [BASIC_AUTH]' x"),
        ("basic_auth", "Authorization: Basic not-base64-1", "Authorization: [BASIC_AUTH]"),
        (
            "basic_auth",
            "HTTP basic authentication, Basic understanding, authorization: basic authentication",
            "HTTP basic authentication, Basic understanding, authorization: basic authentication",
        ),
        ("phone", "+420 777 123 456, +1 (555) 010-9999, (555) 010-9999", "[PHONE], [PHONE], [PHONE]"),
        ("phone", "call 555-010-9999.", "call [PHONE]."),
        ("phone", "1+1234567 2025-08-04 exit 137 10.0.0.1 +00:00", "1+1234567 2025-08-04 exit 137 10.0.0.1 +00:00"),
        ("payment_card", "4111 1111 1111 1111 or 4111-1111-1111-1111", "[PAYMENT_CARD] or [PAYMENT_CARD]"),
        (
            "payment_card",
            "378282246310005, 3782 822463 10005, pan_5555555555554444",
            "[PAYMENT_CARD], [PAYMENT_CARD], pan_[PAYMENT_CARD]",
        ),
        ("payment_card", "7 4111111111111111 4111111111111111", "7 [PAYMENT_CARD] [PAYMENT_CARD]"),
        ("payment_card", "4111 1111 1111 1112 and 1234567890123456", "4111 1111 1111 1112 and 1234567890123456"),
    ],
)
def test_a_ready_made_filter(name: str, text: str, expected: str) -> None:
    assert builtin(name).apply(text) == expected


def test_prose_is_left_alone() -> None:
    assert EVERYTHING.apply(PROSE) is PROSE


def test_no_half_of_a_secret_is_left_when_filters_overlap() -> None:
    text = f"curl -H 'Authorization: Bearer {JWT}' https://bob:hunter2@mail.example.com/"
    assert EVERYTHING.apply(text) == "curl -H 'Authorization: Bearer [JWT]' https://[URL_PASSWORD]@mail.example.com/"


def test_own_filters_follow_the_ready_made_ones_in_their_order() -> None:
    redactor = own(("first", r"host\d+", "HOST"), ("second", "HOST", "MACHINE"), names=("email",))
    assert redactor.apply("host12 bob@host7.example.com") == "MACHINE [EMAIL]"


def test_what_a_replacement_lays_bare_is_replaced_too() -> None:
    assert own(("x", "secret", "")).apply("sesecretcret") == ""


def test_groups_and_backslashes_in_the_replacement() -> None:
    redactor = own(("x", r"(?i)(password\s*=\s*)\S+(;?)", r"\1[gone]\\\2"))
    assert redactor.apply("PASSWORD = abc; x") == "PASSWORD = [gone]\\ x"


def test_a_group_that_took_no_part_is_empty() -> None:
    assert own(("x", "(a)?b", r"<\1>")).apply("ab b") == "<a> <>"


@pytest.mark.parametrize(
    ("filter_", "key", "says"),
    [
        (("x", "(?=a)b", ""), "pattern", "filter 'x': RE2 can't run this pattern: invalid perl operator: (?="),
        (("x", r"(a)\1", ""), "pattern", r"invalid escape sequence: \1"),
        (("x", "(", ""), "pattern", "missing ): ("),
        (("x", "(" * 5000, ""), "pattern", "missing )"),
        (("x", "((a{1,100}){1,100}){1,100}", ""), "pattern", "can't run"),
        (("x", "a*", ""), "pattern", "matches the empty text"),
        (("x", r"a\C", ""), "pattern", r"\C would cut characters in two"),
        (("x", "\ud800", ""), "pattern", "can't run"),
        (("x", "a", r"\1"), "replace_with", "the pattern has no group 1"),
        (("x", "a", r"\d"), "replace_with", "a backslash must be followed by"),
        (("x", "a", "aa"), "replace_with", "the pattern matches the replacement itself"),
        (("email", "a", ""), "name", "there is another filter 'email'"),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(filter_: tuple[str, str, str], key: str, says: str) -> None:
    good = Filter("good", "good", "")
    with pytest.raises(ConfigError) as caught:
        redact.from_config(Redaction(("email",), (good, Filter(*filter_))))
    [fault] = caught.value.faults
    assert fault.key == f"redaction.filters[1].{key}"
    assert says in fault.message
    assert len(str(fault)) < 250


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        own(("a", "(", ""), ("b", ")", ""))
    assert [fault.key for fault in caught.value.faults] == [
        "redaction.filters[0].pattern",
        "redaction.filters[1].pattern",
    ]


def test_replacements_are_counted_by_filter() -> None:
    counts: Counter[str] = Counter()
    config = Redaction(("email", "ipv4"), (Filter("same", r"(keep)=\S+", r"\1=x"),))
    redactor = redact.from_config(config, lambda name, count: counts.update({name: count}))
    redactor.apply("a@b.cz c@d.cz keep=1 keep=x")
    assert counts == {"email": 2, "same": 1}


def test_without_filters_the_text_itself_comes_back() -> None:
    text = "a@b.cz " * 100
    assert redact.Redactor(()).apply(text) is text


def test_patterns_are_of_characters_not_bytes() -> None:
    redactor = own(("x", "[žš]+", "_"), ("y", "^.{3}$", "three"))
    assert redactor.apply("až šš") == "a_ _"
    assert redactor.apply("řeč") == "three"


def test_filters_too_large_to_be_one_pattern_work_all_the_same() -> None:
    large = [(f"f{number}", rf"k{number}-\pL{{1,400}}", f"<{number}>") for number in range(8)]
    with pytest.raises(re2.error, match="too large"):
        re2.compile("|".join(pattern for _, pattern, _ in large))
    assert own(*large).apply("k3-žab 1 k7-x") == "<3> 1 <7>"


def test_filters_may_name_their_groups_alike() -> None:
    assert own(("same", "(?P<g>zzz)", "-"), ("again", "(?P<g>yyy)", "+")).apply("zzz yyy") == "- +"


def sentences() -> st.SearchStrategy[str]:
    secrets = [
        "bob@example.com",
        "10.0.0.1",
        "fe80::1",
        "Bearer abc123def",
        "password=",
        "pwd: hunter2",
        "Basic dXNlcjpwYXNzd29yZA==",
        "AKIAIOSFODNN7EXAMPLE",
        JWT,
        "https://u:p@h.cz",
        "+420 777 123 456",
        "4111 1111 1111 1111",
        "-----BEGIN PRIVATE KEY-----",
    ]
    piece = st.one_of(st.sampled_from(secrets), st.text(max_size=5), st.sampled_from(list(" \n:;,./@+-_=[]'\"#1aF")))
    return st.lists(piece, max_size=12).map("".join)


@given(sentences())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = EVERYTHING.apply(text)
    assert EVERYTHING.apply(once) == once


@given(st.sampled_from(ALL), sentences())
def test_nothing_that_a_filter_matches_survives(name: str, text: str) -> None:
    counts: Counter[str] = Counter()
    check = redact.from_config(Redaction((name,), ()), lambda key, count: counts.update({key: count}))
    check.apply(EVERYTHING.apply(text))
    assert counts == {}


@given(
    st.text(st.sampled_from("aβ€😀\ud800\udc00\n\\"), max_size=40),
    st.text(st.sampled_from("aβ€😀\n\\"), min_size=1, max_size=3),
)
def test_any_text_comes_back_whole_around_what_is_replaced(text: str, needle: str) -> None:
    assert own(("x", re2.escape(needle), "#")).apply(text) == text.replace(needle, "#")


@given(
    st.from_regex(
        r"(sk-[A-Za-z0-9]{48}|ghp_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|hf_[A-Za-z0-9]{34})", fullmatch=True
    ),
    st.sampled_from([" ", "\n", '"', "'", "=", ":", "(", ","]),
)
def test_a_key_is_found_wherever_it_stands(key: str, around: str) -> None:
    key = key.strip()
    assert key[:-1] not in builtin("api_key").apply(f"x{around}{key}{around}y")


@given(st.integers(0, 10**15 - 1), st.sampled_from(["", " ", "-"]))
def test_every_card_with_a_right_check_digit_is_found(number: int, between: str) -> None:
    body = "4" + f"{number:015d}"[1:]
    digits = [int(digit) for digit in body]
    total = sum(digit if place % 2 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(digits))
    card = body + str(-total % 10)
    text = between.join(card[place : place + 4] for place in range(0, 16, 4))
    assert builtin("payment_card").apply(f"it is {text}!") == "it is [PAYMENT_CARD]!"


def took(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_a_typical_question_costs_microseconds() -> None:
    best = min(took(lambda: [EVERYTHING.apply(PROSE) for _ in range(200)]) for _ in range(5))
    assert best / 200 < 50e-6


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "1 ",
        "::",
        "1:",
        "1:1: ",
        "password: a ",
        "pwd=a.",
        "pwd='",
        "basic aaaaaaaa ",
        "a@",
        "a.",
        "eyJ",
        "sk-",
        "+1 (",
        "bearer ",
        "x://a:b",
        "AccountKey=",
        "-----BEGIN PRIVATE KEY",
        "1.2.",
        "4111 1111 1111 1112 ",
        "ž@",
        "a@b.cz ",
    ],
)
def test_a_megabyte_made_to_hurt_costs_seconds_at_most(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert took(lambda: EVERYTHING.apply(text)) < 5


def test_time_grows_with_the_text_and_not_faster() -> None:
    redactor = own(("x", "(a|aa)+$", "-"), ("y", "(.*)(.*)(.*)(.*)(.*)[^0-9]z", "-"), ("z", "(x+x+)+y", "-"))
    small, large = "ax" * 20_000, "ax" * 200_000
    redactor.apply(small)
    assert took(lambda: redactor.apply(large)) < 40 * max(took(lambda: redactor.apply(small)), 0.002)


def test_what_cannot_be_read_in_time_is_dropped_not_let_through(caplog: pytest.LogCaptureFixture) -> None:
    """Each match of this pattern reads to the end of the text: the square of its length in all."""
    text = "secret " * 50_000
    start = time.thread_time()
    redacted = own(("x", "(?s)secret(?:.*impossible)?", "[gone]")).apply(text)
    assert time.thread_time() - start < 10
    assert "secret" not in redacted
    assert caplog.messages == ["redaction filter x took too long, dropped the rest of a text"]


def test_matches_that_come_to_nothing_take_their_time_too() -> None:
    idle = redact.Filter("x", re2.compile("a"), (b"",), lambda *_: ())
    assert idle.replace(b"1a2a3", deadline=time.thread_time() + 60) == (b"1a2a3", 0)
    assert idle.replace(b"1a2a3", deadline=0) == (b"1a", 0)


def test_threads_share_a_redactor() -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"{number} bob{number}@example.com" for number in range(200)]
    random.Random(1).shuffle(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(EVERYTHING.apply, texts))
    assert found == [f"{text.split()[0]} [EMAIL]" for text in texts]


def test_the_command_shows_the_text_and_the_counts() -> None:
    config = Redaction(("email", "ipv4"), (Filter("host", r"db\d+", "HOST"),))
    stdin, stdout, stderr = io.StringIO("bob@example.com on db1 and db2\n"), io.StringIO(), io.StringIO()
    assert redact.command(config, stdin, stdout, stderr) == 0
    assert stdout.getvalue() == "[EMAIL] on HOST and HOST\n"
    assert stderr.getvalue() == "email: 1\nipv4: 0\nhost: 2\n"


def test_a_text_that_shrinks_is_followed_to_its_end() -> None:
    redactor = redact.from_config(Redaction((), (Filter("pair", r"\(\)", ""),)))
    assert redactor.apply("(" * 200 + ")" * 200) == ""


def test_a_pattern_that_quotes_its_rest_hides_no_other() -> None:
    redactor = own(("one", r"\Qtop.secret", "[1]"), ("two", r"\Qproject.x\E", "[2]"))
    assert redactor.apply("top.secret project.x") == "[1] [2]"
    assert redactor.apply("project.x") == "[2]"
    assert redactor.apply("topXsecret projectXx") == "topXsecret projectXx"


PARTS = (
    *(
        "a",
        "b",
        "A",
        "B",
        ".",
        "x",
        r"\Q",
        r"\E",
        r"\\",
        r"\b",
        r"\pL",
        "|",
        "(?:",
        "(?P<n>",
        "(",
        ")",
        "[",
        "[^",
        "]",
        "-",
    ),
    *(
        "(?i)",
        "(?i:",
        "(?-i)",
        "(?s)",
        "(?m)",
        "(?U)",
        "^",
        "$",
        "+",
        "*?",
        "?",
        "{2",
        "{2}",
        "{,2}",
        "#",
        "(?#",
        "(?x)",
    ),
    *(r"\0", r"\07", r"\x41", r"\x{61", "}", "\n", " ", "\\"),
)
PATTERNS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join)
QUOTED = st.sampled_from((r"\Qa", r"\Qb\E", r"\QA\Eb", r"x\Q", r"B|\QQ", r"\Q\E\Qy"))


def usable(pattern: str) -> bool:
    try:
        redact.compile_filter("x", pattern, "")
    except redact.BadFilter:
        return False
    return True


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)zz",
        "(?s)z.z",
        "(?m)^z$",
        "(?U)z+",
        "(?i:z)z",
        "z|zz",
        "#z",
        r"\\",
        r"\\Q",
        "z{2",
        "z{,2}",
        "[]z]",
        "(?P<n>z)",
        r"z\0",
    ],
)
def test_a_pattern_reaches_no_further_than_itself(pattern: str) -> None:
    redactor = own(("one", pattern, "-"), ("two", "(?P<n>b).c|^d$", "+"), ("three", "E", "="))
    assert redactor.apply("b c; b\nc; B c; e; E") == "+; b\nc; B c; e; ="
    assert redactor.apply("d") == "+"
    assert redactor.apply("d\nd") == "d\nd"


@given(
    st.lists(QUOTED | PATTERNS.filter(usable), min_size=2, max_size=3),
    st.text(r"abABxyEQ#\{2)|(?:" + "\n\0", max_size=12),
)
def test_filters_find_together_what_each_finds_alone(patterns: list[str], text: str) -> None:
    filters = [redact.compile_filter(str(number), pattern, "") for number, pattern in enumerate(patterns)]
    alone = any(each.replace(text.encode(), time.thread_time() + 60)[1] for each in filters)
    assert (redact.Redactor(filters).apply(text) != text) == alone
