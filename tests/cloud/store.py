"""A Stripe of our own for tests: a store of objects, what happens to them, and the events that tell of it.

Objects are kept in the present shape; `shaped` gives them as they were before 2025-03-31.
`tests.cloud.in_process` answers the gateway's questions from the store in this process, `tests.cloud.server`
by HTTP from another.
"""

import copy
import hashlib
import hmac
import itertools
import time

from domain.billing.cloud import Missing, PaymentRefused

MONTH_S = 30 * 86_400
VERSIONS = {"basil": "2026-10-28.endive", "acacia": "2024-09-30.acacia"}
SECRET = "whsec_the-tests-sign-with-this"


def sign(payload, *, secret=SECRET, at=None, scheme="v1"):
    """The header Stripe would send along with these bytes."""
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={mac}"


def shaped(found, era):
    """An object as the version called `era` would show it."""
    found = copy.deepcopy(found)
    if era == "basil":
        return found
    kind = found.get("object")
    if kind == "invoice":
        parent = (found.pop("parent") or {}).get("subscription_details") or {}
        found["subscription"] = parent.get("subscription")
        found["subscription_details"] = {"metadata": parent.get("metadata", {})}
        payments = found.pop("payments", {}).get("data", [])
        payment = payments[0]["payment"] if payments else {}
        intent = payment.get("payment_intent")
        found["payment_intent"] = intent["id"] if isinstance(intent, dict) else intent
        found["charge"] = intent.get("latest_charge") if isinstance(intent, dict) else None
        for line in found["lines"]["data"]:
            line["price"] = {"id": line.pop("pricing")["price_details"]["price"]}
            line["proration"] = line.pop("parent")["subscription_item_details"]["proration"]
    if kind == "subscription":
        item = found["items"]["data"][0]
        found["current_period_start"] = item.pop("current_period_start")
        found["current_period_end"] = item.pop("current_period_end")
    return found


