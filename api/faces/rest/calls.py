"""Functions called with named arguments, as one statement over what they return."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.faces.rest import errors
from api.faces.rest.catalogue import Catalogue, Function
from api.faces.rest.fragments import Parameters, quoted, view
from core.text import is_storable
from search.vocabulary import nearest


def find_function(catalogue: Catalogue, name: str, arguments: Mapping[str, Any]) -> Function:
    """The function that takes these arguments; PGRST202 when there is none."""
    function = catalogue.functions.get(name)
    names = sorted(arguments)
    if function is None:
        suggestion = nearest(name[:80], sorted(catalogue.functions))
        raise errors.unknown_function(name, names, suggestion[0] if suggestion else None)
    takes = {argument.name for argument in function.arguments}
    needs = {argument.name for argument in function.arguments if not argument.has_default}
    if not needs <= arguments.keys() <= takes:
        known = f"{name}({', '.join(sorted(takes))})" if takes else name
        raise errors.unknown_function(name, names, known)
    return function


def call_sql(function: Function, arguments: Mapping[str, Any], parameters: Parameters) -> str:
    """FROM … that calls the function once; its rows or its value go by the name `_called`.

    The arguments travel as one JSON object: PostgreSQL reads each with its own type, from text as well.
    """
    given = [argument for argument in function.arguments if argument.name in arguments]
    passed = ", ".join(f"{quoted(argument.name)} := _given.{quoted(argument.name)}" for argument in given)
    call = f"{view(function.name)}({passed}) AS _called"
    if not given:
        return call
    encoded = parameters.text(msgspec.json.encode(dict(arguments)).decode())
    columns = ", ".join(f"{quoted(argument.name)} {argument.type}" for argument in given)
    return f"jsonb_to_record(CAST({encoded} AS jsonb)) AS _given ({columns}) CROSS JOIN LATERAL {call}"


def check_storable(arguments: Mapping[str, Any]) -> None:
    if not all(is_storable(text) for text in (*arguments, *arguments.values()) if isinstance(text, str)):
        raise errors.unstorable()
