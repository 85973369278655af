"""The console script `leadfuel`: a table of nouns, each loaded only when it is called."""

import importlib
import sys
from typing import Any

import click

from core.errors import LeadFuelError

# The verb a person types -> the module that has it, as `module:attribute`.
COMMANDS = {
    "stack": "cli.stack:stack",
    "db": "cli.db:db",
    "demo": "cli.demo:demo",
    "import": "cli.imports:import_",
    "search": "cli.search:search",
    "index": "cli.index:index",
    "token": "cli.token:token",
    "user": "cli.user:user",
    "keys": "cli.keys:keys",
    "emails": "cli.emails:emails",
    "credits": "cli.credits:credits_",
    "billing": "cli.billing:billing",
    "jobs": "cli.jobs:jobs",
    "serve": "cli.serve:serve",
    "work": "cli.work:work",
    "run": "cli.run:run",
}


class LazyGroup(click.Group):
    """Loads a command's module when it is named, so that `leadfuel --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from rapidfuzz import process  # noqa: PLC0415 - only for a mistyped command

            near = process.extract(args[0], list(COMMANDS), limit=2, score_cutoff=60)
            if near:
                hint = f"Did you mean {' or '.join(repr(name) for name, *_ in near)}?"
                raise click.UsageError(f"{error.message} {hint}", ctx) from None
            raise


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leadfuel")
def leadfuel() -> None:
    """LeadFuel: a self-hosted backend for B2B lead discovery.

    Every command obeys the URLs in the environment (DATABASE_URL, REDIS_URL, OPENSEARCH_URL); where there
    are none it uses the embedded services of this folder. Exit code 0 means that it did what it was asked.
    """


def main() -> None:
    """Run the command line; a `LeadFuelError` is one line on stderr and exit code 1."""
    try:
        leadfuel(prog_name="leadfuel")
    except LeadFuelError as error:
        click.echo(f"leadfuel: {error.detail}", err=True)
        for problem in error.facts.get("errors") or []:
            allowed = problem.get("allowed")
            hint = f" (did you mean: {', '.join(map(str, allowed))}?)" if allowed else ""
            click.echo(f"  {problem['path']}: {problem['message']}{hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
