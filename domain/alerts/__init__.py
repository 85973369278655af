"""Alerts of saved ICPs: who has come to fit, who no longer does, and what has changed about those who do.

`watching` turns them on with a `baseline`; `evaluation` compares what the index feed has applied with the
state before; `feed` reads the events; `subscriptions` say where else they go, `delivery` brings them there.
"""
