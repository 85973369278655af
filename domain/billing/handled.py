"""The two ends of an event that moves nothing."""


class Ignore(Exception):
    """It is none of our business; the reason is kept with the event."""


class Park(Exception):
    """It might be, and does not fit: somebody has to look, and nothing is moved until then."""
