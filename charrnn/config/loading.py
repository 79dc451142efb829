"""Reads parameters: `params.yaml`, overlays merged over it, `key=value` overrides.

Every mistake becomes one ParamsError that names where the value stood, its key, what was found and what is allowed.
"""

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from charrnn.config.messages import dotted, explain, params_error, show
from charrnn.config.schema import Params
from charrnn.config.schemes import split_scheme
from charrnn.config.sqlite_address import sqlite_address
from charrnn.config.typed_text import typed_text
from charrnn.config.types import PathText
from charrnn.config.yaml_text import parse_yaml
from charrnn.undecodable import decoded

PROJECT = Path(__file__).resolve().parents[2]
BASE_FILE = PROJECT / "params.yaml"

NULLS = ("", "~", "null", "Null", "NULL")
"""What YAML reads as null."""

PATHS = ("data.sources", "data.directory", "tracking.uri")
"""Parameters that name files, whose bytes are kept as they are."""

LISTS = ("[", "- ", '"', "'")
"""What YAML begins a list with, or a text in quotes."""

AS_IT_IS = ("sampling.prime", "tracking.run_name", "tracking.experiment")
"""Texts that are taken with quotes around them, as the options --prime, --name and --experiment take them."""

_PROMOTE = "promote"  # until 0.2: true for automatic, false for never

SEPARATORS = ("data.join", "data.documents", "data.template", "sampling.stop")
"""Texts in which a line end is meant by \\n."""


class _Layer(NamedTuple):
    """Parameters of one origin, a file or `--set`, as they were written; relative paths are relative to `folder`."""

    origin: str
    values: dict[str, Any]
    folder: Path


def project_folder() -> Path:
    """Return the folder of the project; the working directory where the package is installed without it."""
    return PROJECT if BASE_FILE.exists() else Path.cwd()


def load_params(files: Sequence[str | Path] = (), overrides: Iterable[str] = (), base: Params | None = None) -> Params:
    """Read `params.yaml`, merge the overlay `files` over it in order, then the `overrides`.

    Maps merge; lists and scalars replace. A relative path is relative to the folder of the file that it stands in, and
    in an override to the working directory.

    Args:
        files: YAML overlays.
        overrides: `section.name=value`; the value is read as YAML and typed by the schema, a text only in quotes.
        base: take these instead of `params.yaml`, as a resumed run does.

    Raises:
        ParamsError: a file that cannot be read or parsed, or a parameter that is unknown, of the wrong type or
            out of range.
    """
    merged = _absolute_paths((base or Params()).model_dump(mode="json"), project_folder())
    origins: dict[str, str] = {}
    first = [BASE_FILE] if BASE_FILE.exists() and base is None else []
    layers = [_Layer(str(file), _read_yaml(file), _folder(file)) for file in map(Path, [*first, *files])]
    layers += [_Layer("--set", _parse_override(text), Path.cwd()) for text in overrides]
    layers = [layer._replace(values=_renamed(layer.values)) for layer in layers]
    places: _Layer | None = None
    for layer in layers:
        merged = merge(merged, _absolute_paths(layer.values, layer.folder))
        for key in _key_paths(layer.values):
            origins.pop(key, None)  # the last to set a key comes last
            origins[key] = layer.origin
            places = layer if key == "data.sources" else places
    params = validate_params(merged, origins)
    if places:
        _check_sources(places)
    return params


