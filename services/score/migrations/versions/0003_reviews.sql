-- The review queue: a rule was crossed, a person decides.
CREATE TABLE score.review (
    review_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL,
    rule       text NOT NULL,
    action     text NOT NULL CHECK (action IN ('tag', 'hold')),
    evidence   jsonb NOT NULL,
    since      timestamptz NOT NULL,  -- when the suspicion's window began
    holds      boolean NOT NULL DEFAULT false,  -- the user is off the board because of it
    state      text NOT NULL DEFAULT 'open'
               CHECK (state IN ('open', 'accepted', 'held', 'reversed')),
    opened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_by text,
    decided_at timestamptz,
    reason     text,
    case_id    text COLLATE "C",
    CHECK ((state = 'open') = (decided_at IS NULL))
);

CREATE UNIQUE INDEX one_open_review ON score.review (user_id, rule) WHERE state = 'open';
CREATE INDEX review_of_user ON score.review (user_id, rule, decided_at);

GRANT SELECT, INSERT, UPDATE ON score.review TO score_service;
