// countersign in the page: asks for the visitor's token, keeps it fresh, hands it to the chat widget, takes it back at
// logout. The token stays in this module's memory: no storage, no DOM attribute, no log line. How this text is served is
// said at its end.

const REQUEST_MS = 10_000;
// Longer than a request: whoever still holds the lock by then is a frozen tab.
const LOCK_MS = 12_000;
// A neighbour's answer may come just after its lock is let go.
const NEWS_MS = 50;
// No timer runs in a sleeping laptop. A short one sees the lost time soon after waking, and always fits an int32.
const TICK_MS = 30_000;
const BACKOFF_MS = 30_000;
const COOL_MS = 60_000;
const TRIES = 5;
// What the last page of a login says, to its opener and on the channel.
const LOGIN = 'countersign:login';

const EXPLAINED = {
  offline: 'This device is offline.',
  unreachable: 'No answer: connection lost, refused by CORS, or redirected to a login.',
  timeout: 'The answer came too late.',
  empty_answer: 'The answer is empty.',
  html_answer: 'The answer is a web page: wrong address or a login.',
  not_a_token: 'The token is empty.',
  oversized_answer: 'The answer is too large.',
  unexpected_answer: 'The answer is not JSON with token and expires_in.',
  logged_out: 'Logged out until login() or getToken({ force: true }).',
  stopped: 'This source was stopped.',
  no_login: 'There is no login here.',
  popup_blocked: 'The login window was blocked: call login() from a click.',
  login_cancelled: 'The login window was closed.',
  session_withheld: 'Logged in, but third-party cookies are withheld.',
  widget_missing: "The widget's script is not loaded.",
  misconfigured: 'Needs a known adapter, element, base.',
};

class CountersignError extends Error {
  constructor(code, more) {
    super(EXPLAINED[code]);
    Object.assign(this, { name: 'CountersignError', code, retryable: false }, more);
  }
}

// For promises whose failure the listeners have already heard of.
const quiet = () => {};

const mark = (window) => ({ wall: window.Date.now(), mono: window.performance.now() });

// One clock may stand still in sleep and the other be set back: whichever says that more has passed is believed.
function age(window, then) {
  const now = mark(window);
  return Math.max(now.wall - then.wall, now.mono - then.mono);
}

const sleep = (window, ms) => new Promise((done) => window.setTimeout(done, ms));

const backoff = (window, n) => 500 + window.Math.random() * (Math.min(BACKOFF_MS, 1000 * 2 ** n) - 500);

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(window, { status, headers }, problem) {
  const usual = { 401: 'login_required', 403: 'forbidden', 404: 'not_found', 408: 'timeout', 429: 'rate_limited' };
  const code = problem?.code ?? usual[status] ?? (status < 500 ? 'bad_request' : 'upstream_unavailable');
  const message = `${problem?.detail ?? problem?.title ?? code} (${status})`;
  const retryable = status >= 500 || [408, 425, 429].includes(status);
  return new CountersignError(code, { message, status, retryable, retryAfter: retryAfter(window, headers) });
}

// In milliseconds. A date is compared with the server's own clock where it shows one.
function retryAfter(window, headers) {
  const value = headers.get('Retry-After');
  const now = Date.parse(headers.get('Date')) || window.Date.now();
  return Math.max(0, value * 1000 || Date.parse(value) - now || 0);
}

function understood(text) {
  const answer = parsed(text);
  const token = 'token' in Object(answer) ? answer.token : text;
  const fault =
    (text.length > 65_536 && 'oversized_answer') ||
    (!text.trim() && 'empty_answer') ||
    (/^\s*</.test(text) && 'html_answer') ||
    (/^\W*(null|undefined|)\W*$/.test(token) && 'not_a_token') ||
    (typeof answer !== 'object' && 'unexpected_answer');
  if (fault) throw new CountersignError(fault);
  return answer;
}

