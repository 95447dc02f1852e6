/** The two ways a stream can come: WebSocket and server-sent events. Same frames, same query. */

import { FRAME_TYPES, NO_CODE, parseFrame } from './protocol.js';

/**
 * What a connection tells its owner; nothing more after `ended`, or after it was closed.
 *
 * @typedef {object} Listener
 * @property {(frame: import('./protocol.js').Frame) => void} frame
 * @property {(code: number) => void} ended
 *
 * @callback Open
 * @param {string} base - where `/api/stream` is, without a slash at the end
 * @param {URLSearchParams} query
 * @param {Listener} listener
 * @returns {() => void} closes it
 */

/** @type {Open} */
export function openSocket(base, query, listener) {
  const url = new URL(`${base}/api/stream?${query}`);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  socket.onmessage = ({ data }) => pass(data, listener);
  socket.onclose = ({ code }) => listener.ended(code);
  return () => {
    socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

/** @type {Open} */
export function openEvents(base, query, listener) {
  const source = new EventSource(`${base}/api/stream/sse?${query}`);
  for (const type of FRAME_TYPES) {
    source.addEventListener(type, ({ data }) => pass(data, listener));
  }
  source.onerror = () => {
    // It would come back by itself, but without jitter and with a ticket that was used.
    source.close();
    listener.ended(NO_CODE);
  };
  return () => source.close();
}

/** @param {string} text @param {Listener} listener */
function pass(text, listener) {
  const frame = parseFrame(text);
  if (frame !== null) listener.frame(frame);
}
