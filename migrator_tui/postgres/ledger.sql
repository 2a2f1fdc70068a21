-- Everything that the program keeps on a target, in the schema migrator. Version 2.
-- Run in one transaction; every statement may be run again.

CREATE SCHEMA IF NOT EXISTS migrator;
REVOKE ALL ON SCHEMA migrator FROM PUBLIC;
COMMENT ON SCHEMA migrator IS 'migrator_tui: ledger, quarantine and undo journal of migrations. "migrator-tui clean RUN" removes what a run left here.';

CREATE TABLE IF NOT EXISTS migrator.version (
    version integer PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO migrator.version (version) VALUES (2) ON CONFLICT DO NOTHING;

-- One row a run. Whoever writes for a run first takes this row FOR SHARE and proves that the fence is still its own;
-- a process that takes a run over raises the fence.
CREATE TABLE IF NOT EXISTS migrator.run (
    id text PRIMARY KEY,
    fence bigint NOT NULL DEFAULT 1,
    state text NOT NULL,
    source_sha256 text NOT NULL,
    server_identity text NOT NULL,
    plan_sha256 text,
    audit_count bigint,
    audit_head text,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    undone_at timestamptz
);

-- The backends that a run's workers hold, so that a process that takes it over can end them. A separate table:
-- an UPDATE of migrator.run would wait for every chunk in flight.
CREATE TABLE IF NOT EXISTS migrator.backend (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    pid integer NOT NULL,
    started timestamptz NOT NULL,
    PRIMARY KEY (run, pid, started)
);

-- What a run did besides chunks, one row a step: what was published, in which order, and what undoing needs.
CREATE TABLE IF NOT EXISTS migrator.step (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    name text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, name)
);

-- A chunk commits in one transaction with its rows: the row is here if and only if the rows are staged.
CREATE TABLE IF NOT EXISTS migrator.chunk (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    tbl text NOT NULL,
    seq integer NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    staged_rows bigint NOT NULL,
    quarantined_rows bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (run, tbl, seq)
);

-- Source rows that stay behind, whole. cells: {column: [storage class, base64 of the bytes]}, because text and
-- jsonb cannot hold NUL.
CREATE TABLE IF NOT EXISTS migrator.quarantine (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    tbl text NOT NULL,
    src bigint NOT NULL,
    row_key text NOT NULL,
    finding text NOT NULL,
    reason text NOT NULL,
    cells jsonb NOT NULL,
    PRIMARY KEY (run, tbl, src)
);

-- Source key -> target key, where a row got another one.
CREATE TABLE IF NOT EXISTS migrator.key_map (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    tbl text NOT NULL,
    source_key jsonb NOT NULL,
    target_key jsonb NOT NULL,
    PRIMARY KEY (run, tbl, source_key)
);

-- What publishing wrote into live tables, replayed backwards by undo. before: the row as it was (NULL for an
-- insert); after_hash: of the row as it was written, so that a later edit is never overwritten.
CREATE TABLE IF NOT EXISTS migrator.undo (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    tbl text NOT NULL,
    key jsonb NOT NULL,
    op text NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
    before jsonb,
    after_hash text NOT NULL,
    PRIMARY KEY (run, seq)
);

-- Values that a decision let lose, from either side.
CREATE TABLE IF NOT EXISTS migrator.archive (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    tbl text NOT NULL,
    key jsonb NOT NULL,
    side text NOT NULL CHECK (side IN ('source', 'target')),
    cells jsonb NOT NULL,
    PRIMARY KEY (run, seq)
);

-- The last common state of both ends, per key: what a three-way comparison starts from.
CREATE TABLE IF NOT EXISTS migrator.base (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    tbl text NOT NULL,
    key jsonb NOT NULL,
    cells jsonb NOT NULL,
    PRIMARY KEY (run, tbl, key)
);

-- Users of Supabase Auth that a run makes, or found there. The row is written with state 'intended' before a user is
-- made over the API, so that a crash leaves none that nobody knows of.
CREATE TABLE IF NOT EXISTS migrator.auth_user (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    source_key text NOT NULL,
    user_id uuid NOT NULL,
    email text,
    state text NOT NULL CHECK (state IN ('intended', 'made', 'matched', 'left', 'undone')),
    detail jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, source_key)
);

-- Objects of Supabase Storage that a run uploads, or found there; intended before, made after. upload_url: of a
-- resumable upload that has begun.
CREATE TABLE IF NOT EXISTS migrator.object (
    run text NOT NULL REFERENCES migrator.run ON DELETE CASCADE,
    bucket text NOT NULL,
    key text NOT NULL,
    path text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text,
    state text NOT NULL CHECK (state IN ('intended', 'made', 'matched', 'left', 'undone')),
    upload_url text,
    detail jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, bucket, key)
);