function createTokenSource(options = {}) {
  const { env: window = globalThis, widget, headers, context, crossOrigin = [], share = true, loginUrl, field = 'token' } =
    options;
  if (!(options.base ?? options.url ?? home)) throw new CountersignError('misconfigured');
  const absolute = (url) => new URL(url, window.location?.href).href;
  const base = absolute(options.base ?? new URL('.', absolute(options.url ?? home))).replace(/\/(token\/)?$/, '');
  const path = (name, of = widget) => `${base}/${name}${of ? `/${encodeURIComponent(of)}` : ''}`;
  const url = options.url ? absolute(options.url) : path('token');
  const running = new AbortController();
  const { signal } = running;
  const listeners = new Set();
  // The answer, when it was asked for, how long its token lives and its conversation spans, and when it is due.
  let held = null;
  // Why nothing is asked just now, and for how long: for ever after a terminal answer.
  let failure = null;
  let flight = null;
  let ended = false;
  let era = mark(window);
  let timer;
  let channel;

  const live = () => held && age(window, held) < held.life;
  const current = () => (live() ? held.answer : null);
  const barred = () => (ended ? Infinity : failure ? failure.hold - age(window, failure) : 0);
  const hidden = () => window.document?.visibilityState === 'hidden';
  const over = () => new CountersignError(signal.aborted ? 'stopped' : 'logged_out');

  // A conversation belongs to one tab; headers or context of the page's own may speak for somebody else.
  const shared = (answer) => share && !headers && !context && !answer?.connectorToken;

  // Whatever was asked before now may speak for somebody who has left.
  function reset() {
    era = mark(window);
    held = failure = flight = null;
  }

  function tell({ listener }, type, more) {
    try {
      listener({ type, ...more });
    } catch (error) {
      window.reportError(error);
    }
  }

  const emit = (type, more) => listeners.forEach((seat) => tell(seat, type, more));

  async function send(method, target, content, init) {
    const own = typeof headers === 'function' ? await headers() : headers;
    const { origin } = new URL(target);
    const limit = window.AbortSignal.timeout(REQUEST_MS);
    try {
      const response = await window.fetch(target, {
        method,
        cache: 'no-store',
        redirect: 'error',
        signal: limit,
        credentials: crossOrigin.some((listed) => new URL(listed).origin === origin) ? 'include' : 'same-origin',
        body: content && JSON.stringify(content),
        headers: {
          ...own,
          Accept: 'application/json',
          'X-Requested-By': 'countersign',
          ...(content && { 'Content-Type': 'application/json' }),
        },
        ...init,
      });
      const text = await response.text();
      if (!response.ok) throw refusal(window, response, parsed(text));
      return text;
    } catch (error) {
      if (error instanceof CountersignError) throw error;
      const lost = window.navigator?.onLine === false ? 'offline' : 'unreachable';
      throw new CountersignError(limit.aborted ? 'timeout' : lost, { retryable: true });
    }
  }

  async function exchanged() {
    const answer = understood(await send('POST', url, context));
    return { ...answer, token: answer[field] };
  }

  // The token of a conversation is spent in opening it: what is renewed afterwards is the conversation alone.
  async function renewed({ token, connectorToken, renewal, connector_expires_in, ...kept }) {
    const target = path('refresh', widget ?? kept.widget);
    return { ...kept, ...understood(await send('POST', target, { connectorToken, renewal })) };
  }

  async function ask(turn, anew) {
    const asked = mark(window);
    const renewing = !anew && held?.answer.renewal && age(window, held) < held.span;
    const answer = Object.freeze(await (renewing ? renewed(held.answer) : exchanged()));
    if (turn !== era) throw over();
    if (!(answer.expires_in > 0) || !(renewing || typeof answer.token === 'string')) {
      throw new CountersignError('unexpected_answer');
    }
    if (age(window, asked) >= answer.expires_in * 1000) throw new CountersignError('timeout', { retryable: true });
    commit(answer, asked);
    if (shared(answer)) say('answer', { url, answer, wall: asked.wall });
  }

  // Life counts from the asking, the earliest the server can have meant, and never from the local date. A conversation
  // that cannot be renewed is left to its client: a new one would wipe it out.
  function commit(answer, asked) {
    if (live() && asked.mono < held.mono) return;
    const life = answer.expires_in * 1000;
    const span = answer.connector_expires_in * 1000 || life;
    const latest = Math.max(span - Math.max(span / 5, 30_000), span / 2);
    const early = Math.min(answer.refresh_in * 1000 || latest, latest) * (0.9 + window.Math.random() / 5);
    const due = answer.conversationId && !answer.renewal ? Infinity : Math.max(1000, early);
    held = { ...asked, answer, life, span, due };
    failure = null;
    emit(answer.token ? 'token' : 'renewed', { answer });
  }

  // One tab asks. The others wait for its lock and find the answer already here.
  async function inTurn(turn, anew) {
    const before = held;
    const work = async (waited) => {
      if (waited && held === before) await sleep(window, NEWS_MS);
      if (held === before || !live()) await ask(turn, anew);
    };
    const locks = shared() && window.navigator?.locks;
    if (!locks) return work();
    const name = `countersign ${url}`;
    const queue = () => locks.request(name, { signal: window.AbortSignal.timeout(LOCK_MS) }, () => work(true));
    return locks.request(name, { ifAvailable: true }, (free) => (free ? work() : queue())).catch((error) => {
      if (error instanceof CountersignError) throw error;
      // No lock is no reason to fail the visitor.
      return work();
    });
  }

  async function attempt(turn, anew, n) {
    const before = held;
    try {
      await inTurn(turn, anew);
    } catch (error) {
      const lapsed = !anew && /^conversation_/.test(error.code);
      if (turn === era && !lapsed) await bear(error, n);
      anew ||= lapsed;
    }
    if (turn !== era) {
      if (ended || signal.aborted) throw over();
      return fly(anew);
    }
    return held !== before && live() ? held.answer : attempt(turn, anew, n + 1);
  }

  async function bear(error, n) {
    const wait = Math.max(error.retryAfter ?? 0, backoff(window, n));
    if (!error.retryable || n === TRIES || wait > BACKOFF_MS) throw fail(error);
    await sleep(window, wait);
  }

  // 401 and 403: the visitor may no longer speak as this person, however long the token would still live.
  function fail(error) {
    const { status, retryable, retryAfter: owed = 0 } = error;
    const withdrawn = status === 401 || status === 403;
    if (withdrawn) held = null;
    if (status === 401 && shared()) say('login_required');
    failure = { ...mark(window), error, hold: retryable ? Math.max(owed, COOL_MS) : Infinity };
    emit(status === 401 ? 'login_required' : 'error', { error, withdrawn, loginUrl });
    return error;
  }

  function fly(anew) {
    if (flight) return flight;
    const mine = attempt(era, anew, 1).finally(() => {
      if (flight === mine) flight = null;
      tick();
    });
    return (flight = mine);
  }

  // Runs while somebody listens in a visible tab; with a conversation open in a hidden one too, where somebody may be
  // waiting for a reply.
  function tick() {
    window.clearTimeout(timer);
    if ((hidden() && !held?.answer.renewal) || flight || !listeners.size) return;
    const wait = Math.max(held ? held.due - age(window, held) : 0, barred());
    if (wait <= 0) fly().catch(quiet);
    else if (wait < Infinity) timer = window.setTimeout(tick, Math.min(wait, TICK_MS));
  }

  // A page out of the back/forward cache remembers somebody who may have left, and who was refused may have logged in in
  // another tab: both are asked anew.
  function look({ type, persisted }) {
    if (persisted === false) return;
    if (persisted) reset();
    if (!failure?.error.retryable || (type === 'online' && !failure.error.retryAfter)) failure = null;
    tick();
    if (!hidden()) verify();
  }

  // Somebody may have logged out where nobody here could hear it. An outage is not a logout, and an endpoint of the page's
  // own has nothing beside it that could be asked.
  async function verify() {
    if (!live() || !url.startsWith(path('token', ''))) return;
    if ((await session().catch(quiet))?.logged_in === false) fly().catch(quiet);
  }

  const say = (type, more) => signal.aborted || channel?.postMessage({ type, base, ...more });

  // An answer asked for before this page was loaded, or before the last login or logout, may be somebody else's.
  function hear({ data }) {
    if (data?.type === LOGIN) arrive();
    if (data?.base !== base) return;
    if (data.type === 'logout') leave();
    if (data.type === 'login_required') verify();
    const { answer, wall } = data;
    const passed = window.Date.now() - wall;
    if (data.url !== url || !shared() || ended || wall <= era.wall || passed < 0) return;
    if (passed < answer.expires_in * 1000) commit(answer, { wall, mono: window.performance.now() - passed });
    tick();
  }

  function leave() {
    reset();
    ended = true;
    emit('logout', { withdrawn: true });
  }

  function arrive() {
    reset();
    ended = false;
    tick();
  }

  async function getToken({ force } = {}) {
    if (signal.aborted) throw over();
    if (force) {
      ended = false;
      if (!failure?.error.retryAfter) failure = null;
    } else if (current()?.token) {
      if (age(window, held) >= held.due && barred() <= 0) fly().catch(quiet);
      return held.answer.token;
    }
    if (barred() > 0) throw ended ? over() : failure.error;
    return (await fly(true)).token ?? (await fly(true)).token;
  }

  // SDKs pass arguments of their own, not to be read as ours.
  const tokenProvider = () => getToken();

  function subscribe(listener) {
    const seat = { listener };
    listeners.add(seat);
    if (current()?.token) tell(seat, 'token', { answer: held.answer });
    tick();
    return () => void listeners.delete(seat);
  }

  // What is here ends first, whatever the network says; the promise tells whether the host's session ended too.
  async function logout() {
    leave();
    say('logout');
    await send('POST', `${base}/logout`, undefined, { keepalive: true }).catch((error) => {
      if (![401, 404, 405].includes(error.status)) throw error;
    });
  }

  const session = async () => understood(await send('GET', `${base}/session`));

  // True when the login window says that it is done. It may be unable to: an identity provider can cut the tie between the
  // two (Cross-Origin-Opener-Policy), and the window then looks closed while somebody still types in it.
  async function answered(popup, turn) {
    let told;
    const listen = ({ origin, source, data }) =>
      (told ||= origin === new URL(base).origin && source === popup && data?.type === LOGIN);
    window.addEventListener('message', listen);
    while (!told && turn === era && !(popup.closed && window.document.hasFocus())) await sleep(window, 200);
    window.removeEventListener('message', listen);
    return told;
  }

  async function login() {
    const turn = era;
    // A browser lets a click open a window for some seconds, and no window is opened that would show nothing.
    let found = await session();
    if (found.login_url) {
      const popup = window.open(`${base}/login?popup=1&origin=${window.origin}`, 'countersign', 'popup,width=480,height=680');
      if (!popup) throw new CountersignError('popup_blocked');
      const told = await answered(popup, turn);
      found = await session();
      if (!found.logged_in) throw new CountersignError(told ? 'session_withheld' : 'login_cancelled');
    } else if (!found.logged_in) {
      throw new CountersignError('no_login');
    }
    // Otherwise all pages of this origin, this one too, have heard it from the window itself.
    if (turn === era || ended) {
      arrive();
      say(LOGIN);
    }
    return found;
  }

  function stop() {
    running.abort();
    reset();
    listeners.clear();
    channel?.close();
  }

  try {
    channel = new window.BroadcastChannel('countersign');
    channel.addEventListener('message', hear);
  } catch {
    // Each tab then stands alone.
  }
  for (const type of ['online', 'pageshow']) window.addEventListener?.(type, look, { signal });
  window.document?.addEventListener('visibilitychange', look, { signal });
  // The site's own button goes on to do what it does.
  const leaver = ({ target }) => target.closest?.('[data-countersign-logout]') && logout().catch(fail);
  window.document?.addEventListener('click', leaver, { signal });

  return Object.freeze({ getToken, tokenProvider, current, subscribe, session, login, logout, stop, window });
}

