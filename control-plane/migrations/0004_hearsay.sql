-- What each replica heard of proxies' access logs and counters, for the others: kept for a minute or so.
-- `replica` names a process, `number` counts what it told; `at` is milliseconds since 1970 of its clock.
CREATE TABLE hearsay (
    replica TEXT   NOT NULL,
    number  BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    body    TEXT   NOT NULL,
    PRIMARY KEY (replica, number)
);
