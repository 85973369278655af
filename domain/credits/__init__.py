"""The books of credits: every movement is an entry of a ledger that only grows.

`books` opens an account, `movements` are the ways credits come and go, `holds` set credits aside for slow
work, `months` grants what a plan gives, `statement` is for reading, `reconcile` for checking.
"""
