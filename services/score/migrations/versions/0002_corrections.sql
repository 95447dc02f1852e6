-- Corrections: nothing is taken out of the ledger; a compensating entry is added.

-- Who did what, and why. Written in the transaction of the act itself.
CREATE TABLE score.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,
    action  text NOT NULL,
    user_id text COLLATE "C",
    case_id text COLLATE "C",
    reason  text NOT NULL DEFAULT '',
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_of_user ON score.audit (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_of_case ON score.audit (case_id, id) WHERE case_id IS NOT NULL;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON score.audit
    FOR EACH ROW EXECUTE FUNCTION score.refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON score.audit
    FOR EACH STATEMENT EXECUTE FUNCTION score.refuse_change();

-- Only one thing of an entry may ever change: a fingerprint may be forgotten.
CREATE FUNCTION score.refuse_change_of_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_forgotten score.score_entry := OLD;
BEGIN
    v_forgotten.fingerprint := NULL;
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM v_forgotten THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER append_only ON score.score_entry;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON score.score_entry
    FOR EACH ROW EXECUTE FUNCTION score.refuse_change_of_entry();

CREATE TABLE score.reversal_case (
    case_id             text COLLATE "C" PRIMARY KEY,
    number              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    state               text NOT NULL CHECK (state IN (
                            'awaiting_approval', 'applying', 'applied', 'withdrawn',
                            'revert_awaiting_approval', 'reverting', 'reverted')),
    selector            jsonb NOT NULL,
    preview             jsonb NOT NULL,
    entries             bigint NOT NULL,
    done                bigint NOT NULL DEFAULT 0,
    -- How far the present direction is: entries are taken in the order of (user_id, seq), and
    -- given back in the opposite one. Null: not begun.
    at_user             text COLLATE "C",
    at_seq              bigint,
    requested_by        text NOT NULL,
    requested_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason              text NOT NULL,
    approved_by         text CHECK (approved_by <> requested_by),
    approved_at         timestamptz,
    revert_requested_by text,
    revert_requested_at timestamptz,
    revert_reason       text,
    revert_approved_by  text CHECK (revert_approved_by <> revert_requested_by),
    revert_approved_at  timestamptz,
    finished_at         timestamptz
);
CREATE INDEX case_at_work ON score.reversal_case (number)
    WHERE state IN ('applying', 'reverting');

-- The frozen selection: which increments a case takes back, by which entry, and by which entry that
-- was reversed in turn. `target_seq` is what is reversed: the increment itself, or the entry by
-- which an earlier case gave it back.
CREATE TABLE score.case_entry (
    case_id      text COLLATE "C" NOT NULL REFERENCES score.reversal_case,
    user_id      text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL,
    target_seq   bigint NOT NULL,
    reversal_seq bigint,
    revert_seq   bigint,
    PRIMARY KEY (case_id, user_id, seq)
);
-- An increment is in one case at a time.
CREATE UNIQUE INDEX one_open_case ON score.case_entry (user_id, seq) WHERE revert_seq IS NULL;

-- The increments that a selector means, and in which case each is (reversed, or chosen only).
-- standing_seq: the entry by which it counts now. p_from is included, p_to is not; p_fingerprint
-- may be its first half, which is the client.
CREATE FUNCTION score.select_increments(
    p_user text, p_seqs bigint[], p_keys text[], p_from timestamptz, p_to timestamptz,
    p_fingerprint bytea
) RETURNS TABLE (user_id text, seq bigint, standing_seq bigint, case_id text, reversed boolean)
LANGUAGE sql STABLE AS $$
    SELECT e.user_id, e.seq, coalesce(
               (SELECT max(g.revert_seq) FROM score.case_entry g
                WHERE g.user_id = e.user_id AND g.seq = e.seq), e.seq),
           c.case_id, c.reversal_seq IS NOT NULL
    FROM (SELECT p_user WHERE p_fingerprint IS NULL
          UNION ALL
          SELECT s.user_id FROM score.seen_client s
          WHERE s.client = substring(p_fingerprint FROM 1 FOR 8)
            AND s.user_id = coalesce(p_user, s.user_id)) u (user_id)
    JOIN score.score_entry e ON e.user_id = u.user_id
    LEFT JOIN score.case_entry c
        ON c.user_id = e.user_id AND c.seq = e.seq AND c.revert_seq IS NULL
    WHERE e.kind = 'increment'
      AND (p_seqs IS NULL OR e.seq = ANY (p_seqs))
      AND (p_keys IS NULL OR e.idem_key = ANY (p_keys))
      AND (p_from IS NULL OR e.created_at >= p_from)
      AND (p_to IS NULL OR e.created_at < p_to)
      AND (p_fingerprint IS NULL
           OR substring(e.fingerprint FROM 1 FOR length(p_fingerprint)) = p_fingerprint)
$$;
-- The look-up of earlier cases of an increment, reverted ones included.
CREATE INDEX case_entry_of_increment ON score.case_entry (user_id, seq);

-- Since when a user has had the total of the increments that count: the time of the newest of them,
-- as if those taken back had never been made. So a tie is fair after a correction, and a revert
-- gives back the exact place. p_case: as if this case were applied already.
CREATE FUNCTION score.standing_since(p_user text, p_case text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT e.created_at FROM score.score_entry e
         WHERE e.user_id = p_user AND e.kind = 'increment' AND NOT EXISTS (
             SELECT FROM score.case_entry c
             WHERE c.user_id = e.user_id AND c.seq = e.seq AND c.revert_seq IS NULL
               AND (c.reversal_seq IS NOT NULL OR c.case_id = p_case))
         ORDER BY e.seq DESC LIMIT 1),
        (SELECT e.created_at FROM score.score_entry e WHERE e.user_id = p_user AND e.seq = 1))
