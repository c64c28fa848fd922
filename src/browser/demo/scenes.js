// The live view: what the servers record, and the token in the page's hands.

import { make, read } from '/demo/kit.js';

const $ = (id) => document.getElementById(id);

// The demo's clocks, which can be put forward: the page's own are ahead of the machine's by as much as the servers'.
export const ahead = () => Number(document.documentElement.dataset.ahead);
export const now = () => Date.now() + ahead();
const ticks = () => performance.now() + ahead();

const opened = now();
const WHO = { clinic: 'Clinic', countersign: 'countersign', 'widget-server': 'Widget server', 'direct-line': 'Direct Line', agent: 'Agent', page: 'Page' };
const SHOWN = 25;

export function flow(step, state, text) {
  const item = $(`flow-${step}`);
  item.dataset.state = state;
  item.querySelector('.state').textContent = text;
}

export function resetFlow() {
  flow('session', 'idle', 'not checked yet');
  flow('token', 'idle', 'none yet');
  flow('call', 'idle', 'not called yet');
  flow('verdict', 'idle', 'anonymous visitor');
}

// Newest first, so that nobody has to scroll for what just happened.
export function log(actor, outcome, text, detail, at = now()) {
  const when = new Date(at);
  const item = make('li', { 'data-actor': actor, 'data-outcome': outcome },
    make('span', { class: 'who' }, WHO[actor]),
    make('span', { class: 'what' }, ...shortened(text)),
    make('time', { datetime: when.toISOString() }, when.toLocaleTimeString()));
  if (detail) {
    const record = typeof detail === 'string' ? detail : JSON.stringify(detail, null, 2);
    item.append(make('details', {}, make('summary', {}, 'record'), make('pre', {}, record)));
  }
  const list = $('log');
  list.prepend(item);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
}

// A pseudonym is long and says nothing: its beginning tells two apart, and the whole is there for whoever asks.
const PSEUDONYM = /\b(dl_[\w-]{20,}|[\w-]{22}-us)\b/;

export function shortened(text) {
  return text.split(new RegExp(PSEUDONYM, 'g')).flatMap((part) => (PSEUDONYM.test(part) ? onDemand(part) : breakable(part)));
}

// An address that does not fit on a line goes on at its @.
export function breakable(text) {
  const [first, ...rest] = text.split('@');
  return [first, ...rest.flatMap((part) => [make('wbr'), `@${part}`])];
}

function onDemand(whole) {
  const [short] = whole.match(/^(dl_)?.{6}/);
  const button = make('button', { type: 'button', class: 'short', 'aria-expanded': 'false', 'aria-label': `${short}…, show the whole` }, `${short}…`);
  button.addEventListener('click', () => {
    const open = button.getAttribute('aria-expanded') === 'false';
    button.setAttribute('aria-expanded', String(open));
    button.setAttribute('aria-label', open ? `${whole}, show less` : `${short}…, show the whole`);
    button.textContent = open ? whole : `${short}…`;
  });
  return button;
}

const listeners = new Set();

// Hears the servers' events from now on; returns the function that ends it.
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function hear(event) {
  log(event.actor, event.outcome, event.text, event.detail, event.at);
  if (event.detail?.ahead_ms > ahead()) putForward(event.detail.ahead_ms);
  if (event.at < opened - 1500) return;
  if (event.actor === 'clinic' && event.detail?.['GET /api/session']) {
    const { name, error } = event.detail['GET /api/session'];
    const own = document.querySelector('[data-patient=name]').textContent;
    // A thief's session is not this visitor's.
    if (!name || !own || name === own) flow('session', name ? 'good' : 'plain', name ?? error ?? 'checked');
  }
  if (event.actor === 'countersign' && event.outcome !== 'refused' && event.detail?.audit === 'token' && event.detail.outcome !== 'renewed') {
    const { took_us: took } = event.detail ?? {};
    const good = event.outcome === 'granted';
    flow('token', good ? 'good' : 'plain', good ? `made in ${(took / 1000).toFixed(1)} ms` : 'nobody to sign for');
  }
  for (const listener of listeners) listener(event);
}

