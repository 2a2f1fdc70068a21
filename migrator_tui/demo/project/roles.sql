-- The roles of a project. They belong to the whole server; run under a lock, once a server.
-- A real project's login role is called postgres; here that name is the embedded server's superuser.
DO $roles$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anon') THEN
        CREATE ROLE anon NOLOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
        CREATE ROLE authenticated NOLOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticator') THEN
        CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'authenticator';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'supabase_auth_admin') THEN
        CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE PASSWORD 'supabase_auth_admin';
        ALTER ROLE supabase_auth_admin SET search_path = auth;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'supabase_storage_admin') THEN
        CREATE ROLE supabase_storage_admin LOGIN NOINHERIT CREATEROLE PASSWORD 'supabase_storage_admin';
        ALTER ROLE supabase_storage_admin SET search_path = storage;
    END IF;
    -- Owns the tables on which the project's owner may make policies and triggers. On a real project an extension of
    -- the server (supautils) lets it, without owning them; what an owner could do beyond that, an event trigger refuses.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'project_managed_tables') THEN
        CREATE ROLE project_managed_tables NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'project_owner') THEN
        CREATE ROLE project_owner LOGIN NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD 'project-owner';
        ALTER ROLE project_owner SET search_path = "$user", public, extensions;
        ALTER ROLE project_owner SET statement_timeout = '2min';
        GRANT pg_monitor, pg_signal_backend TO project_owner;
        GRANT anon, authenticated, service_role TO authenticator;
        GRANT anon, authenticated, service_role, authenticator TO project_owner WITH ADMIN OPTION;
        GRANT anon, authenticated, service_role TO supabase_storage_admin;
        GRANT project_managed_tables TO project_owner WITH INHERIT TRUE, SET FALSE;
        GRANT project_managed_tables TO supabase_auth_admin WITH INHERIT TRUE, SET FALSE;
        GRANT project_managed_tables TO supabase_storage_admin WITH INHERIT TRUE, SET FALSE;
        GRANT SET ON PARAMETER session_replication_role TO project_owner;
    END IF;
END
$roles$;
