-- The ledger: what was earned, for ever, and the totals that follow from it.

-- One row per user; its lock orders everything that happens to that user.
-- No index on score (the board ranks), so that every update stays within its page (HOT).
CREATE TABLE score.user_score (
    user_id    text COLLATE "C" PRIMARY KEY,
    score      bigint NOT NULL DEFAULT 0 CHECK (score BETWEEN 0 AND 9007199254740991),
    version    bigint NOT NULL DEFAULT 0,  -- counts every change of this row that travels
    entries    bigint NOT NULL DEFAULT 0,  -- the seq of the last ledger entry
    reached_at timestamptz NOT NULL DEFAULT now(),
    held       boolean NOT NULL DEFAULT false
) WITH (fillfactor = 75);

CREATE TABLE score.score_entry (
    user_id       text COLLATE "C" NOT NULL,
    seq           bigint NOT NULL,
    version       bigint NOT NULL,
    delta         bigint NOT NULL CHECK (delta <> 0),
    balance_after bigint NOT NULL CHECK (balance_after BETWEEN 0 AND 9007199254740991),
    kind          text NOT NULL CHECK (kind IN ('increment', 'reversal', 'adjustment')),
    idem_key      text COLLATE "C" NOT NULL,
    request_hash  bytea NOT NULL,
    fingerprint   bytea,
    reverses_seq  bigint,
    case_id       text,
    actor         text NOT NULL,
    reason        text,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (user_id, seq),
    UNIQUE (user_id, idem_key),
    UNIQUE (user_id, reverses_seq)
);

-- One row per committed batch, deleted when Kafka has acknowledged all of it. Whoever publishes
-- holds a lease; a row whose lease ran out was left behind by a process that died.
-- events: [[user_id, score, version, reached_at in microseconds, kind, held, request_id], …]
CREATE TABLE score.outbox (
    batch_id     uuid PRIMARY KEY,
    events       jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '2 seconds'
);

