from domain.imports.seen import SeenKeys


def test_a_key_is_new_once():
    seen = SeenKeys()
    assert seen.add("a")
    assert not seen.add("a")
    assert "a" in seen
    assert "b" not in seen


def test_it_grows_and_forgets_nothing():
    seen = SeenKeys()
    assert all(seen.add(f"key {n}") for n in range(50_000))
    assert len(seen) == 50_000
    assert not any(seen.add(f"key {n}") for n in range(50_000))
    assert not any(f"other {n}" in seen for n in range(50_000))


def test_a_million_keys_take_sixteen_megabytes():
    seen = SeenKeys()
    for n in range(200_000):
        seen.add(str(n))
    assert len(seen._slots) * seen._slots.itemsize <= 200_000 * 24
