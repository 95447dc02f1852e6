-- An increment reverses nothing; it need not be in the index of what was reversed.
ALTER TABLE score.score_entry DROP CONSTRAINT score_entry_user_id_reverses_seq_key;
CREATE UNIQUE INDEX reversed_once ON score.score_entry (user_id, reverses_seq)
    WHERE reverses_seq IS NOT NULL;

-- The same as before. PostgreSQL starts an executor for each call of an aggregate's step in SQL,
-- and evaluates an expression of PL/pgSQL at once.
CREATE OR REPLACE FUNCTION score.capped_add(total bigint, delta bigint, room bigint)
RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN coalesce(total, 0) + delta <= room
                THEN coalesce(total, 0) + delta ELSE coalesce(total, 0) END;
END $$;
CREATE OR REPLACE FUNCTION score.link(head bytea, start bytea, entry text)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN sha256(coalesce(head, start) || convert_to(entry, 'UTF8'));
END $$;