CREATE TABLE score.board_epoch (
    epoch      bigint PRIMARY KEY,
    board      text NOT NULL,
    region     text NOT NULL,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION score.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON score.score_entry
    FOR EACH ROW EXECUTE FUNCTION score.refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON score.score_entry
    FOR EACH STATEMENT EXECUTE FUNCTION score.refuse_change();

-- PostgreSQL's timeline: grows at each promotion and each point-in-time restore, so that a ledger
-- that went back in time still beats the events of the future it lost.
CREATE FUNCTION score.ledger_epoch() RETURNS bigint LANGUAGE sql AS $$
    SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
$$;

-- A running total that steps over what would pass the limit, and goes on with the next.
CREATE FUNCTION score.capped_add(total bigint, start bigint, delta bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce(total, start) + delta <= 9007199254740991
                THEN coalesce(total, start) + delta ELSE coalesce(total, start) END
$$;
CREATE AGGREGATE score.capped_sum(start bigint, delta bigint) (
    SFUNC = score.capped_add, STYPE = bigint
);

-- Append a batch of increments, in the order given, in one transaction with totals and outbox.
-- Returns one row per item: outcome is accepted | replayed | key_reused | limit_reached; for the
-- first two, version and balance are those of the entry, today and at any later replay. A key that
-- met the limit meets it for the whole batch; nothing is stored of it, so a later batch may pass.
CREATE FUNCTION score.append_increments(
    p_batch uuid, p_users text[], p_keys text[], p_deltas bigint[], p_hashes bytea[],
    p_fingerprints bytea[], p_requests text[]
) RETURNS TABLE (ord bigint, outcome text, version bigint, balance bigint, held boolean,
                 reached_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
BEGIN
    INSERT INTO score.user_score (user_id)
    SELECT DISTINCT u FROM unnest(p_users) AS u ORDER BY u
    ON CONFLICT DO NOTHING;

    -- Always in the order of ids, so that two batches cannot wait for each other.
    PERFORM 1 FROM score.user_score WHERE user_id = ANY (p_users) ORDER BY user_id FOR UPDATE;

    -- A new statement sees what was committed while this one waited for the locks.
    v_now := clock_timestamp();
    RETURN QUERY
    WITH item AS (
        SELECT t.*, row_number() OVER (PARTITION BY t.user_id, t.key ORDER BY t.ord) AS nth
        FROM unnest(p_users, p_keys, p_deltas, p_hashes, p_fingerprints, p_requests)
             WITH ORDINALITY AS t (user_id, key, delta, hash, fingerprint, request, ord)
    ), known AS (
        SELECT i.ord, e.request_hash, e.version, e.balance_after, e.created_at
        FROM item i JOIN score.score_entry e ON e.user_id = i.user_id AND e.idem_key = i.key
    ), fresh AS (
        SELECT i.*, s.score, s.version, s.entries, s.held,
               score.capped_sum(s.score, i.delta) OVER w AS balance
        FROM item i JOIN score.user_score s USING (user_id)
        WHERE i.nth = 1 AND NOT EXISTS (SELECT FROM known k WHERE k.ord = i.ord)
        WINDOW w AS (PARTITION BY i.user_id ORDER BY i.ord)
    ), judged AS (
        SELECT f.*, f.balance <> lag(f.balance, 1, f.score) OVER w AS counts
        FROM fresh f WINDOW w AS (PARTITION BY f.user_id ORDER BY f.ord)
    ), accepted AS (
        SELECT j.user_id, j.key, j.delta, j.hash, j.fingerprint, j.request, j.ord, j.balance,
               j.held, j.version + row_number() OVER w AS version,
               j.entries + row_number() OVER w AS seq,
               -- Who came first in the batch reached it first.
               v_now + j.ord * interval '1 microsecond' AS at
        FROM judged j WHERE j.counts WINDOW w AS (PARTITION BY j.user_id ORDER BY j.ord)
    ), appended AS (
        INSERT INTO score.score_entry (user_id, seq, version, delta, balance_after, kind, idem_key,
                                       request_hash, fingerprint, actor, created_at)
        SELECT a.user_id, a.seq, a.version, a.delta, a.balance, 'increment', a.key,
               a.hash, a.fingerprint, a.user_id, a.at
        FROM accepted a
    ), totalled AS (
        UPDATE score.user_score s
        SET score = l.balance, version = l.version, entries = l.seq, reached_at = l.at
        FROM (SELECT DISTINCT ON (a.user_id) a.* FROM accepted a
              ORDER BY a.user_id, a.ord DESC) l
        WHERE s.user_id = l.user_id
    ), queued AS (
        INSERT INTO score.outbox (batch_id, events)
        SELECT p_batch, jsonb_agg(jsonb_build_array(
            a.user_id, a.balance, a.version, (extract(epoch FROM a.at) * 1000000)::bigint,
            'increment', a.held, a.request) ORDER BY a.ord)
        FROM accepted a HAVING count(*) > 0
    )
    SELECT i.ord,
           CASE WHEN k.ord IS NULL AND NOT f.counts THEN 'limit_reached'
                WHEN coalesce(k.request_hash, f.hash) <> i.hash THEN 'key_reused'
                WHEN k.ord IS NOT NULL OR i.nth > 1 THEN 'replayed'
                ELSE 'accepted' END,
           coalesce(k.version, a.version), coalesce(k.balance_after, a.balance),
           coalesce(a.held, false), coalesce(k.created_at, a.at)
    FROM item i
    LEFT JOIN known k ON k.ord = i.ord
    LEFT JOIN judged f ON f.user_id = i.user_id AND f.key = i.key
    LEFT JOIN accepted a ON a.user_id = i.user_id AND a.key = i.key
    ORDER BY i.ord;
END $$;

-- The next epoch of a board: larger than any before, also than one that only Redis remembers
-- (p_after), and than those lost with a restored database (the clock).
CREATE FUNCTION score.next_epoch(p_board text, p_region text, p_reason text, p_after bigint)
RETURNS bigint LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(7041777);
    INSERT INTO score.board_epoch (epoch, board, region, reason)
    SELECT greatest(coalesce(max(epoch), 0) + 1, p_after + 1,
                    extract(epoch FROM clock_timestamp())::bigint), p_board, p_region, p_reason
    FROM score.board_epoch
    RETURNING epoch;
$$;

-- The service's rights: it can add to the ledger, and nothing else.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'score_service') THEN
        CREATE ROLE score_service NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA score TO score_service;
GRANT SELECT, INSERT ON score.score_entry, score.board_epoch TO score_service;
GRANT SELECT, INSERT, UPDATE ON score.user_score TO score_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON score.outbox TO score_service;
