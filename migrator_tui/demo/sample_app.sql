-- The sample application: a small learning platform, written the way applications on SQLite are written.

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email VARCHAR(255) NOT NULL UNIQUE,
    password_hash VARCHAR(60) NOT NULL,
    full_name TEXT NOT NULL,
    role VARCHAR(20) NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'teacher', 'member')),
    is_active BOOLEAN NOT NULL DEFAULT 1,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_login DATETIME,
    balance DECIMAL(10,2) NOT NULL DEFAULT 0
);

CREATE TABLE sections (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER REFERENCES sections (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL DEFAULT 0,
    visible BOOLEAN NOT NULL DEFAULT 1
);

CREATE TABLE activities (
    id INTEGER PRIMARY KEY,
    section_id INTEGER NOT NULL REFERENCES sections (id) ON DELETE CASCADE,
    author_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    title TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('exercise', 'quiz', 'essay', 'exam', 'project')),
    due_on DATE,
    points REAL,
    weight NUMERIC(4,2) NOT NULL DEFAULT 1,
    settings TEXT,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME
);
CREATE INDEX activities_by_section ON activities (section_id, due_on);
CREATE INDEX activities_exams ON activities (due_on) WHERE kind = 'exam';
CREATE INDEX activities_by_title ON activities (lower(title));

CREATE TABLE enrolments (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    section_id INTEGER NOT NULL REFERENCES sections (id) ON DELETE CASCADE,
    enrolled_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    progress REAL NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    PRIMARY KEY (user_id, section_id)
) WITHOUT ROWID;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL REFERENCES users (id),
    activity_id INTEGER REFERENCES activities (id) ON DELETE SET NULL,
    filename TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE,
    mime TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    uploaded_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    sender_id INTEGER NOT NULL REFERENCES users (id),
    recipient_id INTEGER NOT NULL REFERENCES users (id),
    thread_id INTEGER REFERENCES messages (id),
    body TEXT NOT NULL,
    preview TEXT GENERATED ALWAYS AS (substr(body, 1, 40)) STORED,
    sent_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    read BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX messages_by_recipient ON messages (recipient_id, sent_at);

CREATE TABLE audit_log (
    event TEXT NOT NULL,
    at TEXT NOT NULL,
    payload BLOB
);

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value
);

CREATE VIEW active_users AS
SELECT id, email, full_name, role
FROM users
WHERE is_active;

CREATE VIEW section_activity AS
SELECT s.id AS section_id, s.title, COUNT(a.id) AS activities, MAX(a.due_on) AS last_due
FROM sections AS s
LEFT JOIN activities AS a ON a.section_id = s.id
GROUP BY s.id, s.title;

CREATE TRIGGER activities_touch AFTER UPDATE ON activities
BEGIN
    UPDATE activities SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