// Feeds one widget from a source; returns the function that disconnects it.
function connect(source, kind, options = {}) {
  const adapter = adapters[kind] ?? kind;
  if (!adapter?.token) throw new CountersignError('misconfigured');
  const { window } = source;
  let open = true;
  let latest = null;
  let ready = null;
  const seat = { source, options, window, gone: () => !open, until };
  const { onError = ({ message }) => window.console.warn(`countersign: ${message}`) } = options;
  let heard;

  // The vendor's script may load after us. Given up after a minute, and tried again with the next token.
  async function until(ready) {
    for (let n = 0; !ready(window); n++) {
      if (n > 72 || !open) throw new CountersignError('widget_missing');
      await sleep(window, Math.min(50 * 1.2 ** n, 1000));
    }
  }

  // Who listens hears each error; otherwise each kind is explained once.
  function report(error) {
    if (open && heard !== (heard = options.onError ? error : error.code)) onError(error);
  }

  // Only the newest event counts: a logout overtakes a token that still waits for the vendor's script.
  async function deliver(event) {
    latest = event;
    try {
      await (ready ??= adapter.start?.(seat));
      if (latest !== event) return;
      if (event.withdrawn) await adapter.logout?.(seat);
      else if (source.current()?.token) await adapter.token(event.answer, seat);
      else await source.getToken();
    } catch (error) {
      ready = null;
      report(error);
    }
  }

  const off = source.subscribe((event) => {
    if (event.error) report(event.error);
    if (event.type === 'token' || event.withdrawn) deliver(event);
    else if (event.answer) adapter.renewed?.(event.answer, seat);
  });
  // A source with a conversation already open keeps quiet: this widget needs one of its own.
  if (!latest) source.getToken().catch(report);

  return () => {
    off();
    open = false;
    latest = null;
    adapter.logout?.(seat);
  };
}

