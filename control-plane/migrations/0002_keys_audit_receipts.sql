-- Who may use the API. The key itself is not kept, only its SHA-256. A name is never given twice, so
-- that a name in the audit means one key.
CREATE TABLE api_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
);

-- Who did what: one row for each change of the model and of the keys, and for each token that was
-- signed, written with it and never touched again. An id sorts by time and is fixed in width. What a
-- change of the model said before and after is in `changes`, under its revision.
CREATE TABLE audit (
    id         TEXT NOT NULL PRIMARY KEY,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    peer       TEXT,
    user_agent TEXT,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    revision   BIGINT,
    reason     TEXT,
    detail     TEXT
);

CREATE INDEX audit_by_target ON audit (kind, key, id);

CREATE INDEX audit_by_actor ON audit (actor, id);

-- Changes from before there was an audit, at the second that they were made in.
INSERT INTO audit (id, at, actor, action, kind, key, revision, reason)
SELECT REPLACE(REPLACE(SUBSTR(at, 1, 19), '-', ''), ':', '') || '000-'
           || SUBSTR(CAST(10000000000000000 + revision AS TEXT), 2) || '-0000000000000000',
       at, actor, action, kind, key, revision, reason
FROM changes;

-- What was answered to a write that carried an idempotency key, so that it is answered again and not
-- made again. Kept for a day.
CREATE TABLE receipts (
    actor               TEXT   NOT NULL,
    idempotency_key     TEXT   NOT NULL,
    fingerprint         TEXT   NOT NULL,
    at                  TEXT   NOT NULL,
    status              BIGINT NOT NULL,
    revision            BIGINT,
    document_created_at TEXT,
    PRIMARY KEY (actor, idempotency_key)
);

CREATE INDEX receipts_by_time ON receipts (at);
