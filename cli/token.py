"""`leadfuel token`: a bearer token for somebody, who is made a user when there is none."""

import json
from datetime import timedelta

import click

from cli import context
from core.settings import Settings
from db.sessions import SERVICE, Database
from domain import accounts, tokens
from domain.signing.keyring import Keyring


@click.command()
@click.option(
    "--email", required=True, help="Whose token; a user of this address is made when there is none."
)
@click.option("--admin", is_flag=True, help="Make the user an administrator.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long the token is good; by default a day.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the user and the token's end.")
def token(*, email: str, admin: bool, days: int | None, as_json: bool) -> None:
    """Print a bearer token for the API.

    Use it as:  curl -H "Authorization: Bearer $(leadfuel token --email ann@example.com)" …
    """
    settings = context.require_database(context.load_settings())
    tokens.check_secret(settings.auth)
    lifetime = timedelta(days=days) if days else None
    user, made = context.run(_token(settings, email=email, admin=admin, lifetime=lifetime))
    if as_json:
        answer = {
            "token": made.text,
            "expires_at": made.expires_at.isoformat(),
            "user_id": str(user.id),
            "email": user.email,
            "role": user.role,
        }
        click.echo(json.dumps(answer))
    else:
        click.echo(made.text)


async def _token(
    settings: Settings, *, email: str, admin: bool, lifetime: timedelta | None
) -> tuple[accounts.User, tokens.Token]:
    database = Database(settings.database)
    try:
        async with database.transaction(SERVICE) as session:
            user = await accounts.find_or_create_user(session, email=email, admin=admin)
        return user, await tokens.mint(Keyring(settings.auth, database), user_id=user.id, lifetime=lifetime)
    finally:
        await database.close()
