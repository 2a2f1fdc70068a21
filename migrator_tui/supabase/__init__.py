"""What Supabase adds to Postgres: kinds of connections, who may see what, users, files, migration files."""
