"""What sensitive texts look like: the ready-made redaction filters, in the order in which they run.

Secrets come before addresses, so that no filter leaves half a secret behind. Patterns are RE2's; where a pattern alone
would find too much, a `locate` function decides (RFC 4291 addresses, the Luhn check of payment cards, prose).
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

Span = tuple[int, int]
Locate = Callable[[bytes, int, int], Sequence[Span]]


class Ready(NamedTuple):
    pattern: str
    replace_with: str
    locate: Locate | None = None


_KEYS = (
    r"sk-(?:ant|proj|svcacct|admin|or|None)-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9]{20,}",  # OpenAI, Anthropic, OpenRouter
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}",  # AWS
    r"AIza[A-Za-z0-9_-]{35,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",  # Google
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",  # GitHub
    r"gl[a-z]{2,6}-[A-Za-z0-9_.-]{20,}",  # GitLab
    r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}",  # Slack
    r"[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}",  # Hugging Face, Groq, ...
    r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}",  # Microsoft Entra client secrets
    r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}",  # Azure connection strings
    r"sha256~[A-Za-z0-9_-]{40,}|lsk_[A-Za-z0-9_-]{40,}",  # OpenShift, and our own
    r"npm_[A-Za-z0-9]{36,}|pypi-[A-Za-z0-9_-]{50,}|dckr_pat_[A-Za-z0-9_-]{20,}|hvs\.[A-Za-z0-9_-]{20,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|do[opr]_v1_[a-f0-9]{64,}|dapi[a-f0-9]{32,}|glsa_[A-Za-z0-9_]{32,}",
)
_NAMED_KEY = (
    r"(?i:(?:api|access|secret|account|private)[_-]?(?:access[_-]?)?(?:key|token)|client[_-]?secret|auth[_-]?token)"
    r"""["']?\s*[:=]\s*["']?[A-Za-z0-9_./+~-]{16,}={0,2}"""
)


_NAMED_VALUE = (
    r"(?i)(?:password|passwd|passphrase|pwd)[\"']?[ \t]*[:=][ \t]*"
    r"""(?:"[^"\n]+"|'[^'\n]+'|[^\s"'&;]+)"""
)
_PASSWORD_NAME = re.compile(rb"[A-Za-z]+[\"']?[ \t]*([:=])[ \t]*")
_NO_PASSWORD = re.compile(
    rb"""(?ix)
    [=*.]* (?-i:\[[A-Z0-9_]+\])* $                            # an operator, asterisks, what a filter left
    | <[A-Za-z_] | \{ | (?-i:\$[A-Z_{(]) | %[sd(] | /[\w.-]+(?:/|$) | https?:// | \w+(?:\.\w+)*[(\[]  # stands for one
    | (?:none|null|nil|true|false|yes|no|str|string|bytes|text|password|passwd|passphrase|pwd|required|optional|invalid
        |incorrect|wrong|missing|empty|expired|unknown|changed|denied|prompt|x+) [!?]* $"""
)
_HARD_WORD = re.compile(rb"(?=.*[0-9!@#$%^*~+_|\\])(?=.*[A-Za-z]).{5}")
_PROSE_GOES_ON = re.compile(rb"[ \t]*(?:[\"'][ \t]*)?[^\s\"'#]")
_HEADER = re.compile(rb"(?i)authorization[\"']?[ \t]*[:=][ \t]*[\"']?$")


def _password(data: bytes, start: int, stop: int) -> Sequence[Span]:
    """The value behind the name. Behind a colon it may be prose: then it must be quoted, the last, or no plain word."""
    name = _PASSWORD_NAME.match(data, start, stop)
    if name is None or data[start - 1 : start] == b"/":
        return ()
    start = name.end()
    if data[start] in b"\"'":
        start, stop = start + 1, stop - 1
    elif name[1] == b":" and not _HARD_WORD.match(data, start, stop) and _PROSE_GOES_ON.match(data, stop):
        return ()
    else:
        stop = start + len(data[start:stop].rstrip(b",.)}"))
    return () if _NO_PASSWORD.match(data, start, stop) else ((start, stop),)


def _basic(data: bytes, start: int, stop: int) -> Sequence[Span]:
    """RFC 7617: user and password in Base64; behind the header's name whatever is no plain word."""
    word = data[start:stop].split()[-1]
    try:
        pair = base64.b64decode(word.rstrip(b"=") + b"=" * (-len(word.rstrip(b"=")) % 4), altchars=b"-_").decode()
    except ValueError:
        pair = ""
    is_pair = ":" in pair and pair.isprintable()
    is_header = _HEADER.search(data[max(0, start - 40) : start]) is not None
    return ((start, stop),) if is_pair or (is_header and not word.isalpha()) else ()


