"""The OpenAPI document of the product's interface: it is valid, and whatever is sent is answered as it says."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from services.activation.api.app import product_pool
from services.activation.api.problems import MEDIA_TYPE
from tests.product import Product, product_of


@pytest.fixture
def product(database: str, tmp_path: Path) -> Iterator[Product]:
    with product_pool(database) as pool:
        yield product_of(pool, database, tmp_path / "token")


def test_the_openapi_document_is_valid_and_for_everybody_and_tells_every_problem_of_every_operation(
    tmp_path: Path,
) -> None:
    product = product_of(product_pool("postgresql://127.0.0.1:9/nothing"), "", tmp_path / "token")
    product.headers.clear()
    document = product.ask("GET", "/openapi.json").json()
    validate(document)
    assert document["servers"] == [{"url": "/api"}]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) == 15
    for path, method, operation in operations:
        told = {status for status, answer in operation["responses"].items() if MEDIA_TYPE in answer.get("content", {})}
        changes = method != "get" and "class_id" in path
        assert told >= {"401", "404", "422", "500", "503"} | ({"403"} if changes else set()), (path, method)
        assert operation["security"], (path, method)
        for status in told:
            schema = operation["responses"][status]["content"][MEDIA_TYPE]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
ODD_IDS = [str(UUID(int=7)), "-", "%2e%2e", "7" * 50, "a%00"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_is_answered_as_the_document_says(described: "Described", data: st.DataObject) -> None:
    path, method = data.draw(st.sampled_from(described.operations))
    ids = [*described.ids, *ODD_IDS]
    address = path.format(  # mostly by somebody there is, in a class there is
        account_id=data.draw(st.sampled_from(described.ids[:3] * 10 + ids)),
        class_id=data.draw(st.sampled_from(described.ids[-2:] * 15 + ids)),
        person_id=data.draw(st.sampled_from(described.ids * 3 + ODD_IDS)),
    )
    value = st.text(max_size=220) | st.sampled_from(described.ids) | JSON
    body = data.draw(st.dictionaries(st.just(described.field(path, method)), value, min_size=1) | JSON)
    described.check(path, method, described.product.ask(method.upper(), address, json=body))


class Described:
    """An interface with its document, and ids of everybody and everything that there is."""

    def __init__(self, product: Product) -> None:
        room = product.classroom
        self.product = product
        self.document: dict[str, Any] = product.ask("GET", "/openapi.json").json()
        people: list[UUID] = [room.teacher, room.ada, room.fay, room.stranger, room.person_id("students", "p3")]
        self.ids = [str(id_) for id_ in (*people, room.math, room.club)]

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Give the path and the method of each."""
        return [(path, method) for path, methods in self.document["paths"].items() for method in methods]

    def field(self, path: str, method: str) -> str:
        """Give the field that the operation's body must have."""
        body = self.document["paths"][path][method].get("requestBody")
        if body is None:
            return "nothing"
        name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        [field] = self.document["components"]["schemas"][name]["required"]
        assert isinstance(field, str)
        return field

    def check(self, path: str, method: str, answer: Response) -> None:
        """See that the answer is one that the document describes."""
        described = self.document["paths"][path][method]["responses"]
        assert str(answer.status_code) in described, (method, path, answer.status_code, answer.text)
        content = described[str(answer.status_code)].get("content", {})
        if not content:
            assert not answer.content
            return
        [(media_type, told)] = content.items()
        assert answer.headers["content-type"] == media_type
        schema = {**told["schema"], "components": self.document["components"]}
        OAS31Validator(schema).validate(answer.json())


@pytest.fixture
def described(product: Product) -> Described:
    return Described(product)


def test_what_happens_at_the_same_moment_ends_as_if_one_had_come_after_the_other(product: Product) -> None:
    room = product.classroom
    club = f"/classes/{room.club}"
    acts: list[Callable[[], Response]] = [
        lambda: product("POST", room.teacher, f"{club}/students", {"account_id": str(room.stranger)}),
        lambda: product("DELETE", room.teacher, f"{club}/students/{room.stranger}"),
        lambda: product("POST", room.stranger, f"{club}/leave"),
        lambda: product("PATCH", room.teacher, club, {"name": uuid4().hex}),
        lambda: product("GET", room.teacher, club),
    ]
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda act: act(), acts * 6))
        assert {answer.status_code for answer in answers} <= {200, 201, 204, 404}
        acts[3:] = [lambda: product("DELETE", room.teacher, club)]
        answers = list(together.map(lambda act: act(), acts * 3))
    assert {answer.status_code for answer in answers} <= {201, 204, 404}
    assert room.rows("SELECT * FROM personal_classes") == room.rows("SELECT * FROM personal_students") == []
