-- What an entry carries from now on: the hash of all before it, a daily bound, a fingerprint that
-- can be found. An entry of a moderator has no key: it is unique by what it reverses.

ALTER TABLE score.score_entry
    ALTER COLUMN idem_key DROP NOT NULL,
    ALTER COLUMN request_hash DROP NOT NULL,
    ADD CONSTRAINT keyed CHECK ((kind = 'increment') = (idem_key IS NOT NULL)),
    ADD CONSTRAINT corrects CHECK ((kind = 'reversal') = (reverses_seq IS NOT NULL)),
    ADD COLUMN hash bytea;

ALTER TABLE score.user_score
    ADD COLUMN head       bytea NOT NULL DEFAULT '',  -- the hash of the last entry
    ADD COLUMN day        date NOT NULL DEFAULT '-infinity',  -- UTC, of the last increment
    ADD COLUMN day_points bigint NOT NULL DEFAULT 0,  -- earned on that day
    ADD COLUMN erased_at  timestamptz;

-- Whose increments came from a client, so that a fingerprint's take is found without an index on
-- the ledger. `client` is the first half of a fingerprint.
CREATE TABLE score.seen_client (
    client  bytea NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (client, user_id)
);

-- The hash of an entry is sha256(hash of the user's entry before, what the entry says). The text of
-- an entry ends with its only free field, so no two entries have the same text. The fingerprint is
-- left out: it is personal, and may have to be erased.
CREATE FUNCTION score.entry_text(
    user_id text, seq bigint, version bigint, delta bigint, balance bigint, kind text, key text,
    request_hash bytea, reverses_seq bigint, case_id text, actor text, at timestamptz, reason text
) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(E'\x1f', user_id, seq, version, delta, balance, kind, coalesce(key, ''),
                     coalesce(encode(request_hash, 'hex'), ''), coalesce(reverses_seq, 0),
                     coalesce(case_id, ''), actor, (extract(epoch FROM at) * 1000000)::bigint,
                     coalesce(reason, ''))
$$;
CREATE FUNCTION score.link(head bytea, start bytea, entry text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(coalesce(head, start) || convert_to(entry, 'UTF8'))
$$;
CREATE AGGREGATE score.chain(start bytea, entry text) (SFUNC = score.link, STYPE = bytea);

-- The entries of before join the chain.
ALTER TABLE score.score_entry DISABLE TRIGGER append_only;
DO $$
DECLARE
    v_user text := NULL;
    v_head bytea;
    e score.score_entry;
BEGIN
    FOR e IN SELECT * FROM score.score_entry ORDER BY user_id, seq LOOP
        IF e.user_id IS DISTINCT FROM v_user THEN
            v_user := e.user_id;
            v_head := '';
        END IF;
        v_head := score.link(v_head, '', score.entry_text(
            e.user_id, e.seq, e.version, e.delta, e.balance_after, e.kind, e.idem_key,
            e.request_hash, e.reverses_seq, e.case_id, e.actor, e.created_at, e.reason));
        UPDATE score.score_entry SET hash = v_head WHERE user_id = e.user_id AND seq = e.seq;
        UPDATE score.user_score SET head = v_head WHERE user_id = e.user_id AND entries = e.seq;
    END LOOP;
END $$;
ALTER TABLE score.score_entry
    ENABLE TRIGGER append_only,
    ALTER COLUMN hash SET NOT NULL;

DROP FUNCTION score.append_increments(uuid, text[], text[], bigint[], bytea[], bytea[], text[]);
DROP AGGREGATE score.capped_sum(bigint, bigint);
DROP FUNCTION score.capped_add(bigint, bigint, bigint);

-- A running sum that steps over what would pass its limit, and goes on with the next.
CREATE FUNCTION score.capped_add(total bigint, delta bigint, room bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce(total, 0) + delta <= room
                THEN coalesce(total, 0) + delta ELSE coalesce(total, 0) END
$$;
CREATE AGGREGATE score.capped_sum(delta bigint, room bigint) (
    SFUNC = score.capped_add, STYPE = bigint
);

-- Append a batch of increments, in the order given, in one transaction with totals and outbox.
-- p_day_limits: what each item's user may earn on one day (UTC); null: as much as fits the total.
-- Returns one row per item: outcome is accepted | replayed | key_reused | limit_reached |
-- day_limit_reached; for the first two, version and balance are those of the entry, today and at
-- any later replay. A key that met a limit meets it for the whole batch; nothing is stored of it,
-- so a later batch may pass.
CREATE FUNCTION score.append_increments(
    p_batch uuid, p_users text[], p_keys text[], p_deltas bigint[], p_hashes bytea[],
    p_fingerprints bytea[], p_requests text[], p_day_limits bigint[]
) RETURNS TABLE (ord bigint, outcome text, version bigint, balance bigint, held boolean,
                 reached_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_today date;
BEGIN
    INSERT INTO score.user_score (user_id)
    SELECT DISTINCT u FROM unnest(p_users) AS u ORDER BY u
    ON CONFLICT DO NOTHING;

    -- Always in the order of ids, so that two batches cannot wait for each other.
    PERFORM 1 FROM score.user_score WHERE user_id = ANY (p_users) ORDER BY user_id FOR UPDATE;

    -- A new statement sees what was committed while this one waited for the locks.
    INSERT INTO score.seen_client (client, user_id)
    SELECT DISTINCT substring(f FROM 1 FOR 8), u FROM unnest(p_fingerprints, p_users) AS t (f, u)
    JOIN score.user_score s ON s.user_id = u AND s.erased_at IS NULL
    WHERE f IS NOT NULL ORDER BY 1, 2
    ON CONFLICT DO NOTHING;

    v_now := clock_timestamp();
    v_today := (v_now AT TIME ZONE 'UTC')::date;
    RETURN QUERY
    WITH item AS (
        SELECT t.*, row_number() OVER (PARTITION BY t.user_id, t.key ORDER BY t.ord) AS nth
        FROM unnest(p_users, p_keys, p_deltas, p_hashes, p_fingerprints, p_requests, p_day_limits)
             WITH ORDINALITY
             AS t (user_id, key, delta, hash, fingerprint, request, day_limit, ord)
    ), known AS (
        SELECT i.ord, e.request_hash, e.version, e.balance_after, e.created_at
        FROM item i JOIN score.score_entry e ON e.user_id = i.user_id AND e.idem_key = i.key
    ), fresh AS (
        SELECT i.*, s.score, s.version, s.entries, s.held, s.head, s.erased_at, s.earned,
               9007199254740991 - s.score AS room,
               coalesce(i.day_limit - s.earned, 9007199254740991) AS day_room
        FROM item i JOIN (
            SELECT *, CASE WHEN day = v_today THEN day_points ELSE 0 END AS earned
            FROM score.user_score) s USING (user_id)
        WHERE i.nth = 1 AND NOT EXISTS (SELECT FROM known k WHERE k.ord = i.ord)
    ), summed AS (
        SELECT f.*, score.capped_sum(f.delta, least(f.room, f.day_room)) OVER w AS gained
        FROM fresh f WINDOW w AS (PARTITION BY f.user_id ORDER BY f.ord)
    ), judged AS (
        SELECT f.*, f.score + f.gained AS balance,
               f.gained <> lag(f.gained, 1, 0::bigint) OVER w AS counts
        FROM summed f WINDOW w AS (PARTITION BY f.user_id ORDER BY f.ord)
    ), accepted AS (
        SELECT j.*, j.version + row_number() OVER w AS entry_version,
               j.entries + row_number() OVER w AS seq,
               -- Who came first in the batch reached it first.
               v_now + j.ord * interval '1 microsecond' AS at
        FROM judged j WHERE j.counts WINDOW w AS (PARTITION BY j.user_id ORDER BY j.ord)
    ), chained AS (
        SELECT a.*, score.chain(a.head, score.entry_text(
                   a.user_id, a.seq, a.entry_version, a.delta, a.balance, 'increment', a.key,
                   a.hash, NULL, NULL, a.user_id, a.at, NULL)) OVER w AS link
        FROM accepted a WINDOW w AS (PARTITION BY a.user_id ORDER BY a.ord)
    ), appended AS (
        INSERT INTO score.score_entry (user_id, seq, version, delta, balance_after, kind, idem_key,
                                       request_hash, fingerprint, actor, created_at, hash)
        SELECT c.user_id, c.seq, c.entry_version, c.delta, c.balance, 'increment', c.key,
               c.hash, CASE WHEN c.erased_at IS NULL THEN c.fingerprint END, c.user_id, c.at, c.link
        FROM chained c
    ), totalled AS (
        UPDATE score.user_score s
        SET score = l.balance, version = l.entry_version, entries = l.seq, reached_at = l.at,
            head = l.link, day = v_today, day_points = l.earned + l.gained
        FROM (SELECT DISTINCT ON (c.user_id) c.* FROM chained c
              ORDER BY c.user_id, c.ord DESC) l
        WHERE s.user_id = l.user_id
    ), queued AS (
        INSERT INTO score.outbox (batch_id, events)
        SELECT p_batch, jsonb_agg(jsonb_build_array(
            c.user_id, c.balance, c.entry_version, (extract(epoch FROM c.at) * 1000000)::bigint,
            'increment', c.held, c.request) ORDER BY c.ord)
        FROM chained c HAVING count(*) > 0
    )
    SELECT i.ord,
           CASE WHEN k.ord IS NULL AND NOT f.counts AND f.gained + f.delta > f.room
                    THEN 'limit_reached'
                WHEN k.ord IS NULL AND NOT f.counts THEN 'day_limit_reached'
                WHEN coalesce(k.request_hash, f.hash) <> i.hash THEN 'key_reused'
                WHEN k.ord IS NOT NULL OR i.nth > 1 THEN 'replayed'
                ELSE 'accepted' END,
           coalesce(k.version, c.entry_version), coalesce(k.balance_after, c.balance),
           coalesce(c.held, false), coalesce(k.created_at, c.at)
    FROM item i
    LEFT JOIN known k ON k.ord = i.ord
    LEFT JOIN judged f ON f.user_id = i.user_id AND f.key = i.key
    LEFT JOIN chained c ON c.user_id = i.user_id AND c.key = i.key
    ORDER BY i.ord;
END $$;

GRANT SELECT, INSERT ON score.seen_client TO score_service;
