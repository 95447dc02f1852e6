/**
 * Who operates: signed in as on the board's page, or by a pasted access token.
 *
 * A pasted token stays in this tab's sessionStorage until it ends or its owner signs out. What the
 * operator may do is the server's to say. Emits `change` when somebody comes or goes; its `detail`
 * says why, if they did not ask for it.
 */

import { Refused, Session, call } from '../session.js';

const TOKEN_KEY = 'live-scoreboard.access-token';
const SILENCE = 'The server does not answer. Please try again.';
const NO_ACCOUNT = 404;
const TOKEN_OVER = 401;

export class Operator extends EventTarget {
  #session = new Session();
  #token = '';
  #name = '';

  constructor() {
    super();
    this.#session.addEventListener('change', () => this.#become(this.#session.user.name));
  }

  /** Empty if nobody is signed in. */
  get name() {
    return this.#name;
  }

  /** Continue what this tab had, if it had something. */
  async resume() {
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (!token) return this.#session.resume();
    try {
      await this.useToken(token);
    } catch (error) {
      if (error instanceof Refused && error.status === TOKEN_OVER) this.#forget();
    }
  }

  /** @param {string} login @param {string} password */
  async signIn(login, password) {
    await spoken(this.#session.signIn(login, password));
  }

  /** @param {string} token - judged by the server before it is kept */
  async useToken(token) {
    const name = await spoken(whose(token));
    sessionStorage.setItem(TOKEN_KEY, token);
    this.#token = token;
    this.#become(name);
  }

  async signOut() {
    if (!this.#token) return this.#session.signOut();
    this.#forget();
    this.#become('');
  }

  /**
   * Ask the server as this operator. Raises `Refused` only; its status is 0 if no answer came.
   *
   * @param {string} method @param {string} path @param {object} [body]
   */
  async send(method, path, body) {
    if (!this.#token) return spoken(this.#session.authorized(method, path, body));
    try {
      return await spoken(call(method, path, body, bearing(this.#token)));
    } catch (error) {
      if (error instanceof Refused && error.status === TOKEN_OVER) {
        this.#forget();
        this.#become('', error.message);
      }
      throw error;
    }
  }

  #forget() {
    this.#token = '';
    sessionStorage.removeItem(TOKEN_KEY);
  }

  /** @param {string} name @param {string} [why] */
  #become(name, why = '') {
    if (name === this.#name) return;
    this.#name = name;
    this.dispatchEvent(new CustomEvent('change', { detail: why }));
  }
}

/** @param {string} token */
const bearing = (token) => ({ authorization: `Bearer ${token}` });

/** @param {string} token @returns {Promise<string>} its owner's name, or else their id */
async function whose(token) {
  try {
    return (await call('GET', '/api/auth/me', undefined, bearing(token))).display_name;
  } catch (error) {
    if (error instanceof Refused && error.status === NO_ACCOUNT) return subject(token);
    throw error;
  }
}

/** @param {string} token - which the server believed @returns {string} */
function subject(token) {
  const claims = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return JSON.parse(atob(claims)).sub;
}

/** @template T @param {Promise<T>} answer @returns {Promise<T>} */
async function spoken(answer) {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(0, SILENCE, 0, '');
  }
}
