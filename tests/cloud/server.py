"""The store behind Stripe's own HTTP, as a process: `python -m tests.cloud.server PORT [--live]`.

Forms come in as the SDK sends them; keys of idempotency, versions, lists in pages and errors are as Stripe
documents them. `/_control` makes things happen, and lets answers get lost.
"""

import json
import re
import sys
from urllib.parse import parse_qsl

import uvicorn

from domain.billing.cloud import Missing, PaymentRefused
from domain.billing.gateway import API_VERSION
from tests.cloud.store import Store

_WHOLE = {"unit_amount", "quantity", "trial_period_days", "limit", "gte", "lt"}


def parse(query):
    """`line_items[0][price]=x` as nested values."""
    root = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+", name)
        here, key = root, first
        for part in rest:
            here, key = here.setdefault(key, {}), part
        here[key] = int(value) if key in _WHOLE else {"true": True, "false": False}.get(value, value)
    return _lists(root)


def _lists(given):
    if not isinstance(given, dict):
        return given
    plain = {key: _lists(value) for key, value in given.items()}
    return list(plain.values()) if plain and all(key.isdigit() for key in plain) else plain


class Refused(Exception):
    """An error as Stripe words it."""

    def __init__(self, status, kind, code=None):
        super().__init__(code or kind)
        self.status, self.kind, self.code = status, kind, code


class Server:
    """The ASGI application."""

    def __init__(self, store):
        self.store, self.kept, self.faults, self.asked = store, {}, [], []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        try:
            status, answer = 200, self.serve(scope, headers, raw)
        except Missing as error:
            status, answer = 404, _error("invalid_request_error", "resource_missing", str(error))
        except PaymentRefused as error:
            status, answer = 402, _error("card_error", "card_declined", error.detail)
        except Refused as error:
            status, answer = error.status, _error(error.kind, error.code, str(error))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def serve(self, scope, headers, raw):
        path, method = scope["path"], scope["method"]
        if path == "/_control":
            return self.control(json.loads(raw))
        if not headers.get("authorization", "").startswith("Bearer sk_"):
            raise Refused(401, "invalid_request_error", "api_key_missing")
        if headers.get("stripe-version") != API_VERSION:
            raise Refused(400, "invalid_request_error", "version")
        params = parse((raw if method == "POST" else scope["query_string"]).decode())
        params.pop("expand", None)
        self.asked.append([method, path, headers.get("idempotency-key")])
        fault = next((fault for fault in self.faults if fault["path"] == path and fault["times"]), None)
        if fault:
            fault["times"] -= 1
            if fault["kind"] == "down":
                raise Refused(503, "api_error")
        answer = self.once(headers.get("idempotency-key"), method, path, params)
        if fault and fault["kind"] == "lost":
            # It was done, and nobody hears of it.
            raise Refused(502, "api_error")
        return answer

    def once(self, key, method, path, params):
        if method == "GET":
            return self.read(path, params)
        if method == "DELETE":
            kind, id_ = path.split("/")[2:]
            end = {"subscriptions": self.store.end_subscription, "customers": self.store.delete_customer}
            return end[kind](id_)
        mark = json.dumps([path, params], sort_keys=True)
        if key is not None and key in self.kept:
            if self.kept[key][0] != mark:
                raise Refused(400, "idempotency_error")
            return self.kept[key][1]
        answer = json.loads(json.dumps(self.write(path, params)))
        if key is not None:
            self.kept[key] = (mark, answer)
        return answer

    def read(self, path, params):
        parts = path.split("/")[2:]
        if parts == ["prices"]:
            return _list(self.store.prices(params["lookup_keys"]))
        if parts == ["disputes"] and "charge" in params:
            return _list(self.store.disputes(params["charge"]))
        if parts == ["invoice_payments"]:
            intent = params["payment"]["payment_intent"]
            return _list(
                [{"object": "invoice_payment", "invoice": id_} for id_ in self.store.invoice_of(intent)]
            )
        if parts == ["events"]:
            since = params.get("created", {}).get("gte", 0)
            return _page([event for event in self.store.told()[::-1] if event["created"] >= since], params)
        if parts in (["charges"], ["refunds"], ["disputes"]):
            created = params["created"]
            return _page(self.store.made(parts[0][:-1], created["gte"], created["lt"]), params)
        if parts[:2] == ["checkout", "sessions"]:
            return self.store.session(parts[2])
        return self.store.get(parts[-1])

    def write(self, path, params):
        parts = path.split("/")[2:]
        if parts[0] == "subscriptions":
            return self.store.change_subscription(parts[1], params)
        make = {
            "customers": self.store.make_customer,
            "products": self.store.make_product,
            "prices": self.store.make_price,
            "checkout/sessions": self.store.make_session,
            "billing_portal/sessions": self.store.make_portal,
        }
        made = dict(make["/".join(parts)](params))
        made.pop("asked", None)
        return made

    def control(self, asked):
        if "fault" in asked:
            self.faults.append({"times": 1} | asked["fault"])
            return {}
        if "told" in asked:
            return self.store.told(*asked["told"])
        if "asked" in asked:
            return self.asked
        found = getattr(self.store, asked["call"])(*asked.get("with", []), **asked.get("options", {}))
        return found if isinstance(found, dict | list | str) else {}


def _page(found, params):
    """A page of a list: a small one, so that somebody has to turn it."""
    if after := params.get("starting_after"):
        found = found[[each["id"] for each in found].index(after) + 1 :]
    return _list(found[:5], has_more=len(found) > 5)


def _list(found, *, has_more=False):
    return {"object": "list", "url": "/", "has_more": has_more, "data": found}


def _error(kind, code, message):
    return {"error": {"type": kind, "code": code, "message": message, "param": "id"}}


if __name__ == "__main__":
    port, live = int(sys.argv[1]), "--live" in sys.argv
    uvicorn.run(Server(Store(livemode=live)), port=port, log_level="warning", lifespan="off")