// The healthcare agent learns who speaks from the signed token. A plain Direct Line answer has none beside its own.
const initConversation = ({ token, connectorToken = token }, { locale, triggeredScenario }) =>
  connectorToken !== token &&
  { type: 'invoke', name: 'InitConversation', locale, value: { jsonWebToken: token, triggeredScenario } };

const startConversation = (answer, { locale }) => ({ type: 'event', name: 'startConversation', locale });

// Answers whose conversation has heard its opening: a widget that is put into the page again must not repeat it.
const spent = new WeakSet();

const directLine = (opening) => ({
  start: (seat) => seat.until((window) => window.WebChat),
  token(answer, seat) {
    if (seat.chat?.live && seat.chat.id === answer.conversationId) return undefined;
    return spent.has(answer) ? seat.source.getToken({ force: true }) : converse(answer, seat, opening);
  },
  // The client renews on a timer of its own, which assumes a lifetime and dies with the first failure.
  renewed(answer, seat) {
    if (seat.chat?.live && seat.chat.id === answer.conversationId) seat.chat.line.reconnect({ token: answer.connectorToken });
  },
  // Nobody's transcript stays on a shared screen.
  logout(seat) {
    hangUp(seat.chat);
    seat.chat?.panel.remove();
    seat.chat = null;
  },
});

