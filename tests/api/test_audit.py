from db.sessions import SERVICE
from domain import audit


async def test_administrators_read_the_audit_log(db, admin, ann):
    async with db.transaction(SERVICE) as session:
        for verb in ("disabled", "enabled"):
            await audit.record(
                session, actor_id=admin.id, action=f"user.{verb}", subject=f"user:{ann.id}", detail={}
            )
    page = (await admin("GET", "/v1/admin/audit", params={"limit": 1})).json()
    assert [entry["action"] for entry in page["results"]] == ["user.enabled"]
    rest = await admin("GET", "/v1/admin/audit", params={"limit": 1, "cursor": page["cursor"]})
    assert [entry["action"] for entry in rest.json()["results"]] == ["user.disabled"]
    found = await admin("GET", "/v1/admin/audit", params={"action": "user.disabled"})
    assert [entry["actor_id"] for entry in found.json()["results"]] == [str(admin.id)]


async def test_nobody_else_reads_it(api, ann):
    assert (await ann("GET", "/v1/admin/audit")).status_code == 403
    assert (await api.get("/v1/admin/audit")).status_code == 401


async def test_bad_questions_are_refused(admin):
    for query in (
        {"cursor": "nonsense"},
        {"actor_id": "me"},
        {"since": "yesterday"},
        {"limit": "0"},
        {"who": "me"},
        {"subject": "\x00"},
    ):
        answer = await admin("GET", "/v1/admin/audit", params=query)
        assert answer.status_code == 422, query
        assert answer.headers["content-type"] == "application/problem+json"
