from embedded import stack as stacks


async def test_the_shared_stack_runs(stack):
    assert set(stacks.environment(stack)) >= {"DATABASE_URL", "REDIS_URL", "OPENSEARCH_URL"}