def validate_params(values: Mapping[str, Any], origins: Mapping[str, str] | None = None) -> Params:
    """Turn nested `values` into Params; what is left out takes its default.

    Args:
        values: sections of parameters.
        origins: dotted key -> the file it came from, the last one set last, for the message.

    Raises:
        ParamsError: names the key, what was found and what is allowed.
    """
    try:
        return Params.model_validate(_renamed(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = dotted(first["loc"])
        origin = _origin(key, origins or {})
        raise params_error(": ".join(part for part in (origin, key, explain(first)) if part)) from None


def _origin(key: str, origins: Mapping[str, str]) -> str:
    """Return the origin that set `key` last, or a part of it; else that of the list or map that contains it."""
    parts = [origin for path, origin in origins.items() if path == key or path.startswith(key + ".")]
    wholes = [origin for path, origin in origins.items() if key.startswith(path + ".")]
    return (parts or wholes or [""])[-1]


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the key that older files and checkpoints have, tracking.promote, under its present name."""
    tracking = values.get("tracking")
    promote = tracking.get(_PROMOTE) if isinstance(tracking, Mapping) else None
    if not isinstance(tracking, Mapping) or not isinstance(promote, bool) or "promotion" in tracking:
        return dict(values)
    kept = {key: value for key, value in tracking.items() if key != _PROMOTE}
    return {**values, "tracking": {**kept, "promotion": "automatic" if promote else "never"}}


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `under` with `over` on top: maps merge, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        there = PROJECT / path
        hint = f"; there is {there}" if isinstance(error, FileNotFoundError) and there.is_file() else ""
        raise params_error(f"{path}: cannot read parameters: {error.strerror}{hint}") from None
    except UnicodeDecodeError as error:
        raise params_error(f"{path}: is not UTF-8 text (byte {error.start})") from None
    content = parse_yaml(text, str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise params_error(f"{path}: must be a map of sections such as 'training:', got {show(content)}")
    return content


def _parse_override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    section, dot, name = key.strip().partition(".")
    if key.strip() not in PATHS:
        value = decoded(value)
    if not (separator and dot and section and name):
        raise params_error(f"--set: must be section.name=value, such as training.learning_rate=0.002, got {show(text)}")
    head, *rest = name.split(".", 1)
    if rest:
        return {section: {head: {rest[0]: value}}}
    # A text parameter takes the value as it is, or what is in quotes: ROMEO: is not read as a map, nor 1e5 as a number.
    # A list of texts takes the value as its only item, unless it is written as a list: *.txt is not read as an alias.
    kind = _annotation(section, name)
    is_text = kind is str or (kind == str | None and value.strip(" ") not in NULLS)
    if is_text and f"{section}.{name}" not in AS_IT_IS:
        value = typed_text(value, f"--set: {key}", separates=f"{section}.{name}" in SEPARATORS)
    is_text = is_text or (kind == tuple[PathText, ...] and not value.lstrip().startswith(LISTS))
    return {section: {name: value if is_text else parse_yaml(value, f"--set: {key}")}}


def _annotation(section: str, name: str) -> Any:
    kind = Params.model_fields[section].annotation if section in Params.model_fields else None
    field = kind.model_fields.get(name) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return field.annotation if field else None


def _folder(file: Path) -> Path:
    """Return the folder of `file`, absolute and without `..`; a link to a file is where the link is."""
    return file.parent.resolve()


def _absolute_paths(layer: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the relative paths of one layer absolute, from `base`."""

    def absolute(path: Any) -> Any:
        if isinstance(path, int | float) and not isinstance(path, bool):
            path = str(path)  # a folder called 2024
        try:
            return str(base / os.path.expanduser(path)) if path and isinstance(path, str) else path
        except ValueError:  # NUL after a ~; the schema refuses it
            return path

    changes: dict[str, Any] = {}
    data, tracking = layer.get("data"), layer.get("tracking")
    if isinstance(data, dict):
        fixed = dict(data)
        if "directory" in data:
            fixed["directory"] = absolute(data["directory"])
        sources = [data["sources"]] if isinstance(data.get("sources"), str | int | float) else data.get("sources")
        if isinstance(sources, list):
            fixed["sources"] = [s if _has_scheme(str(s), base) else absolute(s) for s in sources]
        changes["data"] = fixed
    if isinstance(tracking, dict) and isinstance(uri := tracking.get("uri"), str):
        if uri.startswith("sqlite:///") and not uri.startswith(("sqlite:////", "sqlite:///file:")):
            file, mark, options = uri.removeprefix("sqlite:///").partition("?")
            uri = sqlite_address(absolute(file))
            uri += ("&" if mark and "?" in uri else mark) + options
        elif "://" not in uri and not uri.startswith("databricks"):
            uri = absolute(uri.removeprefix("file:"))
        changes["tracking"] = {**tracking, "uri": uri}
    return {**layer, **changes}


def _check_sources(layer: _Layer) -> None:
    """Check that no relative source of `layer` is missing while the working directory or the project has its name.

    Another source may answer instead, but that is not what was meant.
    """
    sources = layer.values["data"]["sources"]
    for source in sources if isinstance(sources, list) else [sources]:
        name = os.path.expanduser(str(source)).partition("#sha256=")[0]
        if os.path.isabs(name) or _has_scheme(name, layer.folder) or _is_there(name, layer.folder):
            continue
        for other in (Path.cwd(), project_folder()):
            if _is_there(name, other):
                raise params_error(
                    f"{layer.origin}: data.sources: nothing is at {layer.folder / name}, but {other / name} is there; "
                    "a path in a parameter file is relative to that file, with --set to the working directory"
                )


def _is_there(name: str, folder: Path) -> bool:
    """Whether there is a file `name` in `folder`, or a match of the glob."""
    # glob raises on a NUL, which no file has in its name.
    return "\0" not in name and (
        os.path.lexists(folder / name) or any(glob.iglob(name, root_dir=folder, recursive=True))
    )


def _has_scheme(source: str, base: Path) -> bool:
    """Whether a line of `data.sources` begins with a scheme, as a URL or before a colon, and thus is not a path.

    Which schemes there are is not known here: a line without // is a path if there is a file, or a match of the glob.
    """
    scheme, is_url = split_scheme(source)
    if is_url or not scheme:
        return is_url
    return not _is_there(source, base)


def _key_paths(layer: Mapping[str, Any], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for key, value in layer.items():
        path = f"{prefix}{key}"
        paths.append(path)
        if isinstance(value, Mapping):
            paths += _key_paths(value, f"{path}.")
    return paths