function converse(answer, seat, opening) {
  const { window: { WebChat, document }, options, source } = seat;
  const element = typeof options.element === 'string' ? document.querySelector(options.element) : options.element;
  if (!element) throw new CountersignError('misconfigured');
  hangUp(seat.chat);
  // The client announces every reconnect; the bot must hear the opening once.
  const once = ({ dispatch }) => (next) => (action) => {
    if (action.type === 'DIRECT_LINE/CONNECT_FULFILLED' && !spent.has(answer)) {
      spent.add(answer);
      seat.fails = 0;
      const meta = { method: 'keyboard' };
      const activity = (options.opening ?? opening)(answer, options);
      // A proof that expired while the client was connecting is no use to the bot.
      if (source.current()?.token !== answer.token) rebuild(seat, chat);
      else if (activity) dispatch({ type: 'DIRECT_LINE/POST_ACTIVITY', meta, payload: { activity } });
    }
    return next(action);
  };
  const store = WebChat.createStore({}, once, ...(options.middleware ?? []));
  const line = WebChat.createDirectLine({ token: answer.connectorToken ?? answer.token, domain: answer.domain });
  // A fresh panel: Web Chat cannot change the connection of one it has drawn.
  const panel = document.createElement('div');
  const chat = { id: answer.conversationId, live: true, store, line, panel };
  seat.chat = chat;
  // 3 expired, 4 failed, 5 ended: the client's reconnect() never refreshes again, so the connection is made anew.
  line.connectionStatus$.subscribe({ next: (status) => status > 2 && chat.live && rebuild(seat, chat) });
  panel.style.height = '100%';
  element.replaceChildren(panel);
  const { locale, webChat } = options;
  WebChat.renderWebChat({ locale, ...webChat, directLine: line, store, userID: answer.userId }, panel);
}

