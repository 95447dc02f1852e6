-- Who may act, by what proof, and whose proof no longer counts.

CREATE TABLE auth.user_account (
    user_id       text COLLATE "C" PRIMARY KEY,
    login         text COLLATE "C" NOT NULL UNIQUE,
    display_name  text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 40),
    password_hash text NOT NULL,
    roles         text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- One row per signed-in device. It knows only the hash of the newest refresh token: whoever shows
-- an older one shows a token that was used, and so both they and its owner have a copy.
CREATE TABLE auth.session (
    session_id   text COLLATE "C" PRIMARY KEY,
    user_id      text COLLATE "C" NOT NULL REFERENCES auth.user_account ON DELETE CASCADE,
    refresh_hash bytea NOT NULL CHECK (octet_length(refresh_hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX session_of_user ON auth.session (user_id, created_at);
CREATE INDEX session_expiry ON auth.session (expires_at);

-- The access tokens of live sessions that have not ended, to be revoked with their session.
CREATE TABLE auth.access_token (
    jti        text COLLATE "C" PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL REFERENCES auth.session ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX access_token_of_session ON auth.access_token (session_id);
CREATE INDEX access_token_expiry ON auth.access_token (expires_at);

-- One token (jti), or with jti = '' all tokens of a user issued at or before not_before.
-- No reference to user_account: users of other issuers have no row there.
CREATE TABLE auth.revocation (
    user_id    text COLLATE "C" NOT NULL,
    jti        text COLLATE "C" NOT NULL DEFAULT '',
    not_before timestamptz,
    matters_until timestamptz NOT NULL,
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, jti),
    CHECK ((jti = '') = (not_before IS NOT NULL))
);
CREATE INDEX revocation_order ON auth.revocation (revoked_at DESC);
CREATE INDEX revocation_expiry ON auth.revocation (matters_until);

-- Grows with every change of the table above, in the order of commits: its row lock is held until
-- then. Readers look at this one row to know whether there is news.
CREATE TABLE auth.revocation_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL
);
INSERT INTO auth.revocation_revision (revision) VALUES (0);

CREATE FUNCTION auth.count_revocation_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE auth.revocation_revision SET revision = revision + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON auth.revocation
    FOR EACH STATEMENT EXECUTE FUNCTION auth.count_revocation_change();

-- `sealed` is the private key, encrypted with a key that the database never sees.
CREATE TABLE auth.signing_key (
    kid          text COLLATE "C" PRIMARY KEY,
    sealed       bytea NOT NULL,
    state        text NOT NULL CHECK (state IN ('next', 'current', 'previous')),
    published_at timestamptz NOT NULL,
    activated_at timestamptz CHECK ((activated_at IS NULL) = (state = 'next')),
    retired_at   timestamptz CHECK ((retired_at IS NOT NULL) = (state = 'previous'))
);
CREATE UNIQUE INDEX one_key_in_use ON auth.signing_key (state) WHERE state <> 'previous';

-- The service's rights.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auth_service') THEN
        CREATE ROLE auth_service NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA auth TO auth_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.user_account, auth.session, auth.access_token,
    auth.revocation, auth.signing_key TO auth_service;
GRANT SELECT ON auth.revocation_revision TO auth_service;
