-- What the model is: one row for each thing in it. Plain SQL that SQLite and PostgreSQL both run.
CREATE TABLE documents (
    kind       TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    created_at TEXT   NOT NULL,
    updated_at TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    PRIMARY KEY (kind, key)
);

-- How it came to be: one row for each change, written with the change and never touched again. The
-- primary key is also what keeps two writers from making the same revision.
CREATE TABLE changes (
    revision        BIGINT NOT NULL PRIMARY KEY,
    at              TEXT   NOT NULL,
    actor           TEXT   NOT NULL,
    action          TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    key             TEXT   NOT NULL,
    revision_before BIGINT,
    body_before     TEXT,
    body_after      TEXT,
    reason          TEXT
);

CREATE INDEX changes_by_document ON changes (kind, key, revision);
