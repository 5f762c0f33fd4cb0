-- The evidence in PostgreSQL. Names begin with evidence_: the model may be in the same database.

-- The log: batches as they came. Its numbers are given under the lock of evidence_head's row, so that
-- whoever reads up to a number misses none that is committed later.
CREATE TABLE IF NOT EXISTS evidence_head (only_row BOOLEAN PRIMARY KEY CHECK (only_row), last BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_log (
    id BIGINT PRIMARY KEY, experiment TEXT, entries BIGINT NOT NULL,
    first_time BIGINT NOT NULL, last_time BIGINT NOT NULL, data BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_writers (writer BIGINT PRIMARY KEY, number BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_outcome_keys (
    key BIGINT PRIMARY KEY, unit BYTEA NOT NULL, time BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_bookmarks (reader TEXT PRIMARY KEY, place BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_secrets (name TEXT PRIMARY KEY, secret BYTEA NOT NULL);

-- What is folded from it. Whoever folds holds the row of evidence_progress.
CREATE TABLE IF NOT EXISTS evidence_progress (
    only_row BOOLEAN PRIMARY KEY CHECK (only_row), folded BIGINT NOT NULL, measures TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_names (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS evidence_units (
    unit BYTEA NOT NULL, experiment INTEGER NOT NULL, first_time BIGINT NOT NULL,
    variant INTEGER NOT NULL, contaminated BOOLEAN NOT NULL, slots BYTEA NOT NULL,
    PRIMARY KEY (unit, experiment));
CREATE TABLE IF NOT EXISTS evidence_histories (unit BYTEA PRIMARY KEY, data BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS evidence_sums (
    experiment INTEGER NOT NULL, measure INTEGER NOT NULL, variant INTEGER NOT NULL,
    day INTEGER NOT NULL, n BIGINT NOT NULL,
    x DOUBLE PRECISION NOT NULL, xx DOUBLE PRECISION NOT NULL, y DOUBLE PRECISION NOT NULL,
    yy DOUBLE PRECISION NOT NULL, xy DOUBLE PRECISION NOT NULL, c DOUBLE PRECISION NOT NULL,
    cc DOUBLE PRECISION NOT NULL, xc DOUBLE PRECISION NOT NULL, yc DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (experiment, measure, variant, day));
CREATE TABLE IF NOT EXISTS evidence_sketches (
    experiment INTEGER NOT NULL, source INTEGER NOT NULL, variant INTEGER NOT NULL,
    data BYTEA NOT NULL, PRIMARY KEY (experiment, source, variant));
CREATE TABLE IF NOT EXISTS evidence_minutes (
    experiment INTEGER NOT NULL, minute BIGINT NOT NULL, variant INTEGER NOT NULL,
    requests BIGINT NOT NULL, errors BIGINT NOT NULL, execution_failures BIGINT NOT NULL,
    latency BYTEA NOT NULL, ttfb BYTEA NOT NULL, PRIMARY KEY (experiment, minute, variant));
CREATE TABLE IF NOT EXISTS evidence_counts (
    experiment INTEGER PRIMARY KEY, exposures BIGINT NOT NULL, execution_failures BIGINT NOT NULL,
    forced BIGINT NOT NULL, fallbacks BIGINT NOT NULL, attributed BIGINT NOT NULL,
    early BIGINT NOT NULL, late BIGINT NOT NULL, orphans BIGINT NOT NULL);

CREATE TABLE IF NOT EXISTS evidence_schema (only_row BOOLEAN PRIMARY KEY CHECK (only_row), version BIGINT NOT NULL);
INSERT INTO evidence_head VALUES (TRUE, 0) ON CONFLICT DO NOTHING;
INSERT INTO evidence_progress VALUES (TRUE, 0, '{}') ON CONFLICT DO NOTHING;
INSERT INTO evidence_schema VALUES (TRUE, 2) ON CONFLICT DO NOTHING;
