"""The faces that clients of others speak to, each with its own shapes and errors; not in our OpenAPI."""
