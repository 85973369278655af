"""What everybody may know: `/settings`, `/health`."""

from typing import Final

from api.faces.auth.door import Call, Endpoint, Reply, endpoint

# What the clients look for by name; the others are those of the settings.
_KNOWN: Final = ("anonymous_users", "azure", "email", "github", "google", "phone")


@endpoint("GET", "/settings")
async def show_settings(call: Call) -> Reply:
    chosen = call.settings.sign_in
    configured = set(call.services.sign_in.providers)
    external = {name: name in configured or name == "email" for name in sorted({*_KNOWN, *configured})}
    return Reply(
        {
            "external": external,
            "disable_signup": chosen.signup != "open",
            "mailer_autoconfirm": chosen.confirm == "none",
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
            "passkeys_enabled": False,
            "terms_version": chosen.terms_version,
        }
    )


@endpoint("GET", "/health")
async def health(call: Call) -> Reply:
    await call.database.ping()
    return Reply(
        {"name": "LeadFuel", "version": "v1", "description": "Sign-in as Supabase's clients speak it"}
    )


ENDPOINTS: Final[tuple[Endpoint, ...]] = (show_settings, health)