$$;

-- Apply, or revert, the next p_limit entries of a case at work, in one transaction with totals and
-- outbox. Returns the new state of each user it changed; nothing if there was nothing to do, or
-- another process is at it.
CREATE FUNCTION score.work_on_case(p_batch uuid, p_case text, p_limit integer)
RETURNS TABLE (user_id text, score bigint, version bigint, reached_at timestamptz, held boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_case     score.reversal_case;
    v_revert   boolean;
    v_users    text[];
    v_seqs     bigint[];
    v_now      timestamptz;
    v_actor    text;
BEGIN
    SELECT * INTO v_case FROM score.reversal_case c
    WHERE c.case_id = p_case AND c.state IN ('applying', 'reverting') FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_revert := v_case.state = 'reverting';
    v_actor := CASE WHEN v_revert THEN v_case.revert_requested_by ELSE v_case.requested_by END;

    IF v_revert THEN
        SELECT array_agg(n.user_id ORDER BY n.user_id DESC, n.seq DESC),
               array_agg(n.seq ORDER BY n.user_id DESC, n.seq DESC) INTO v_users, v_seqs
        FROM (SELECT c.user_id, c.seq FROM score.case_entry c
              WHERE c.case_id = p_case AND (c.user_id, c.seq)
                    < (coalesce(v_case.at_user, E'\x7f'), coalesce(v_case.at_seq, 0))
              ORDER BY c.user_id DESC, c.seq DESC LIMIT p_limit) n;
    ELSE
        SELECT array_agg(n.user_id ORDER BY n.user_id, n.seq),
               array_agg(n.seq ORDER BY n.user_id, n.seq) INTO v_users, v_seqs
        FROM (SELECT c.user_id, c.seq FROM score.case_entry c
              WHERE c.case_id = p_case AND (c.user_id, c.seq)
                    > (coalesce(v_case.at_user, ''), coalesce(v_case.at_seq, 0))
              ORDER BY c.user_id, c.seq LIMIT p_limit) n;
    END IF;

    IF v_users IS NOT NULL THEN
        PERFORM 1 FROM score.user_score s WHERE s.user_id = ANY (v_users)
        ORDER BY s.user_id FOR UPDATE;
        v_now := clock_timestamp();

        INSERT INTO score.score_entry (user_id, seq, version, delta, balance_after, kind,
                                       reverses_seq, case_id, actor, reason, created_at, hash)
        SELECT n.user_id, n.seq, n.version, n.delta, n.balance, 'reversal', n.target, p_case,
               v_actor, n.reason, n.at,
               score.chain(n.head, score.entry_text(
                   n.user_id, n.seq, n.version, n.delta, n.balance, 'reversal', NULL, NULL,
                   n.target, p_case, v_actor, n.at, n.reason))
               OVER (PARTITION BY n.user_id ORDER BY n.ord)
        FROM (
            SELECT i.user_id, i.ord, s.head, e.seq AS target, -e.delta AS delta,
                   s.score + (sum(-e.delta) OVER w)::bigint AS balance,
                   s.version + row_number() OVER w AS version,
                   s.entries + row_number() OVER w AS seq,
                   v_now + i.ord * interval '1 microsecond' AS at,
                   CASE WHEN v_revert THEN v_case.revert_reason ELSE v_case.reason END AS reason
            FROM unnest(v_users, v_seqs) WITH ORDINALITY AS i (user_id, seq, ord)
            JOIN score.case_entry c
                ON c.case_id = p_case AND c.user_id = i.user_id AND c.seq = i.seq
            JOIN score.score_entry e ON e.user_id = c.user_id
                AND e.seq = CASE WHEN v_revert THEN c.reversal_seq ELSE c.target_seq END
            JOIN score.user_score s ON s.user_id = i.user_id
            WINDOW w AS (PARTITION BY i.user_id ORDER BY i.ord)
        ) n;

        UPDATE score.case_entry c
        SET reversal_seq = CASE WHEN v_revert THEN c.reversal_seq ELSE e.seq END,
            revert_seq = CASE WHEN v_revert THEN e.seq END
        FROM unnest(v_users, v_seqs) AS i (user_id, seq), score.score_entry e
        WHERE c.case_id = p_case AND c.user_id = i.user_id AND c.seq = i.seq
          AND e.user_id = c.user_id
          AND e.reverses_seq = CASE WHEN v_revert THEN c.reversal_seq ELSE c.target_seq END;

        UPDATE score.user_score s
        SET score = l.balance_after, version = l.version, entries = l.seq, head = l.hash,
            reached_at = score.standing_since(s.user_id, NULL)
        FROM (SELECT DISTINCT u FROM unnest(v_users) AS u) d,
             LATERAL (SELECT * FROM score.score_entry e WHERE e.user_id = d.u
                      ORDER BY e.seq DESC LIMIT 1) l
        WHERE s.user_id = d.u;

        INSERT INTO score.outbox (batch_id, events)
        SELECT p_batch, jsonb_agg(jsonb_build_array(
            s.user_id, s.score, s.version, (extract(epoch FROM s.reached_at) * 1000000)::bigint,
            'reversal', s.held, '') ORDER BY s.user_id)
        FROM score.user_score s WHERE s.user_id = ANY (v_users);
    END IF;

    UPDATE score.reversal_case c
    SET done = c.done + coalesce(cardinality(v_users), 0),
        at_user = v_users[cardinality(v_users)], at_seq = v_seqs[cardinality(v_seqs)]
    WHERE c.case_id = p_case AND v_users IS NOT NULL;
    UPDATE score.reversal_case c
    SET state = CASE WHEN v_revert THEN 'reverted' ELSE 'applied' END,
        at_user = NULL, at_seq = NULL, finished_at = clock_timestamp()
    WHERE c.case_id = p_case AND c.done = c.entries;
    IF FOUND THEN
        INSERT INTO score.audit (actor, action, case_id, detail)
        VALUES (v_actor, CASE WHEN v_revert THEN 'reversal.reverted' ELSE 'reversal.applied' END,
                p_case, jsonb_build_object('entries', v_case.entries));
    END IF;

    RETURN QUERY SELECT s.user_id, s.score, s.version, s.reached_at, s.held
    FROM score.user_score s WHERE s.user_id = ANY (v_users);
END $$;

-- Take a user off the public board, or put them back: the entries stay as they are. Returns the
-- user's state, and whether it changed; nothing for an unknown user. Who was erased stays off.
CREATE FUNCTION score.set_held(
    p_batch uuid, p_user text, p_held boolean, p_actor text, p_reason text, p_case text
) RETURNS TABLE (score bigint, version bigint, reached_at timestamptz, held boolean,
                 erased boolean, changed boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_user score.user_score;
BEGIN
    SELECT * INTO v_user FROM score.user_score s
    WHERE s.user_id = p_user AND s.version > 0 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_user.held = p_held OR v_user.erased_at IS NOT NULL THEN
        RETURN QUERY SELECT v_user.score, v_user.version, v_user.reached_at, v_user.held,
                            v_user.erased_at IS NOT NULL, false;
        RETURN;
    END IF;
    UPDATE score.user_score s SET held = p_held, version = s.version + 1
    WHERE s.user_id = p_user RETURNING s.* INTO v_user;
    INSERT INTO score.outbox (batch_id, events)
    VALUES (p_batch, jsonb_build_array(jsonb_build_array(
        p_user, v_user.score, v_user.version,
        (extract(epoch FROM v_user.reached_at) * 1000000)::bigint,
        CASE WHEN p_held THEN 'hold' ELSE 'release' END, p_held, '')));
    INSERT INTO score.audit (actor, action, user_id, case_id, reason)
    VALUES (p_actor, CASE WHEN p_held THEN 'user.held' ELSE 'user.released' END, p_user, p_case,
            p_reason);
    RETURN QUERY SELECT v_user.score, v_user.version, v_user.reached_at, v_user.held, false, true;
END $$;

-- Forget what could lead from the ledger to a person. With the owner's rights: the service itself
-- can change no entry. Call it in the transaction that has held the user. Safe to repeat.
CREATE FUNCTION score.erase_person(p_user text, p_actor text, p_reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE score.score_entry SET fingerprint = NULL
    WHERE user_id = p_user AND fingerprint IS NOT NULL;
    DELETE FROM score.seen_client WHERE user_id = p_user;
    UPDATE score.user_score SET erased_at = clock_timestamp()
    WHERE user_id = p_user AND erased_at IS NULL;
    IF FOUND THEN
        INSERT INTO score.audit (actor, action, user_id, reason)
        VALUES (p_actor, 'user.erased', p_user, p_reason);
    END IF;
END $$;
REVOKE ALL ON FUNCTION score.erase_person FROM PUBLIC;

GRANT EXECUTE ON FUNCTION score.erase_person TO score_service;
GRANT SELECT, INSERT ON score.audit TO score_service;
GRANT SELECT, INSERT, UPDATE ON score.reversal_case TO score_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON score.case_entry TO score_service;
