"""The safeguards of credits and payments, and of the keys under which a call is carried out once."""

from tests.chaos.planted import Mutant

OVER_HTTP = "tests/api/test_credits.py"
KEYS = "tests/api/test_idempotency.py"
DELIVERIES = "tests/api/test_billing.py"
PAYMENTS = "tests/domain/billing/test_payments.py"
RETURNS = "tests/domain/billing/test_returns.py"
LEDGER = "tests/domain/credits/test_movements.py"
SETTLING = "tests/domain/credits/test_settling.py"
MONTHS = "tests/domain/credits/test_months.py"
REPORTS = "tests/api/test_reports.py"
OUTCOMES = "tests/domain/emails/test_checks.py"
LIMITS = "tests/api/test_plan_limits.py"
READING = "tests/domain/test_unlocks.py"
TESTS = (
    OVER_HTTP,
    KEYS,
    DELIVERIES,
    PAYMENTS,
    RETURNS,
    LEDGER,
    SETTLING,
    MONTHS,
    REPORTS,
    OUTCOMES,
    LIMITS,
    READING,
)

MUTANTS = (
    Mutant(
        "the account's row is not locked",
        "domain/credits/books.py",
        "WHERE u.id = :user_id FOR NO KEY UPDATE OF u",
        "WHERE u.id = :user_id",
        (f"{SETTLING}::test_29_of_all_who_spend_the_last_credits_at_once_as_many_win_as_there_are",),
    ),
    Mutant(
        "more is spent than there is",
        "domain/credits/books.py",
        "        if self.balance < credits_:",
        "        if self.balance < -credits_:",
        (
            f"{LEDGER}::test_what_is_granted_can_be_spent_and_no_more",
            f"{OVER_HTTP}::test_too_little_credit_is_402_with_the_figures",
        ),
    ),
    Mutant(
        "a stopped account spends on",
        "domain/credits/books.py",
        "        if self.frozen_because is not None:",
        "        if False:",
        (f"{LEDGER}::test_a_frozen_account_does_not_spend",),
    ),
    Mutant(
        "what is owned is paid for again",
        "domain/unlocks.py",
        "    if field in person.owned:",
        "    if False:",
        (f"{OVER_HTTP}::test_an_address_is_paid_once_and_then_shows_everywhere",),
    ),
    Mutant(
        "what was paid for and lost is paid for again",
        "domain/unlocks.py",
        "0 if is_paid else UNLOCK_CREDITS[field]",
        "UNLOCK_CREDITS[field]",
        (f"{OVER_HTTP}::test_what_was_paid_for_and_lost_comes_back_for_nothing",),
    ),
    Mutant(
        "what is not there is paid for",
        "domain/unlocks.py",
        '    if value is None:\n        return Item(ident, field, "empty")\n',
        "",
        (f"{OVER_HTTP}::test_what_is_not_there_costs_nothing",),
    ),
    Mutant(
        "a dry run takes credits",
        "domain/unlocks.py",
        "    if dry_run:\n",
        "    if dry_run and not total:\n",
        (f"{OVER_HTTP}::test_a_dry_run_tells_the_cost_of_each_and_takes_nothing",),
    ),
    Mutant(
        "a call costs more than it allows",
        "domain/unlocks.py",
        "if max_credits is not None and total > max_credits:",
        "if max_credits is not None and total < 0:",
        (f"{OVER_HTTP}::test_a_bulk_is_all_or_nothing_and_stops_hard",),
    ),
    Mutant(
        "an account is taken to be as small as it was",
        "db/migrations/versions/2026-11-26_accounts_that_grow.py",
        "ALTER COLUMN user_id SET (n_distinct = -0.01)",
        "ALTER COLUMN user_id SET (n_distinct = 0)",
        (READING,),
    ),
    Mutant(
        "a bulk goes by the plan of a single one",
        "domain/unlocks.py",
        '{"mode": "force_custom_plan"}',
        '{"mode": "auto"}',
        (READING,),
    ),
    Mutant(
        "an entry has no unique key",
        "db/migrations/versions/2026-11-25_people_and_their_records.py",
        "            CONSTRAINT credit_ledger_entry_key UNIQUE (user_id, kind, reference),\n",
        "",
        (LEDGER,),
    ),
    Mutant(
        "the ledger can be changed",
        "db/migrations/versions/2026-11-25_credits.py",
        "CREATE TRIGGER keep_on_change BEFORE UPDATE OR DELETE ON app.credit_ledger",
        "CREATE TRIGGER keep_on_change BEFORE DELETE ON app.credit_ledger",
        (f"{LEDGER}::test_not_even_the_owner_changes_the_ledger",),
    ),
    Mutant(
        "an entry need not continue the balance",
        "db/migrations/versions/2026-11-25_credits.py",
        "WHERE users.id = due.user_id AND users.credit_balance = due.before;",
        "WHERE users.id = due.user_id;",
        (f"{LEDGER}::test_the_database_refuses_an_entry_that_does_not_fit",),
    ),
    Mutant(
        "a hold is captured twice",
        "domain/credits/holds.py",
        "WHERE id = :id AND state = 'reserved' RETURNING",
        "WHERE id = :id RETURNING",
        (
            f"{LEDGER}::test_a_hold_is_captured_or_voided_and_then_settled",
            f"{SETTLING}::test_36_of_all_who_settle_a_hold_at_once_one_wins",
        ),
    ),
    Mutant(
        "a voided hold gives nothing back",
        "domain/credits/holds.py",
        "    await give_back(session, account, reference=hold.reference, why=why)\n",
        "",
        (f"{LEDGER}::test_a_hold_is_captured_or_voided_and_then_settled",),
    ),
    Mutant(
        "a hold is not voided when nothing was found",
        "domain/emails/asking.py",
        "        await holds.void(session, hold_id=hold_id, why=why)\n",
        "        pass\n",
        (OUTCOMES,),
    ),
    Mutant(
        "work that never comes back keeps its credits",
        "domain/credits/months.py",
        "    if not account.has_stale_holds:\n",
        "    if True:\n",
        (
            f"{SETTLING}::test_35_work_that_never_comes_back_costs_nothing_after_its_time",
            f"{LEDGER}::test_a_hold_that_nobody_settles_expires_and_the_credits_are_back",
        ),
    ),
    Mutant(
        "credits never expire",
        "domain/credits/months.py",
        "        if grant.remaining and grant.expires_at and grant.expires_at <= account.now:\n",
        "        if False:\n",
        (f"{LEDGER}::test_an_expired_grant_cannot_be_spent_and_is_written_off",),
    ),
    Mutant(
        "a month is given again once it is used up",
        "domain/credits/months.py",
        '    if await books.find(session, user_id=account.user_id, kind="granted", reference=reference):\n',
        "    if False:\n",
        (f"{MONTHS}::test_a_month_that_is_used_up_is_not_given_again",),
    ),
    Mutant(
        "a refund without its once-only key",
        "domain/credits/movements.py",
        'kind="refunded", reference=reference)\n    if done is not None:',
        'kind="refunded", reference=reference)\n    if False:',
        (f"{LEDGER}::test_a_refund_comes_once_and_only_for_what_was_paid",),
    ),
    Mutant(
        "a purchase without its business key",
        "domain/billing/payments.py",
        'found.payment_intent or found.id, f"session:{found.id}"',
        'found.payment_intent or found.id, f"session:{found.id}:{id(found)}"',
        (f"{PAYMENTS}::test_08_one_session_under_other_event_ids_is_one_purchase",),
    ),
    Mutant(
        "a refund takes its credits as often as it is told",
        "domain/credits/movements.py",
        "    due = total - taken\n    if due <= 0:\n        return None\n    now",
        "    due = total\n    if due <= 0:\n        return None\n    now",
        (f"{RETURNS}::test_20_a_refund_in_parts_doubled_and_shuffled_takes_the_credits_once",),
    ),
    Mutant(
        "what was spent of a refund is no debt",
        "domain/credits/movements.py",
        "        owed_delta=due - now,\n",
        "        owed_delta=0,\n",
        (f"{RETURNS}::test_21_a_refund_of_what_was_spent_is_a_debt",),
    ),
    Mutant(
        "a returned payment is an older answer's",
        "domain/billing/payments.py",
        "WHERE id = :id AND (returns_read_at IS NULL OR returns_read_at < :read_at)",
        "WHERE id = :id",
        (f"{RETURNS}::test_19_a_refund_read_before_the_next_one_takes_nothing_back",),
    ),
    Mutant(
        "an amount that is not our price is taken",
        "domain/billing/payments.py",
        "        or found.amount_subtotal != order.amount_cents\n",
        "",
        (f"{PAYMENTS}::test_25_an_amount_that_is_not_our_price_is_parked",),
    ),
    Mutant(
        "a proration brings a month",
        "domain/billing/payments.py",
        "if line.is_proration or price is None or price.plan_id is None:",
        "if price is None or price.plan_id is None:",
        (f"{PAYMENTS}::test_17_a_month_beside_the_rest_of_an_older_plan_is_a_month",),
    ),
    Mutant(
        "an older state follows a newer one",
        "domain/billing/subscriptions.py",
        "WHERE s.read_at < excluded.read_at AND s.ended_at IS NULL",
        "WHERE s.ended_at IS NULL",
        (f"{PAYMENTS}::test_19_an_answer_to_an_earlier_question_changes_nothing",),
    ),
    Mutant(
        "what has ended begins again",
        "domain/billing/subscriptions.py",
        "WHERE s.read_at < excluded.read_at AND s.ended_at IS NULL",
        "WHERE s.read_at < excluded.read_at",
        (f"{PAYMENTS}::test_18_no_later_word_begins_anew_what_has_ended",),
    ),
    Mutant(
        "whoever was erased is charged on",
        "domain/users.py",
        "    await leaving.ask(session, user_id=user_id)\n",
        "",
        (f"{PAYMENTS}::test_whoever_is_erased_is_charged_no_more_and_forgotten_at_stripe",),
    ),
    Mutant(
        "any signature is good",
        "domain/billing/gateway.py",
        "            continue\n",
        "            return\n",
        (f"{DELIVERIES}::test_01_and_03_what_is_not_signed_with_our_secret_now_is_refused",),
    ),
    Mutant(
        "a signature is good for ever",
        "domain/billing/gateway.py",
        "raw, header, secret, TOLERANCE_S)",
        "raw, header, secret, None)",
        (f"{DELIVERIES}::test_01_and_03_what_is_not_signed_with_our_secret_now_is_refused",),
    ),
    Mutant(
        "a delivery is answered before it is kept",
        "api/routes/billing.py",
        "            await inbox.take_in(session, settings, event)\n",
        "            await inbox.take_in(session, settings, event)\n            await session.rollback()\n",
        (f"{DELIVERIES}::test_07_a_replay_is_answered_the_same_and_stored_once",),
    ),
    Mutant(
        "an event of the other mode is acted upon",
        "domain/billing/inbox.py",
        'found["livemode"] != settings.livemode',
        'found["livemode"] is None',
        (f"{PAYMENTS}::test_26_a_word_of_the_other_mode_is_parked_and_told",),
    ),
    Mutant(
        "the claim of a key is not looked at",
        "api/idempotency.py",
        "        if row.is_running and (",
        "        if False and (",
        (f"{KEYS}::test_a_call_whose_server_died_goes_on_when_its_lease_is_over",),
    ),
    Mutant(
        "the claim of a killed process is held",
        "api/idempotency.py",
        "row.is_running and (row.holder is None or await presence.is_alive(session, row.holder))",
        "row.is_running",
        (f"{KEYS}::test_a_claim_of_a_killed_process_is_free_at_once",),
    ),
    Mutant(
        "an answer that was kept is not given",
        "api/idempotency.py",
        "        if row.response is not None:\n",
        "        if False:\n",
        (f"{OVER_HTTP}::test_33_the_same_key_is_one_charge_and_one_answer",),
    ),
    Mutant(
        "a key is good for another request",
        "api/idempotency.py",
        "        if bytes(row.request_hash) != asked.request_hash:\n",
        "        if False:\n",
        (f"{OVER_HTTP}::test_33_the_same_key_is_one_charge_and_one_answer",),
    ),
    Mutant(
        "two calls under one key run at once",
        "api/idempotency.py",
        "pg_try_advisory_xact_lock(",
        "pg_try_advisory_xact_lock_shared(",
        (
            f"{OVER_HTTP}::test_33_the_same_key_is_one_charge_and_one_answer",
            f"{KEYS}::test_fifteen_checks_under_one_key_are_one_check",
        ),
    ),
    Mutant(
        "a bounce is refunded as often as it is told",
        "domain/reports.py",
        "    if not is_new:\n",
        "    if False:\n",
        (f"{REPORTS}::test_who_said_that_it_arrived_cannot_say_that_it_bounced",),
    ),
    Mutant(
        "a search is paged beyond the plan",
        "search/engine.py",
        "        if depth is not None and given >= depth:\n",
        "        if False:\n",
        (f"{LIMITS}::test_organizations_are_paged_as_deep_too",),
    ),
    Mutant(
        "the database takes any export",
        "db/migrations/versions/2026-11-26_exports_within_the_plan.py",
        "            IF NEW.row_count > allowed THEN\n",
        "            IF false THEN\n",
        (f"{LIMITS}::test_the_database_holds_an_export_to_the_plan",),
    ),
)
