"""Selling credits and plans by Stripe.

`ordering` sends people there, `inbox` takes in what Stripe tells, `handling` reads each thing told of again
and lets `payments` and `subscriptions` bring our books to its state. `cloud` says what we ask of Stripe;
`gateway` alone knows its SDK. `objects` reads its objects, of whichever version.
"""
