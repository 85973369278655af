"""`/rest/v1`: the views and functions of schema `public` as unchanged Supabase clients ask for them.

The language is PostgREST's. A request goes through four steps, a module or two each: `grammar` and `query`
read it into values; `plan` resolves these against the `catalogue`, so that every identifier comes from the
database's own; `reads`, `writes` and `calls` render one SQL statement in which every value is a parameter;
`answers` says what came of it. Who may see and change what is decided by the database alone (roles, policies,
column privileges, the view that masks addresses): nothing here knows a rule of the product.
"""
