"""OpenSearch as a child process: its jars, its Java runtime and its node, all from package registries."""
