-- Who may no longer act, and who decided so.

-- No references to user_account: a ban also binds users of other issuers.
CREATE TABLE auth.ban (
    user_id   text COLLATE "C" PRIMARY KEY,
    banned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- All that is left of a person who was erased: nobody is let in under this id again.
CREATE TABLE auth.tombstone (
    user_id   text COLLATE "C" PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION auth.refuse_the_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM auth.tombstone WHERE user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'this user was erased' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_again BEFORE INSERT ON auth.user_account
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_the_erased();

-- Who did what to whom, and why. Written in the transaction of the act itself.
CREATE TABLE auth.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text COLLATE "C" NOT NULL,
    action  text NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    reason  text NOT NULL,
    detail  jsonb NOT NULL
);
CREATE INDEX audit_of_user ON auth.audit (user_id, id);

-- Append-only, but for one thing: words about a person go with the person. That they were erased,
-- by whom, when and why, stays.
CREATE FUNCTION auth.refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_struck_out auth.audit := OLD;
BEGIN
    v_struck_out.reason := '';
    v_struck_out.detail := '{}';
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM v_struck_out
       AND OLD.action <> 'account.erased'
       AND EXISTS (SELECT FROM auth.tombstone WHERE user_id = OLD.user_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON auth.audit
    FOR EACH ROW EXECUTE FUNCTION auth.refuse_change_of_audit();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON auth.audit
    FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change_of_audit();

GRANT SELECT, INSERT, DELETE ON auth.ban TO auth_service;
GRANT SELECT, INSERT ON auth.tombstone, auth.audit TO auth_service;
GRANT UPDATE (reason, detail) ON auth.audit TO auth_service;
