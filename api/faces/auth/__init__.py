"""`/auth/v1`, as the clients of Supabase Auth call it; the rules are in `domain.auth`."""
