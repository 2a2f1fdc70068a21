"""Users on their way into Supabase Auth, and the ids by which tables and paths name them."""
