"""How people get an account and sign in.

`people` are those who can, `passwords` are hashed and judged, `sessions` are opened and go on, `signup` makes
accounts, `asking` takes requests for mail and `letters` answers them, `onetime` redeems what the mails carry,
`flows` are sign-ins that go by a browser, `providers` are those who vouch for others and `federation` is how
somebody signs in by one, `account` is what people change, `managing` is for the service.
"""
