from pathlib import Path

import pytest

from lightspeed_stack.daemon import config
from lightspeed_stack.daemon.config import ConfigError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ or {})
    return [str(fault) for fault in caught.value.faults]


def test_merges_drop_ins_in_name_order(tmp_path: Path) -> None:
    main = write(tmp_path / "main.yaml", "a: {x: 1, y: 1}\nlist: [1, 2]\n")
    write(tmp_path / "conf.d/20.yaml", "a: {x: 3}\n")
    write(tmp_path / "conf.d/10.yaml", "a: {x: 2}\nlist: [3]\nb: new\n")
    document = config.load(main, {})
    assert document.data == {"a": {"x": 3, "y": 1}, "list": [3], "b": "new"}
    assert document.origin(("a", "x")).name == "20.yaml"
    assert document.origin(("a", "y")).name == "main.yaml"
    assert document.origin(("b", "deeper")).name == "10.yaml"


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert config.load(write(tmp_path / "main.yaml", "# only a comment\n"), {}).data == {}


def test_every_missing_variable_is_named_with_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "main.yaml", "a: {b: ['${env.ONE}']}\nc: ${env.TWO}\n")
    one, two = faults(path)
    assert one.startswith(f"{path}: a.b[0]: environment variable ONE")
    assert two.startswith(f"{path}: c: environment variable TWO")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "is not YAML at line"),
        ("- a\n- b\n", "expected keys and values, found a list"),
        ("a: 1\na: 2\n", "key 'a' stands twice"),
        ("a: {b: 1, b: 2}\n", "key 'b' stands twice"),
        ("a: !!python/object:os.system x\n", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_bad_yaml_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    [fault] = faults(write(tmp_path / "main.yaml", text))
    assert expected in fault
    assert "\n" not in fault
    assert fault.startswith(str(tmp_path / "main.yaml"))


def test_a_drop_in_at_fault_is_the_one_named(tmp_path: Path) -> None:
    main = write(tmp_path / "main.yaml", "a: 1\n")
    drop_in = write(tmp_path / "conf.d/10.yaml", "a: [\n")
    assert faults(main)[0].startswith(str(drop_in))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert faults(tmp_path / "none.yaml") == [f"{tmp_path}/none.yaml: can't be read: No such file or directory"]


def test_finds_the_named_file_before_the_environments() -> None:
    assert config.find("/a", {config.ENVIRONMENT: "/b"}) == Path("/a")
    assert config.find(None, {config.ENVIRONMENT: "/b"}) == Path("/b")


def test_finds_the_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lightspeed-stack.yaml", "")
    assert config.find(None, {}) == Path("lightspeed-stack.yaml")


@pytest.mark.parametrize(
    ("key", "path"), [("a", ("a",)), ("a.b[0].c", ("a", "b", 0, "c")), ("a[1][2]", ("a", 1, 2)), ("", ())]
)
def test_a_key_in_words_and_back(key: str, path: config.KeyPath) -> None:
    assert config.dotted(path) == key
    assert config.undotted(key) == path


def test_gives_faults_of_modules_their_file(tmp_path: Path) -> None:
    main = write(tmp_path / "main.yaml", "a: 1\n")
    drop_in = write(tmp_path / "conf.d/10.yaml", "b: {c: 2}\n")
    error = ConfigError(config.Fault("", "b.c", "is bad"), config.Fault("other", "a", "too"))
    assert [str(fault) for fault in config.load(main, {}).placed(error).faults] == [
        f"{drop_in}: b.c: is bad",
        "other: a: too",
    ]
