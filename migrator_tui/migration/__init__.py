"""The steps of a migration, and the runner that owns the threads that take them."""
