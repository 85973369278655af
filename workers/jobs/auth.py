"""The job that answers requests for sign-in mail."""

from domain.auth import asking, letters

NAME = asking.JOB
run = letters.answer
