"""As much of a value of a request as an error may repeat: about 5,000 characters, however large or deep the value is.

What is left out is told by an ellipsis in its place. A value that is small enough stays as it is.
"""

from __future__ import annotations

CHARACTERS = 5000
NAME_CHARACTERS = 200
_LEFT_OUT = "…"
_EACH = 16


def of(value: object) -> object:
    return _Excerpt().take(value)


def of_text(text: str, characters: int = CHARACTERS) -> str:
    return text if len(text) <= characters else text[:characters] + _LEFT_OUT


class _Excerpt:
    """Each value costs its length and `_EACH`, which bounds the depth too."""

    def __init__(self) -> None:
        self._left = CHARACTERS

    def take(self, value: object) -> object:
        self._left -= _EACH
        if isinstance(value, dict):
            return self._members(value)
        if isinstance(value, list):
            return self._items(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return self._whole(value)
        return value

    def _members(self, value: dict[str, object]) -> dict[str, object]:
        taken: dict[str, object] = {}
        for name, part in value.items():
            if self._left <= 0:
                taken[_LEFT_OUT] = _LEFT_OUT
                break
            taken[self._text(name)] = self.take(part)
        return taken

    def _items(self, value: list[object]) -> list[object]:
        taken: list[object] = []
        for part in value:
            if self._left <= 0:
                taken.append(_LEFT_OUT)
                break
            taken.append(self.take(part))
        return taken

    def _text(self, value: str) -> str:
        room, self._left = max(self._left, 0), self._left - len(value)
        return of_text(value, room + _EACH)

    def _whole(self, value: int) -> int:
        self._left -= value.bit_length() // 3
        return value
