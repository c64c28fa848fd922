// countersign in the page: asks for the visitor's token, keeps it fresh, hands it to the chat widget, takes it back at
// logout. The token stays in this module's memory: no storage, no DOM attribute, no log line.

const REQUEST_MS = 10_000;
const LOCK_MS = 12_000; // longer than a request: whoever still holds the lock by then is a frozen tab
const NEWS_MS = 50; // a neighbour's answer may come just after its lock is let go
const TICK_MS = 30_000; // no timer runs in a sleeping laptop; a short one sees the lost time, and fits an int32
const BACKOFF_MS = 30_000;
const COOL_MS = 60_000;
const TRIES = 5;
const MAX_LENGTH = 65_536;

const EXPLAINED = {
  offline: 'This device is offline.',
  unreachable: 'No answer: connection lost, refused by CORS, or redirected to a login page.',
  timeout: 'The answer took too long.',
  empty_answer: 'The answer is empty.',
  html_answer: 'A web page came instead of JSON: wrong address, or a login gateway before it.',
  not_a_token: 'The answer has nothing, "null" or "undefined" as its token.',
  oversized_answer: 'The answer is too large.',
  unexpected_answer: 'The answer is not JSON with "token" and "expires_in".',
  logged_out: 'This page has logged out; login() or getToken({ force: true }) begins anew.',
  stopped: 'This source was stopped.',
  popup_blocked: 'The login window was blocked: call login() from a click.',
  login_cancelled: 'No login: the window was closed, or the browser withholds third-party cookies.',
  widget_missing: "The widget's script is not loaded.",
  misconfigured: 'Give a known adapter, the element to show it in, and the base address.',
};

class CountersignError extends Error {
  constructor(code, more) {
    super(EXPLAINED[code] ?? code);
    Object.assign(this, { name: 'CountersignError', code, retryable: false }, more);
  }
}

const quiet = () => {}; // listeners have already heard of it

const mark = (window) => ({ wall: window.Date.now(), mono: window.performance.now() });

// One clock may stand still in sleep and the other be set back: whichever says that more has passed is believed.
const age = (window, then) => {
  const now = mark(window);
  return Math.max(now.wall - then.wall, now.mono - then.mono);
};

const sleep = (window, ms) => new Promise((done) => window.setTimeout(done, ms));

const backoff = (window, n) => 500 + window.Math.random() * (Math.min(BACKOFF_MS, 1000 * 2 ** n) - 500);

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

async function exchange(window, url, init) {
  try {
    const signal = window.AbortSignal.timeout(REQUEST_MS);
    const response = await window.fetch(url, { cache: 'no-store', redirect: 'error', signal, ...init });
    const text = await response.text();
    if (!response.ok) throw refusal(window, response, parsed(text));
    return text;
  } catch (error) {
    if (error.code && error.name === 'CountersignError') throw error;
    const why = window.navigator?.onLine === false ? 'offline' : 'unreachable';
    throw new CountersignError(error.name === 'TimeoutError' ? 'timeout' : why, { retryable: true });
  }
}

function refusal(window, { status, headers }, problem) {
  const usual = { 401: 'login_required', 403: 'forbidden', 404: 'not_found', 429: 'rate_limited' };
  const code = problem?.code ?? usual[status] ?? (status < 500 ? 'bad_request' : 'upstream_unavailable');
  const message = `${problem?.detail ?? problem?.title ?? code} (${status})`;
  const retryable = status >= 500 || [408, 425, 429].includes(status);
  return new CountersignError(code, { message, status, retryable, retryAfter: retryAfter(window, headers) });
}

// In milliseconds. A date is compared with the server's own clock where it shows one.
function retryAfter(window, headers) {
  const value = headers.get('Retry-After');
  const now = () => Date.parse(headers.get('Date')) || window.Date.now();
  return Math.max(0, value * 1000 || Date.parse(value) - now() || 0);
}

function understood(text) {
  const answer = parsed(text);
  const fault =
    text.length > MAX_LENGTH ? 'oversized_answer'
    : !text.trim() ? 'empty_answer'
    : /^\s*</.test(text) ? 'html_answer'
    : /^\W*(null|undefined|)\W*$/.test(text) ? 'not_a_token'
    : typeof answer !== 'object' && 'unexpected_answer';
  if (fault) throw new CountersignError(fault);
  return answer;
}

function checked(answer) {
  if (/^\s*(null|undefined|)\s*$/.test(answer.token)) throw new CountersignError('not_a_token');
  if (typeof answer.token !== 'string' || !(answer.expires_in > 0)) throw new CountersignError('unexpected_answer');
  return Object.freeze(answer);
}