def _spell(data: bytes, start: int, stop: int) -> Sequence[Span]:
    """A word after "bearer" is a token when it doesn't look like prose."""
    word = data[start:stop].split()[-1]
    return ((start, stop),) if len(word) >= 24 or not word.strip(b"-.").isalpha() else ()


def _ipv6(data: bytes, start: int, stop: int) -> Sequence[Span]:
    """The match is a run of hexadecimal digits, colons and dots, perhaps with a part of a word at either end."""
    if data[start - 1 : start].isalnum():
        start = data.index(b":", start) + 1 if data[start] != 0x3A else start
    if data[stop : stop + 1].isalnum():
        stop = data.rindex(b":", start, stop) + 1
    while stop > start and data[stop - 1] == 0x2E:
        stop -= 1
    for first, last in ((start, stop), (start + 1, stop), (start, stop - 1), (start + 1, stop - 1)):
        if _is_ipv6(data[first:last]):
            return ((first, last),)
    return ()


def _is_ipv6(word: bytes) -> bool:
    if not 2 < len(word) <= 45 or not (b"::" in word or word.count(b":") >= 6):
        return False
    if not any(0x30 <= byte <= 0x39 for byte in word):
        return False
    try:
        return bool(ipaddress.IPv6Address(word.decode("ascii")))
    except ValueError:
        return False


def _phone(data: bytes, start: int, stop: int) -> Sequence[Span]:
    return ((start, stop),) if 7 <= sum(map(data[start:stop].count, b"0123456789")) <= 15 else ()


def _cards(data: bytes, start: int, stop: int) -> Sequence[Span]:
    """The card numbers in a run of groups of digits; groups as they are printed on cards, or all digits in one."""
    groups = [match.span() for match in re.finditer(rb"[0-9]+", data[start:stop])]
    sizes = [last - first for first, last in groups]
    found: list[Span] = []
    number = 0
    while number < len(groups):
        count = _card(sizes[number : number + 4])
        span = (start + groups[number][0], start + groups[number + count - 1][1]) if count else (0, 0)
        if count and _luhn(data[span[0] : span[1]]):
            found.append(span)
            number += count
        else:
            number += 1
    return found


def _card(sizes: Sequence[int]) -> int:
    """How many groups of these sizes, from the first on, a card number could have."""
    match sizes:
        case [one, *_] if 13 <= one <= 19:
            return 1
        case [4, 4, 4, last] if last <= 7:
            return 4
        case [4, 6, 4 | 5, *_]:
            return 3
    return 0


def _luhn(text: bytes) -> bool:
    """ISO/IEC 7812-1, and a first digit that payment cards have."""
    digits = [byte - 0x30 for byte in text if 0x30 <= byte <= 0x39]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 2 <= digits[0] <= 6 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


BUILTIN: Mapping[str, Ready] = MappingProxyType(
    {
        "private_key": Ready(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
            r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
            "[PRIVATE_KEY]",
        ),
        "jwt": Ready(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}", "[JWT]"),
        "bearer_token": Ready(r"(?i)\bbearer[ \t:=]+[A-Za-z0-9._~+/-]{8,}=*", "[BEARER_TOKEN]", _spell),
        "basic_auth": Ready(r"(?i)\bbasic[ \t]+[A-Za-z0-9+/_-]{8,}={0,2}", "[BASIC_AUTH]", _basic),
        "api_key": Ready(rf"\b(?:{'|'.join(_KEYS)})|{_NAMED_KEY}", "[API_KEY]"),
        "url_password": Ready(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@:?#]*:[^\s/]+@", r"\1[URL_PASSWORD]@"),
        "password": Ready(_NAMED_VALUE, "[PASSWORD]", _password),
        "email": Ready(r"[\pL\pN._%+'-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+", "[EMAIL]"),
        "payment_card": Ready(r"[0-9](?:[ -]?[0-9]){12,}", "[PAYMENT_CARD]", _cards),
        "ipv6": Ready(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*", "[IPV6]", _ipv6),
        "ipv4": Ready(
            r"\b(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])\b", "[IPV4]"
        ),
        "phone": Ready(
            r"\B\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,4}(?:[ .-]?[0-9]{2,4}){1,4}\b"
            r"|\([0-9]{3}\) ?[0-9]{3}[-. ][0-9]{4}\b|\b[0-9]{3}[-.][0-9]{3}[-.][0-9]{4}\b",
            "[PHONE]",
            _phone,
        ),
    }
)
