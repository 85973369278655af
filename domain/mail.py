"""Mail, sent by SMTP: text and HTML of the same paragraphs, through the server that the settings name.

A letter has a key, from which its Message-ID is made: one that is sent twice after a crash carries the same
id both times, and mail programs show it once.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Final
from urllib.parse import unquote, urlsplit

from core import clock
from core.errors import LeadFuelError
from core.settings import MailSettings

TIMEOUT_S: Final = 30.0
_PORTS: Final = {"smtp": 25, "smtps": 465}


class MailNotSent(LeadFuelError):
    """No mail server is set, or it did not take the letter. It is tried again."""

    status = 503
    slug = "mail-not-sent"
    title = "The mail could not be sent"


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address; `html` overrides what is made of the paragraphs."""

    key: str
    to: str
    subject: str
    paragraphs: Sequence[str]
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


async def send(settings: MailSettings, letter: Letter) -> None:
    """Hand a letter to the mail server; raises `MailNotSent`."""
    if not settings.smtp_url:
        raise MailNotSent("SMTP_URL is not set; mail waits until it is.")
    message = compose(settings, letter)
    try:
        await asyncio.to_thread(_deliver, settings.smtp_url, message)
    except (smtplib.SMTPException, OSError) as error:
        raise MailNotSent(f"The mail server did not take the letter ({type(error).__name__}).") from error


def compose(settings: MailSettings, letter: Letter) -> EmailMessage:
    """The message as it goes over the wire. Line breaks in a header are refused by the library itself."""
    message = EmailMessage(policy=SMTP)
    message["From"] = settings.sender
    message["To"] = letter.to
    message["Subject"] = " ".join(letter.subject.split())[:200]
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = (
        f"<{letter.key}@{parseaddr(settings.sender)[1].rpartition('@')[2] or 'localhost'}>"
    )
    # Nobody's holiday notice is wanted.
    message["Auto-Submitted"] = "auto-generated"
    for name, value in letter.headers.items():
        message[name] = value
    foot = [settings.postal_address] if settings.postal_address else []
    message.set_content("\n\n".join([*letter.paragraphs, *foot]) + "\n")
    body = letter.html or _as_html(letter.paragraphs)
    small = "".join(f"<p><small>{escape(line)}</small></p>" for line in foot)
    message.add_alternative(f"<!doctype html><html><body>{body}{small}</body></html>\n", subtype="html")
    return message


def _as_html(paragraphs: Sequence[str]) -> str:
    return "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _deliver(url: str, message: EmailMessage) -> None:
    """Talk to the server, in a thread: STARTTLS where it is offered, a login where the URL has one."""
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
