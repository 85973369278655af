from domain.imports.seen import SeenKeys


def test_a_key_is_new_once():
    seen = SeenKeys()
    assert seen.add("a")
    assert not seen.add("a")
    assert "a" in seen
    assert "b" not in seen


def test_it_grows_and_forgets_nothing():
    seen = SeenKeys()
    for batch in range(50):
        assert all(seen.add(f"key {n}") for n in range(batch * 1000, batch * 1000 + 1000))
        seen.keep()
    assert len(seen) == 50_000
    assert not any(seen.add(f"key {n}") for n in range(50_000))
    assert not any(f"other {n}" in seen for n in range(50_000))


def test_a_million_keys_take_sixteen_megabytes():
    seen = SeenKeys()
    for n in range(200_000):
        seen.add(str(n))
    seen.keep()
    assert len(seen._slots) * seen._slots.itemsize <= 200_000 * 24


def test_a_batch_that_fails_has_met_nothing():
    seen = SeenKeys()
    seen.add("a")
    seen.keep()
    seen.add("b")
    seen.forget()
    assert ("a" in seen, "b" in seen, len(seen)) == (True, False, 1)
