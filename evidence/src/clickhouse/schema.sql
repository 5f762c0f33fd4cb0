-- The evidence in ClickHouse. Statements end with a semicolon at the end of a line. What stands in braces is
-- filled in by schema.rs: names and engines differ between one server and a cluster.

-- The log: exposures and outcomes, a row each. All rows of a batch have the same `kept`, so an insert is one
-- part of one partition: all of it is there or nothing.
CREATE TABLE IF NOT EXISTS {log} {on_cluster} (
    kept Int64, writer Int64, number Int64, row UInt32, is_outcome Bool,
    experiment LowCardinality(String), unit_type LowCardinality(String), unit FixedString(16),
    plain Nullable(String), time Int64, id UInt64,
    variant LowCardinality(String), served LowCardinality(Nullable(String)), fallback_used Bool,
    reason UInt8, probability Float64, mirror LowCardinality(Nullable(String)),
    service LowCardinality(String), config_version LowCardinality(String), proxy LowCardinality(String),
    request_id String, trace_id String, upstream_cluster LowCardinality(String),
    upstream_host LowCardinality(String), reached_upstream Bool, status UInt16, flags UInt32,
    attempts UInt32, duration_us UInt64, ttfb_us UInt64, ttlb_us UInt64, bytes_in UInt64, bytes_out UInt64,
    outcomes Array(Tuple(String, Float64)),
    INDEX by_time time TYPE minmax GRANULARITY 1,
    INDEX by_unit unit TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_experiment experiment TYPE set(100) GRANULARITY 4)
ENGINE = {merge_tree} PARTITION BY toDate(intDiv(kept, 1000000)) ORDER BY (kept, experiment)
{log_ttl} SETTINGS {durable}, ttl_only_drop_parts = 1;

-- What each writer sent last.
CREATE TABLE IF NOT EXISTS {writers} {on_cluster} (
    writer Int64, number SimpleAggregateFunction(max, Int64))
ENGINE = {aggregating} ORDER BY writer SETTINGS {durable};
CREATE MATERIALIZED VIEW IF NOT EXISTS {writers}_fold {on_cluster} TO {writers} AS
SELECT writer, max(number) AS number FROM {log} GROUP BY writer;

-- Each unit in each experiment: its first exposure, the variants that it saw, and what is summed up of it.
CREATE TABLE IF NOT EXISTS {units} {on_cluster} (
    experiment LowCardinality(String), unit FixedString(16),
    first SimpleAggregateFunction(min, Tuple(Int64, String)),
    lowest SimpleAggregateFunction(min, String), highest SimpleAggregateFunction(max, String),
    requests SimpleAggregateFunction(sum, UInt64), errors SimpleAggregateFunction(sum, UInt64),
    fallbacks SimpleAggregateFunction(sum, UInt64),
    latency SimpleAggregateFunction(sum, Float64), ttfb SimpleAggregateFunction(sum, Float64),
    INDEX by_unit unit TYPE bloom_filter(0.001) GRANULARITY 1)
ENGINE = {aggregating} ORDER BY (experiment, unit) SETTINGS {durable};
CREATE MATERIALIZED VIEW IF NOT EXISTS {units}_fold {on_cluster} TO {units} AS
SELECT experiment, unit, min((time, toString(variant))) AS first,
    min(toString(variant)) AS lowest, max(toString(variant)) AS highest,
    count() AS requests, countIf(status = 0 OR status >= 500) AS errors,
    countIf(fallback_used) AS fallbacks,
    sum(duration_us / 1000) AS latency, sum(ttfb_us / 1000) AS ttfb
FROM {log} WHERE NOT is_outcome AND reached_upstream AND reason != {forced}
GROUP BY experiment, unit;

-- Values of outcomes, from applications and from upstreams, one by one: to what they count follows from the
-- first exposure, which may still become another one. The same outcome sent twice has the same key.
CREATE TABLE IF NOT EXISTS {values} {on_cluster} (
    metric LowCardinality(String), unit FixedString(16), id UInt64,
    experiment LowCardinality(String), time Int64, value Float64, is_outcome Bool,
    writer Int64, number Int64,
    INDEX by_unit unit TYPE bloom_filter(0.001) GRANULARITY 1)
ENGINE = {replacing} ORDER BY (metric, unit, id) SETTINGS {durable};
CREATE MATERIALIZED VIEW IF NOT EXISTS {values}_fold {on_cluster} TO {values} AS
SELECT told.1 AS metric, unit, if(is_outcome, id, cityHash64(writer, number, row, place)) AS id,
    experiment, time, told.2 AS value, is_outcome, writer, number
FROM {log} ARRAY JOIN outcomes AS told, arrayEnumerate(outcomes) AS place
WHERE is_outcome OR (reached_upstream AND reason != {forced});

-- The timeline, and durations as bins of a DDSketch.
CREATE TABLE IF NOT EXISTS {minutes} {on_cluster} (
    experiment LowCardinality(String), minute Int64, variant LowCardinality(String),
    requests SimpleAggregateFunction(sum, UInt64), errors SimpleAggregateFunction(sum, UInt64),
    execution_failures SimpleAggregateFunction(sum, UInt64),
    latency SimpleAggregateFunction(sumMap, Tuple(Array(Int32), Array(UInt64))),
    ttfb SimpleAggregateFunction(sumMap, Tuple(Array(Int32), Array(UInt64))))
ENGINE = {aggregating} ORDER BY (experiment, minute, variant) SETTINGS {durable};
CREATE MATERIALIZED VIEW IF NOT EXISTS {minutes}_fold {on_cluster} TO {minutes} AS
SELECT experiment, time - positiveModulo(time, 60000000) AS minute, variant,
    countIf(reached_upstream) AS requests,
    countIf(reached_upstream AND (status = 0 OR status >= 500)) AS errors,
    countIf(NOT reached_upstream) AS execution_failures,
    sumMapIf([{latency_bin}], [toUInt64(1)], reached_upstream) AS latency,
    sumMapIf([{ttfb_bin}], [toUInt64(1)], reached_upstream AND ttfb_us > 0) AS ttfb
FROM {log} WHERE NOT is_outcome AND reason != {forced}
GROUP BY experiment, minute, variant;

-- What became of requests.
CREATE TABLE IF NOT EXISTS {counts} {on_cluster} (
    experiment LowCardinality(String),
    exposures SimpleAggregateFunction(sum, UInt64),
    execution_failures SimpleAggregateFunction(sum, UInt64),
    forced SimpleAggregateFunction(sum, UInt64), fallbacks SimpleAggregateFunction(sum, UInt64))
ENGINE = {aggregating} ORDER BY experiment SETTINGS {durable};
CREATE MATERIALIZED VIEW IF NOT EXISTS {counts}_fold {on_cluster} TO {counts} AS
SELECT experiment, countIf(reached_upstream AND reason != {forced}) AS exposures,
    countIf(NOT reached_upstream AND reason != {forced}) AS execution_failures,
    countIf(reason = {forced}) AS forced,
    countIf(reached_upstream AND reason != {forced} AND fallback_used) AS fallbacks
FROM {log} WHERE NOT is_outcome GROUP BY experiment;

-- What is measured, where readers go on, and the schema's version: the newest of each name counts.
CREATE TABLE IF NOT EXISTS {settings} {on_cluster} (name String, value String, at Int64)
ENGINE = {replacing_at} ORDER BY name SETTINGS {durable};
-- The first that is inserted with its token is the only one.
CREATE TABLE IF NOT EXISTS {secrets} {on_cluster} (name String, secret FixedString(32))
ENGINE = {merge_tree} ORDER BY name SETTINGS {durable};