// Whoever waits for something looks at the clock again.
function putForward(ms) {
  document.documentElement.dataset.ahead = ms;
  window.dispatchEvent(new Event('online'));
  tick();
}

new EventSource('/demo/events').addEventListener('message', ({ data }) => hear(JSON.parse(data)));

// The token.

let held = null;

export const heldToken = () => held?.token ?? null;

// Says when the next one comes; what is renewed may be another one than the token that is shown.
export function renewIn(seconds, what = 'it') {
  if (held) held = { ...held, what, renewal: ticks() - held.at + seconds * 1000 };
}

export function showToken(token, widget, refresh) {
  const { header, claims } = read(token);
  held = { token, claims, what: 'it', at: ticks(), left: claims.exp * 1000 - now(), renewal: refresh && refresh * 1000 };
  held.life = held.left;
  $('token-none').hidden = true;
  $('token-shown').hidden = false;
  $('token-kind').textContent = `${widget}, ${header.alg}`;
  $('token-claims').replaceChildren(...Object.entries(claims).map(claim));
  const [a, b, c] = token.split('.');
  $('token-raw').replaceChildren(make('span', { class: 'a' }, a), '.', make('span', { class: 'b' }, b), '.', make('span', { class: 'c' }, c));
  tick();
}

const MEANS = {
  iat: 'issued', nbf: 'not before', exp: 'expires', sub: 'who', external_id: 'who', iss: 'from', aud: 'for',
  jti: 'its own id', name: 'name', userId: 'who', userName: 'name', connectorToken: 'opens the conversation', directLineURI: 'where',
};

function claim([name, value]) {
  const time = ['iat', 'nbf', 'exp'].includes(name);
  const long = name === 'connectorToken';
  const text = long ? `${value.slice(0, 24)}…` : time ? `${new Date(value * 1000).toLocaleTimeString()} (${value})` : typeof value === 'string' ? value : JSON.stringify(value);
  const label = make('th', { scope: 'row' }, make('code', {}, name));
  if (MEANS[name] && MEANS[name] !== name) label.append(make('small', {}, MEANS[name]));
  return make('tr', {}, label, make('td', {}, ...shortened(text)));
}

export function clearToken(why) {
  held = null;
  $('token-shown').hidden = true;
  $('token-none').hidden = false;
  $('token-none').textContent = why;
  $('token-kind').textContent = '';
}

const clock = (ms) => {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

// Its end is told once: what happens next is the page's affair.
function lapse() {
  held.over = true;
  window.dispatchEvent(new Event('lapsed'));
}

function tick() {
  if (!held) return;
  const passed = ticks() - held.at;
  const left = held.left - passed;
  const conversation = held.what !== 'it';
  const over = conversation ? 'Used: it opened the conversation, which goes on' : 'Expired: worthless to anybody now';
  $('token-left').textContent = left > 0 ? `Expires in ${clock(left)}` : over;
  $('token-bar').max = held.life;
  $('token-bar').value = Math.max(0, left);
  $('token').dataset.state = left > 0 ? (left < held.life / 5 ? 'late' : 'live') : conversation ? 'spent' : 'over';
  const renewal = held.renewal === null ? 'Nobody renews it' : `countersign.js renews ${held.what} in about ${clock(held.renewal - passed)}`;
  $('token-next').textContent = left > 0 || conversation ? renewal : '';
  $('to-renewal').hidden = held.renewal === null || held.renewal <= passed;
  $('to-end').hidden = left <= 0;
  if (left <= 0 && !held.over) lapse();
}

// Nobody has to wait: the servers put their clocks forward, and this page hears of it and does the same.
function forwardTo(moment) {
  const seconds = Math.max(1, Math.ceil((moment - (ticks() - held.at)) / 1000));
  return fetch('/demo/forward', { method: 'POST', body: new URLSearchParams({ seconds }) });
}

// A renewal comes within a tenth of its time.
$('to-renewal').addEventListener('click', () => forwardTo(held.renewal * 1.1));
$('to-end').addEventListener('click', () => forwardTo(held.left));

setInterval(tick, 500);