function createTokenSource(options = {}) {
  const { widget, headers, context, crossOrigin = [], share = true, loginUrl, env: window = globalThis } = options;
  const absolute = (url) => new URL(url, window.location?.href).href;
  const given = options.base ? `${options.base}/` : options.url ?? home;
  if (!given) throw new CountersignError('misconfigured');
  const base = absolute(given).replace(/\/(token\/)?[^/]*$/, '');
  const path = (name) => `${base}/${name}${widget ? `/${encodeURIComponent(widget)}` : ''}`;
  const url = options.url ? absolute(options.url) : path('token');
  const listeners = new Set();
  const life = new AbortController();
  let held = null; // the answer, when it was asked for, its life and when it is due
  let failure = null; // why nothing is asked, and for how long: for ever after a terminal answer
  let flight = null;
  let timer;
  let ended = false;
  let era = mark(window);

  const live = () => held !== null && age(window, held) < held.life;
  const current = () => (live() ? held.answer : null);
  const hidden = () => window.document?.visibilityState === 'hidden';
  const barred = () => (ended ? Infinity : failure ? failure.hold - age(window, failure) : 0);
  const over = () => new CountersignError(life.signal.aborted ? 'stopped' : 'logged_out');

  // A conversation belongs to one tab; headers or context of the page's own may speak for somebody else.
  const shared = (answer) => share && !headers && !context && !answer?.renewal && !answer?.conversationId;

  // Whatever was asked before now may speak for somebody who has left.
  function reset() {
    era = mark(window);
    held = failure = flight = null;
  }

  function tell(listener, event) {
    try {
      listener(event);
    } catch (error) {
      window.reportError?.(error);
    }
  }

  const emit = (event) => [...listeners].forEach((seat) => listeners.has(seat) && tell(seat.listener, event));
  const news = () => ({ type: 'token', token: held.answer.token, answer: held.answer });

  async function send(method, target, content, init) {
    return exchange(window, target, {
      method,
      credentials: crossOrigin.includes(new URL(target).origin) ? 'include' : 'same-origin',
      body: content && JSON.stringify(content),
      headers: {
        ...(typeof headers === 'function' ? await headers() : headers),
        Accept: 'application/json',
        'X-Requested-By': 'countersign',
        ...(content && { 'Content-Type': 'application/json' }),
      },
      ...init,
    });
  }

  // The token of a conversation is spent in opening it: then only the conversation is renewed, without the token.
  async function renewed({ token, connectorToken, renewal, ...kept }) {
    return { ...kept, ...understood(await send('POST', path('refresh'), { connectorToken, renewal })) };
  }

  async function ask(turn, anew) {
    const asked = mark(window);
    const answer = !anew && live() && held.answer.renewal
      ? Object.freeze(await renewed(held.answer))
      : checked(understood(await send('POST', url, context)));
    if (turn !== era) throw over();
    if (age(window, asked) >= answer.expires_in * 1000) throw new CountersignError('timeout', { retryable: true });
    commit(answer, asked);
    if (shared(answer)) say('answer', { url, answer, wall: asked.wall });
    return held.answer;
  }

  // Life counts from the asking, the earliest the server can have meant, and never from the local date.
  function commit(answer, asked) {
    if (live() && asked.mono < held.mono) return;
    const full = answer.expires_in * 1000;
    const latest = Math.max(full - Math.max(full / 5, 30_000), full / 2);
    const early = Math.min(answer.refresh_in * 1000 || latest, latest);
    held = { ...asked, answer, life: full, due: Math.max(1000, early * (0.9 + window.Math.random() / 5)) };
    failure = null;
    emit(news());
  }

  // One tab asks. The others wait for its lock and find the answer already here.
  async function inTurn(turn, anew) {
    const locks = shared() && window.navigator?.locks;
    if (!locks) return ask(turn, anew);
    const before = held;
    const queued = mark(window);
    const work = async () => {
      if (age(window, queued) > 5 && held === before) await sleep(window, NEWS_MS);
      return held !== before && live() ? held.answer : ask(turn, anew);
    };
    return locks.request(`countersign ${url}`, { signal: window.AbortSignal.timeout(LOCK_MS) }, work).catch((error) => {
      if (error.name === 'CountersignError') throw error;
      return ask(turn, anew); // no lock is no reason to fail the visitor
    });
  }

  async function attempts(turn, anew) {
    for (let n = 1; ; n++) {
      const [answer, error] = await inTurn(turn, anew).then((got) => [got], (why) => [null, why]);
      if (turn === era && answer) return answer;
      if (turn === era) {
        anew ||= /^conversation_/.test(error.code);
        const wait = Math.max(error.retryAfter ?? 0, backoff(window, n));
        ...
      }
    }
  }
}
