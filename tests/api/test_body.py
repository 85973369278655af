from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from api import body
from search.request import Form


class Inner(Form, frozen=True):
    size: Annotated[int, Meta(ge=1, le=5)] = 1
    kinds: list[Literal["vp", "director", "c_suite"]] = msgspec.field(default_factory=list)
    names: list[str] = msgspec.field(default_factory=list)


class Outer(Form, frozen=True):
    inner: Inner = Inner()
    many: list[Inner] = msgspec.field(default_factory=list)
    either: Inner | list[str] | None = None


def faults(raw: bytes) -> list[dict[str, Any]]:
    with pytest.raises(body.WrongShape) as caught:
        body.decode(raw, Outer)
    return caught.value.facts["errors"]


def test_a_good_body_is_read():
    read = body.decode(b'{"inner": {"size": 2, "kinds": ["vp"]}}', Outer)
    assert read.inner == Inner(size=2, kinds=["vp"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   ",
        b"{",
        b"{}{}",
        b"nonsense",
        b'{"inner": NaN}',
        b'{"inner": {"size": Infinity}}',
        b'{"inner": {"names": ["\\ud800"]}}',
        b'{"inner": {"names": ["\\udc00\\ud800"]}}',
        b'{"inner": {"names": ["\xff"]}}',
        b'{"inner": {"names": ["\xed\xa0\x80"]}}',
        b'{"inner": {"names": ["a\x00"]}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"{'inner': {}}",
        b'{"inner": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b"[" * 500_000,
        b'{"inner": ' * 5_000,
        b'{"a":"' + b'\\"[' * 1_000 + b'",' + b'"b":' + b"[" * 100 + b"}",
    ],
)
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(body.BadJson):
        body.decode(raw, Outer)


@pytest.mark.parametrize("number", [b"2.0", b"2e0", b"20e-1"])
def test_a_whole_number_is_an_integer_however_it_is_written(number):
    assert body.decode(b'{"inner": {"size": ' + number + b"}}", Outer).inner.size == 2


def test_brackets_inside_a_text_are_no_nesting():
    text = "[{" * 1_000 + '\\"[['
    read = body.decode(b'{"inner": {"names": ["' + text.encode() + b'"]}}', Outer)
    assert read.inner.names == [text.replace("\\", "")]


def test_wide_is_not_deep():
    many = b",".join([b"{}"] * 1_000)
    assert len(body.decode(b'{"many": [' + many + b"]}", Outer).many) == 1_000


def test_an_unknown_field_is_named_with_the_nearest_known():
    (fault,) = faults(b'{"inner": {"sise": 2}}')
    assert fault["path"] == "inner.sise"
    assert fault["allowed"][0] == "size"


def test_all_unknown_names_are_told_at_once():
    found = faults(b'{"inner": {"sise": 2, "kinds": ["vp", "directr"]}, "mny": [], "many": [{"x": 1}]}')
    assert [fault["path"] for fault in found] == ["inner.sise", "inner.kinds[1]", "mny", "many[0].x"]
    assert found[1]["allowed"][0] == "director"
    assert found[2]["allowed"][0] == "many"


def test_a_union_is_searched_by_the_sort_of_value():
    assert faults(b'{"either": {"sizes": 1}}')[0]["path"] == "either.sizes"


@pytest.mark.parametrize(
    "raw, path",
    [
        (b'{"inner": {"size": "5"}}', "inner.size"),
        (b'{"inner": {"size": 1.5}}', "inner.size"),
        (b'{"inner": {"size": true}}', "inner.size"),
        (b'{"inner": {"size": 6}}', "inner.size"),
        (b'{"inner": {"size": 0}}', "inner.size"),
        (b'{"inner": {"size": 1e400}}', "inner.size"),
        (b'{"inner": {"size": 9999999999999999999999999999}}', "inner.size"),
        (b'{"inner": {"names": [1]}}', "inner.names[0]"),
        (b'{"inner": null}', "inner"),
        (b'{"inner": []}', "inner"),
        (b"[]", ""),
        (b"null", ""),
        (b'"text"', ""),
    ],
)
def test_a_wrong_type_is_named_with_its_path(raw, path):
    assert [fault["path"] for fault in faults(raw)] == [path]


def test_nul_is_named_with_its_path():
    (fault,) = faults(b'{"inner": {"names": ["fine", "a\\u0000b"]}}')
    assert fault["path"] == "inner.names[1]"


def test_an_escaped_backslash_before_u0000_is_plain_text():
    assert body.decode(b'{"inner": {"names": ["\\\\u0000"]}}', Outer).inner.names == ["\\u0000"]


def test_few_errors_are_told_of_a_very_wrong_body():
    raw = msgspec.json.encode({f"unknown{i}": i for i in range(1_000)})
    assert len(faults(raw)) == body.MAX_ERRORS


class Page(Form, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 25
    cursor: str | None = None


@pytest.mark.parametrize(
    "limit", ["0", "501", "", "five", "1_0", " 5", "+5", "٥", "NaN", "1e9", "-1", "\x00"]
)
def test_a_parameter_that_is_no_such_number_is_refused(limit):
    with pytest.raises(body.WrongShape) as caught:
        body.convert({"limit": limit}, Page)
    assert caught.value.facts["errors"][0]["path"] == "limit"


def test_a_parameter_is_read_as_its_type():
    assert body.convert({"limit": "7", "cursor": "abc"}, Page) == Page(limit=7, cursor="abc")


def test_a_misspelt_parameter_is_named_with_the_nearest():
    with pytest.raises(body.WrongShape) as caught:
        body.convert({"limt": "7"}, Page)
    assert caught.value.facts["errors"] == [
        {"path": "limt", "message": "There is no field 'limt' here.", "allowed": ["limit"]}
    ]
