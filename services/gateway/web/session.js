/**
 * The reader's account: signing in and out, and what only they may ask for.
 *
 * The access token is in memory only; the refresh token in this tab's sessionStorage. Tokens are
 * renewed before they end, when they are needed. Emits `change` when somebody signs in or out.
 */

/**
 * @typedef {object} Tokens
 * @property {string} user_id
 * @property {string} display_name
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {number} expires_in - seconds
 */

const NOBODY = { id: '', name: '' };
const REFRESH_KEY = 'live-scoreboard.refresh-token';
const MARGIN_MS = 30_000;
const TIMEOUT_MS = 10_000;
const ATTEMPTS = 3;
const RETRY_AFTER_MS = 1_000;

/** What the server said no to, in its words. */
export class Refused extends Error {
  /** @param {number} status @param {string} detail @param {number} retryAfterMs @param {string} requestId */
  constructor(status, detail, retryAfterMs, requestId) {
    super(detail);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.requestId = requestId;
  }
}

export class Session extends EventTarget {
  #access = '';
  #endsAt = 0;
  #user = NOBODY;
  /** @type {Promise<void> | null} */
  #renewal = null;

  /** Who is signed in; the id is empty if nobody is. */
  get user() {
    return this.#user;
  }

  /** Continue the session that this tab had, if it had one. */
  async resume() {
    if (sessionStorage.getItem(REFRESH_KEY)) await this.#renew().catch(() => {});
  }

  /** @param {string} login @param {string} password */
  async register(login, password) {
    this.#keep(await call('POST', '/api/auth/register', { login, password }));
  }

  /** @param {string} login @param {string} password */
  async signIn(login, password) {
    this.#keep(await call('POST', '/api/auth/login', { login, password }));
  }

  /** Signed out here at once, whether the server can be reached or not. */
  async signOut() {
    const refresh_token = sessionStorage.getItem(REFRESH_KEY);
    this.#forget();
    await call('POST', '/api/auth/logout', { refresh_token }).catch(() => {});
  }

  /** @returns {Promise<string>} a ticket for one private stream; empty when signed out */
  async ticket() {
    try {
      return this.#user.id ? (await this.authorized('POST', '/api/stream/ticket')).ticket : '';
    } catch (error) {
      if (!this.#user.id) return '';
      throw error;
    }
  }

  /**
   * Counts once, although it is sent again when no answer comes: the key stays the same.
   *
   * @param {number} increment
   */
  async addScore(increment) {
    const headers = { 'idempotency-key': freshKey() };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.authorized('POST', '/api/scores', { score_increment: increment }, headers);
      } catch (error) {
        const known = error instanceof Refused && error.status < 500;
        if (known || attempt === ATTEMPTS) throw error;
        await pause((error instanceof Refused && error.retryAfterMs) || RETRY_AFTER_MS);
      }
    }
  }

  /**
   * A call as the one who is signed in. Raises `Refused`, or what `fetch` raises.
   *
   * @param {string} method @param {string} path @param {object} [body] @param {object} [headers]
   */
  async authorized(method, path, body, headers) {
    if (Date.now() >= this.#endsAt - MARGIN_MS) await this.#renew();
    const send = () =>
      call(method, path, body, { ...headers, authorization: `Bearer ${this.#access}` });
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      await this.#renew(); // revoked, perhaps; then this ends the session
      return send();
    }
  }

  /** A refresh token works once, so that everybody waits for the same renewal. */
  #renew() {
    this.#renewal ??= this.#exchange().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #exchange() {
    const refresh_token = sessionStorage.getItem(REFRESH_KEY);
    try {
      const tokens = await call('POST', '/api/auth/refresh', { refresh_token });
      if (sessionStorage.getItem(REFRESH_KEY) === refresh_token) this.#keep(tokens);
    } catch (error) {
      if (error instanceof Refused && error.status < 429) this.#forget();
      throw error;
    }
  }

  /** @param {Tokens} tokens */
  #keep(tokens) {
    this.#access = tokens.access_token;
    this.#endsAt = Date.now() + tokens.expires_in * 1000;
    sessionStorage.setItem(REFRESH_KEY, tokens.refresh_token);
    this.#become({ id: tokens.user_id, name: tokens.display_name });
  }

  #forget() {
    this.#access = '';
    this.#endsAt = 0;
    sessionStorage.removeItem(REFRESH_KEY);
    this.#become(NOBODY);
  }

  /** @param {{ id: string, name: string }} user */
  #become(user) {
    const before = this.#user;
    this.#user = user;
    if (before.id !== user.id) this.dispatchEvent(new Event('change'));
  }
}

/** @param {string} method @param {string} path @param {object} [body] @param {object} [headers] */
export async function call(method, path, body, headers) {
  const answer = await fetch(path, {
    method,
    headers: body ? { 'content-type': 'application/json', ...headers } : { ...headers },
    body: body && JSON.stringify(body),
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  if (answer.ok) return text ? JSON.parse(text) : null;
  const seconds = Number(answer.headers.get('retry-after')) || 0;
  const { detail, request_id } = problem(text);
  const words = detail || `Error ${answer.status}`;
  throw new Refused(answer.status, words, seconds * 1000, request_id ?? '');
}

/** @param {string} text - RFC 9457, hopefully @returns {{ detail?: string, request_id?: string }} */
function problem(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Not `randomUUID()`, which a page without TLS does not have. */
const freshKey = () => [...crypto.getRandomValues(new Uint32Array(4))].join('-');

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
