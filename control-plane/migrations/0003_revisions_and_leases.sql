-- A replica reads what others changed since the revision that it knows.
CREATE INDEX documents_by_revision ON documents (revision);

-- Who may do what only one replica at a time may, until when: milliseconds of the database's own clock
-- since 1970. Used where a database has no advisory locks.
CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Whoever holds this row locked may commit: the next in line waits, and then writes on what is there.
INSERT INTO leases (name, holder, expires_at) VALUES ('writer', '', 0);