class Store:
    """The objects, by id, and everything that has happened, the oldest first."""

    def __init__(self, *, livemode=False):
        self.objects, self.events = {}, []
        self.livemode = livemode
        self.offset_s = 0
        self._numbers = itertools.count(1)

    def now(self):
        return int(time.time()) + self.offset_s

    def new(self, prefix, kind, **fields):
        made = {
            "id": f"{prefix}_{next(self._numbers):08d}",
            "object": kind,
            "livemode": self.livemode,
            "created": self.now(),
            "metadata": {},
        } | fields
        self.objects[made["id"]] = made
        return made

    def get(self, id_):
        if id_ not in self.objects:
            raise Missing(id_)
        return self.objects[id_]

    def tell(self, kind, about, era="basil"):
        """Note that something has happened, with the object as it is now."""
        event = {
            "id": f"evt_{next(self._numbers):08d}",
            "object": "event",
            "type": kind,
            "created": self.now(),
            "livemode": self.livemode,
            "api_version": VERSIONS[era],
            "data": {"object": copy.deepcopy(about)},
        }
        self.events.append(event)
        return event

    def told(self, *kinds, era="basil", since=0):
        """What has happened, in the shape of a version."""
        return [
            event | {"api_version": VERSIONS[era], "data": {"object": shaped(event["data"]["object"], era)}}
            for event in self.events[since:]
            if not kinds or event["type"] in kinds
        ]

    # What we ask for.

    def make_customer(self, params):
        return self.new("cus", "customer", **params)

    def make_product(self, params):
        return self.new("prod", "product", **params)

    def make_price(self, params):
        params = dict(params)
        if params.pop("transfer_lookup_key", None):
            for price in self._all("price"):
                if price["lookup_key"] == params["lookup_key"]:
                    price["lookup_key"] = None
        return self.new(
            "price", "price", **({"active": True, "recurring": None, "lookup_key": None} | params)
        )

    def prices(self, lookup_keys):
        return [price for price in self._all("price") if price["lookup_key"] in lookup_keys]

    def make_session(self, params):
        self.get(params["customer"])
        price = self.get(params["line_items"][0]["price"])
        amount = price["unit_amount"] * int(params["line_items"][0]["quantity"])
        made = self.new(
            "cs_test",
            "checkout.session",
            mode=params["mode"],
            status="open",
            payment_status="unpaid",
            customer=params["customer"],
            client_reference_id=params.get("client_reference_id"),
            currency=price["currency"],
            amount_subtotal=amount,
            amount_total=amount,
            total_details={"amount_discount": 0, "amount_tax": 0, "amount_shipping": 0},
            payment_intent=None,
            subscription=None,
            invoice=None,
            expires_at=self.now() + 86_400,
        )
        made["metadata"] = params.get("metadata", {})
        made["url"] = f"https://checkout.stripe.test/{made['id']}"
        made["asked"] = params
        return made

    def make_portal(self, params):
        self.get(params["customer"])
        made = self.new("bps", "billing_portal.session", **params)
        made["url"] = f"https://billing.stripe.test/{made['id']}"
        return made

    def change_subscription(self, id_, params):
        sub = self.get(id_)
        item = sub["items"]["data"][0]
        if "cancel_at_period_end" in params:
            sub["cancel_at_period_end"] = params["cancel_at_period_end"] in {True, "true", "True"}
        if "items" in params:
            before, after = item["price"], self.get(params["items"][0]["price"])
            if params.get("proration_behavior") == "always_invoice" and before["id"] != after["id"]:
                if sub.get("refuses"):
                    raise PaymentRefused("Your card was declined.")
                rest = (item["current_period_end"] - self.now()) / MONTH_S
                difference = round((after["unit_amount"] - before["unit_amount"]) * rest)
                lines = [
                    self._line(before, item, -round(before["unit_amount"] * rest), proration=True),
                    self._line(after, item, round(after["unit_amount"] * rest), proration=True),
                ]
                item["price"] = after
                self._invoice(sub, "subscription_update", max(difference, 0), lines)
            item["price"] = after
        self.tell("customer.subscription.updated", sub)
        return sub

    # What buyers, banks and time do.

    def pay(self, session_id, *, discount=0, delayed=False, receipt=False, amount=None):
        """The buyer pays on the page."""
        session = self.get(session_id)
        session["amount_total"] -= discount
        session["total_details"]["amount_discount"] = discount
        if amount is not None:
            session["amount_subtotal"] = session["amount_total"] = amount
        session["status"] = "complete"
        if session["mode"] == "subscription":
            return self._subscribe(session)
        if session["amount_total"] == 0:
            session["payment_status"] = "no_payment_required"
        elif delayed:
            session["payment_intent"] = self._intent(session)["id"]
        else:
            self._paid(session)
        self.tell("checkout.session.completed", session)
        if receipt:
            self._receipt(session)
        return session

    def succeed(self, session_id):
        """A payment that takes days has come."""
        session = self.get(session_id)
        self._paid(session)
        self.tell("checkout.session.async_payment_succeeded", session)

    def fail(self, session_id):
        self.tell("checkout.session.async_payment_failed", self.get(session_id))

    def expire(self, session_id):
        session = self.get(session_id)
        session["status"] = "expired"
        self.tell("checkout.session.expired", session)

    def renew(self, sub_id):
        """The next month is paid."""
        sub = self.get(sub_id)
        item = sub["items"]["data"][0]
        item["current_period_start"] = item["current_period_end"]
        item["current_period_end"] += MONTH_S
        sub["status"] = "active"
        invoice = self._invoice(sub, "subscription_cycle", item["price"]["unit_amount"])
        self.tell("customer.subscription.updated", sub)
        return invoice

    def fail_renewal(self, sub_id):
        sub = self.get(sub_id)
        item = sub["items"]["data"][0]
        item["current_period_start"] = item["current_period_end"]
        item["current_period_end"] += MONTH_S
        sub["status"] = "past_due"
        invoice = self._invoice(sub, "subscription_cycle", item["price"]["unit_amount"], paid=False)
        self.tell("customer.subscription.updated", sub)
        return invoice

    def refuse_cards(self, sub_id):
        """From now on the bank refuses."""
        self.get(sub_id)["refuses"] = True

    def end_subscription(self, id_):
        """As Stripe: what has ended cannot be ended."""
        if self.get(id_)["status"] == "canceled":
            raise Missing(id_)
        self.end(id_)
        return self.get(id_)

    def delete_customer(self, id_):
        customer = self.get(id_)
        for sub in self._all("subscription"):
            if sub["customer"] == id_ and sub["status"] != "canceled":
                self.end(sub["id"])
        del self.objects[id_]
        self.tell("customer.deleted", customer)
        return {"id": id_, "object": "customer", "deleted": True}

    def end(self, sub_id):
        """The subscription is over."""
        sub = self.get(sub_id)
        sub["status"] = "canceled"
        self.tell("customer.subscription.deleted", sub)

    def refund(self, charge_id, amount):
        charge = self.get(charge_id)
        charge["amount_refunded"] += amount
        self.tell("charge.refunded", charge)
        made = self.new("re", "refund", charge=charge_id, amount=amount, status="succeeded")
        self.tell("refund.created", made)

    def unrefund(self, charge_id, amount):
        """A refund has failed: the money is back."""
        self.get(charge_id)["amount_refunded"] -= amount
        made = self.new("re", "refund", charge=charge_id, amount=amount, status="failed")
        self.tell("refund.failed", made)

    def dispute(self, charge_id, amount=None):
        charge = self.get(charge_id)
        charge["disputed"] = True
        made = self.new(
            "du",
            "dispute",
            charge=charge_id,
            payment_intent=charge["payment_intent"],
            amount=charge["amount"] if amount is None else amount,
            status="needs_response",
        )
        self.tell("charge.dispute.created", made)
        return made

    def close_dispute(self, dispute_id, status):
        made = self.get(dispute_id)
        made["status"] = status
        self.tell("charge.dispute.closed", made)

    def charge_of(self, session_or_invoice):
        """The charge behind a checkout or an invoice."""
        found = self.get(session_or_invoice)
        intent = (
            found.get("payment_intent") or found["payments"]["data"][0]["payment"]["payment_intent"]["id"]
        )
        return self.get(intent if isinstance(intent, str) else intent["id"])["latest_charge"]

    def _subscribe(self, session):
        asked = session["asked"]
        price = self.get(asked["line_items"][0]["price"])
        data = asked.get("subscription_data", {})
        trial = int(data.get("trial_period_days") or 0)
        start = self.now()
        end = start + (trial * 86_400 if trial else MONTH_S)
        sub = self.new(
            "sub",
            "subscription",
            customer=session["customer"],
            status="trialing" if trial else "incomplete",
            cancel_at_period_end=False,
            trial_end=end if trial else None,
            latest_invoice=None,
        )
        sub["metadata"] = data.get("metadata", {})
        sub["items"] = {
            "object": "list",
            "data": [
                {
                    "id": f"si_{next(self._numbers):08d}",
                    "object": "subscription_item",
                    "price": price,
                    "quantity": 1,
                    "current_period_start": start,
                    "current_period_end": end,
                }
            ],
        }
        session["subscription"] = sub["id"]
        self.tell("customer.subscription.created", sub)
        discount = session["total_details"]["amount_discount"]
        self._invoice(
            sub,
            "subscription_create",
            0 if trial else price["unit_amount"] - discount,
            [self._line(price, sub["items"]["data"][0], 0 if trial else price["unit_amount"])],
        )
        if not trial:
            sub["status"] = "active"
            self.tell("customer.subscription.updated", sub)
        session["payment_status"] = "no_payment_required" if trial else "paid"
        session["invoice"] = sub["latest_invoice"]
        self.tell("checkout.session.completed", session)
        return session

    def _invoice(self, sub, reason, amount, lines=None, *, paid=True):
        item = sub["items"]["data"][0]
        made = self.new(
            "in",
            "invoice",
            customer=sub["customer"],
            billing_reason=reason,
            status="open",
            amount_paid=0,
            total=amount,
            currency=item["price"]["currency"],
            parent={
                "type": "subscription_details",
                "subscription_details": {"subscription": sub["id"], "metadata": sub["metadata"]},
            },
            payments={"object": "list", "data": []},
        )
        made["lines"] = {
            "object": "list",
            "data": lines or [self._line(item["price"], item, item["price"]["unit_amount"])],
        }
        sub["latest_invoice"] = made["id"]
        self.tell("invoice.created", made)
        if not paid:
            self.tell("invoice.payment_failed", made)
            return made
        return self.pay_invoice(made["id"])

    def pay_invoice(self, invoice_id):
        made = self.get(invoice_id)
        made["status"], made["amount_paid"] = "paid", made["total"]
        if made["total"]:
            intent = self._intent({"amount_total": made["total"]} | made)
            charge = self._charge(intent)
            intent["latest_charge"] = charge["id"]
            made["payments"]["data"] = [
                {
                    "object": "invoice_payment",
                    "status": "paid",
                    "payment": {"type": "payment_intent", "payment_intent": intent},
                }
            ]
            self.tell("charge.succeeded", charge)
        self.tell("invoice.paid", made)
        self.tell("invoice.payment_succeeded", made)
        return made

    def _receipt(self, session):
        """The invoice of a single purchase."""
        made = self.new(
            "in",
            "invoice",
            customer=session["customer"],
            billing_reason="manual",
            status="paid",
            amount_paid=session["amount_total"],
            total=session["amount_total"],
            currency=session["currency"],
            parent=None,
            payments={"object": "list", "data": []},
            lines={"object": "list", "data": []},
        )
        self.tell("invoice.paid", made)
        self.tell("invoice.payment_succeeded", made)

    def _paid(self, session):
        intent = self.objects.get(session["payment_intent"]) or self._intent(session)
        session["payment_intent"] = intent["id"]
        charge = self._charge(intent)
        intent["latest_charge"], intent["status"] = charge["id"], "succeeded"
        session["payment_status"] = "paid"
        self.tell("payment_intent.succeeded", intent)
        self.tell("charge.succeeded", charge)

    def _intent(self, about):
        return self.new(
            "pi",
            "payment_intent",
            customer=about["customer"],
            amount=about["amount_total"],
            currency=about["currency"],
            status="processing",
            latest_charge=None,
            metadata=about.get("asked", {}).get("payment_intent_data", {}).get("metadata", {}),
        )

    def _charge(self, intent):
        return self.new(
            "ch",
            "charge",
            customer=intent["customer"],
            payment_intent=intent["id"],
            amount=intent["amount"],
            amount_refunded=0,
            disputed=False,
            status="succeeded",
            currency=intent["currency"],
            metadata=dict(intent["metadata"]),
        )

    def _line(self, price, item, amount, *, proration=False):
        return {
            "object": "line_item",
            "amount": amount,
            "quantity": 1,
            "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
            "pricing": {"type": "price_details", "price_details": {"price": price["id"]}},
            "parent": {
                "type": "subscription_item_details",
                "subscription_item_details": {"proration": proration},
            },
        }

    def _all(self, kind):
        return [found for found in self.objects.values() if found["object"] == kind]

    def disputes(self, charge_id):
        return [found for found in self._all("dispute") if found["charge"] == charge_id]

    def made(self, kind, since, until):
        """What of a kind was made from one moment to before another, the newest first."""
        found = [each for each in self._all(kind) if since <= each["created"] < until]
        return sorted(found, key=lambda each: (each["created"], each["id"]), reverse=True)

    def invoice_of(self, intent):
        """The ids of the invoices that a payment has paid."""
        return [
            invoice["id"]
            for invoice in self._all("invoice")
            for each in invoice["payments"]["data"]
            if each["payment"]["payment_intent"]["id"] == intent
        ]

    def session(self, id_):
        """A checkout with its payment intent."""
        found = copy.deepcopy(self.get(id_))
        found.pop("asked", None)
        if found["payment_intent"]:
            found["payment_intent"] = copy.deepcopy(self.get(found["payment_intent"]))
        return found