// The dispatched action makes Web Chat let go of its socket, which end() alone leaves open.
function hangUp(chat) {
  if (!chat?.live) return;
  chat.live = false;
  chat.store.dispatch({ type: 'DIRECT_LINE/DISCONNECT' });
  chat.line.end();
}

// The transcript stays readable until the new conversation takes its place.
async function rebuild(seat, chat) {
  hangUp(chat);
  seat.fails = (seat.fails ?? 0) + 1;
  await sleep(seat.window, backoff(seat.window, seat.fails));
  if (seat.chat !== chat) return;
  seat.source.getToken({ force: true }).catch((error) => error.retryable && rebuild(seat, chat));
}

// One widget, one entry. start waits for the vendor's script, token hands over every token, renewed the conversation's own
// where that alone is new, logout takes back what was handed over. A page may pass an object of this shape to connect().
const adapters = {
  medchat: {
    start: (seat) => seat.until((window) => window.medchatapp?.registerJWT),
    token: ({ token }, { window }) => window.medchatapp.registerJWT(token),
    logout: ({ window }) => window.medchatapp?.unVerifyUser?.(),
  },
  'direct-line': directLine(initConversation),
  'healthcare-agent': directLine(initConversation),
  'copilot-studio': directLine(startConversation),
  userinfo: {
    token(answer, { window, options: { object = 'chatWidgetConfig', property = 'userinfo', onToken } }) {
      (window[object] ??= {})[property] = answer.token;
      onToken?.(answer.token, answer);
    },
    logout({ window, options: { object = 'chatWidgetConfig', property = 'userinfo', onLogout } }) {
      delete window[object]?.[property];
      onLogout?.();
    },
  },
  generic: {
    token: (answer, { options }) => options.onToken?.(answer.token, answer),
    logout: ({ options }) => options.onLogout?.(),
  },
};

// SERVED: both variants leave out leading spaces, empty lines and lines that begin with two slashes. The module is the rest.
// The classic script wraps the rest in `(() => {"use strict";` and `})();` and changes its last two lines:
// `const home = document.currentScript?.src;` and, with the same names, `globalThis.countersign = Object.freeze({ ... });`.
const home = import.meta.url;
export { createTokenSource, connect, adapters, CountersignError };
