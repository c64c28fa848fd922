// The clinic's page: what a front-end developer writes, and around it what makes it a demo.

import { connect, createTokenSource } from '/chat-identity/countersign.js';
import { ahead, breakable, clearToken, flow, log, onEvent, renewIn, resetFlow, showToken } from '/demo/scenes.js';
import { attempted } from '/demo/attacks.js';

const $ = (id) => document.getElementById(id);
const choices = $('choices');
const { agent, mount } = document.documentElement.dataset;
const chosen = () => ({ widget: choices.elements.widget.value, with: choices.elements.with.value });

let signedIn = !$('signed-in').hidden;
let calls = 0;
let end = () => {};

// The demo can put its clocks forward, the module's too. No other page has a reason for this.
const clocks = {
  Date: { now: () => Date.now() + ahead(), parse: Date.parse },
  performance: { now: () => performance.now() + ahead() },
};
const env = new Proxy(window, {
  get(target, name) {
    const value = clocks[name] ?? target[name];
    return typeof value === 'function' && /^[a-z]/.test(name) ? value.bind(target) : value;
  },
  set: (target, name, value) => Reflect.set(target, name, value),
});

// --- This is all that a page needs. ---

function feedByModule(widget) {
  // This vendor takes each userinfo token once, so tabs must not share them.
  const source = createTokenSource({ widget, share: widget !== 'userinfo', env });
  const disconnect = connect(source, widget, { element: '#webchat', locale: 'en-IE' });
  source.subscribe(hear);
  const end = () => { disconnect(); source.stop(); };
  return { login: source.login, session: source.session, logout: source.logout, current: source.current, end };
}

// --- And this is what it needs with the vendor's documented code, unmodified. ---

function feedBySnippet(widget) {
  if (!signedIn) {
    flow('session', 'plain', 'nobody is signed in');
    return { logout: async () => {}, current: () => null, end: () => {} };
  }
  const run = (part) => document.head.append(Object.assign(document.createElement('script'), { src: `/demo/snippet/${widget}${part}.js` }));
  if (widget === agent) webChat().then(watched).then(() => run(''));
  else run('');
  const logout = async () => {
    run('.logout');
    await fetch(`${mount}/logout`, { method: 'POST' });
  };
  return { logout, current: () => null, end: () => {} };
}

// The vendor's script, as a page of its customer loads it. It can be loaded once.
let arriving = null;
const webChat = () => (arriving ??= new Promise((done) => {
  const script = Object.assign(document.createElement('script'), { src: '/demo/webchat.js', onload: done });
  document.head.append(script);
}));

// The snippet's token is seen where the chat says it. What the vendor documents stays as it is.
function watched() {
  const { createStore } = window.WebChat;
  const watch = () => (next) => (action) => {
    const token = action.type === 'DIRECT_LINE/POST_ACTIVITY' && action.payload?.activity?.value?.jsonWebToken;
    if (token) handOver({ token, widget: agent, refresh_in: null });
    return next(action);
  };
  window.WebChat = { ...window.WebChat, createStore: (state, ...more) => createStore(state, watch, ...more) };
  arriving = Promise.resolve();
}

let feed = null;

function begin() {
  end();
  const { widget, with: way } = chosen();
  calls = 0;
  resetFlow();
  clearToken(signedIn ? 'Asking for a token.' : 'No token: nobody is signed in.');
  window.standin.show(widget);
  $('chat').hidden = widget === agent;
  $('agent').hidden = widget !== agent;
  $('skip-chat').href = widget === agent ? '#agent' : '#chat';
  believe('plain', 'Not verified yet');
  $('webchat').replaceChildren(invitation());
  if (widget === agent) webChat();
  feed = way === 'module' ? feedByModule(widget) : feedBySnippet(widget);
  ({ end } = feed);
  window.standin.login = feed.login;
  $('own').hidden = !feed.login;
}

// Called from a click, so that the browser lets it open a window.
$('own-login').addEventListener('click', () => {
  $('elsewhere').textContent = '';
  feed.login().catch(({ message }) => { $('elsewhere').textContent = message; });
});

function invitation() {
  const text = signedIn ? 'One moment.' : 'This agent talks to patients whom the clinic vouches for. Please sign in.';
  return Object.assign(document.createElement('p'), { className: 'invitation', textContent: text });
}

function believe(state, text) {
  Object.assign($('agent-badge'), { textContent: text }).dataset.state = state;
}

function hear({ type, error, answer }) {
  if (type === 'token' && answer.connectorToken) handOver(answer);
  if (type === 'renewed') {
    renewIn(answer.refresh_in, 'the conversation');
    log('page', 'noted', 'countersign.js renewed the conversation, and told the chat');
  }
  if (type === 'token' && !signedIn) arrived();
  if (type === 'logout') gone('Signed out in another tab, so here too.');
  if (type === 'login_required') gone(signedIn ? 'The session has ended.' : '');
  if (type === 'error') log('page', 'refused', `countersign.js: ${error.message}`);
}

function handOver({ token, widget, refresh_in: due }) {
  showToken(token, widget, due);
  if (due) renewIn(due, 'the conversation');
  flow('call', 'good', 'opens the chat');
  log('page', 'noted', 'InitConversation, with the token');
}

// The agent's own verdict, of the conversation that this page has.
onEvent(({ actor, outcome, detail }) => {
  const { widget, with: way } = chosen();
  if (actor !== 'agent' || widget !== agent || !signedIn || attempted.has(detail.conversation)) return;
  if (way === 'module' && detail.conversation !== feed.current()?.conversationId) return;
  const ok = outcome === 'granted';
  flow('verdict', ok ? 'good' : 'bad', ok ? `believes: ${detail.name}` : 'believes nobody');
  believe(ok ? 'good' : 'bad', ok ? `Verified: ${detail.name}` : 'Not verified');
});

async function arrived() {
  signedIn = true;
  const response = await fetch('/api/session', { cache: 'no-store' });
  // Who came by countersign's own login is nobody to the clinic.
  const own = !response.ok && (await feed.session());
  if (own) flow('session', 'good', own.name);
  const patient = own || (await response.json());
  for (const slot of document.querySelectorAll('[data-patient]')) {
    const value = patient[slot.dataset.patient] ?? '';
    slot.parentElement.hidden = !value;
    slot.replaceChildren(...breakable(value));
  }
  show(true, '');
}

const ADVICE = 'The vendor’s snippet asks for one token. Ask again before expires_in is over, or let countersign.js do it.';

// What was believed until now is believed no more, until something newer arrives.
window.addEventListener('lapsed', () => {
  const { widget, with: way } = chosen();
  const spent = widget === agent && way === 'module';
  if (!signedIn || spent) return;
  flow('verdict', 'bad', 'expired: nobody any more');
  if (widget === agent) believe('bad', 'Expired');
  if (way === 'snippet') {
    log('page', 'refused', `The token has expired, and nobody renews it. ${ADVICE}`);
    $('elsewhere').textContent = `The chat no longer knows who you are. ${ADVICE}`;
  }
});

function gone(why) {
  show(false, why);
  clearToken('No token: nobody is signed in.');
  flow('session', 'plain', 'nobody is signed in');
  flow('token', 'plain', 'nobody to sign for');
  if (chosen().widget !== agent) return;
  flow('call', 'plain', 'taken back');
  flow('verdict', 'plain', 'anonymous visitor');
  believe('plain', 'Not verified yet');
  $('webchat').replaceChildren(invitation());
}

function show(present, why) {
  // Nobody is left standing on a button that is not there any more.
  const stranded = $(present ? 'signed-out' : 'signed-in').contains(document.activeElement);
  signedIn = present;
  $('signed-in').hidden = !present;
  $('signed-out').hidden = present;
  $('elsewhere').textContent = why;
  if (stranded) $(present ? 'hello' : 'login').focus();
}

// What the stand-in widget is told, and what its server makes of it.
window.addEventListener('standin', ({ detail }) => {
  const { call, widget, token, ok, visitor, reason, why } = detail;
  if (call === 'verdict') {
    flow('verdict', ok ? 'good' : 'bad', ok ? `believes: ${visitor.name}` : reason);
  } else if (call === 'lapsed') {
    flow('verdict', 'bad', 'expired: nobody any more');
  } else if (call === 'ignored') {
    log('page', 'noted', why);
  } else if (call === 'reply') {
    if (!detail.verified) flow('verdict', detail.lapsed ? 'bad' : 'plain', detail.lapsed ? 'expired: nobody any more' : 'anonymous visitor');
  } else if (token) {
    calls += 1;
    const answer = feed.current();
    showToken(token, widget, answer?.token === token ? answer.refresh_in : null);
    flow('call', 'good', calls === 1 ? 'called once' : `called ${calls} times: renewed`);
    log('page', 'noted', call.startsWith('medchatapp') ? `${call}(token)` : `${call} = token`);
  } else {
    flow('call', 'plain', 'taken back');
    flow('verdict', 'plain', 'anonymous visitor');
    log('page', 'noted', call.startsWith('delete') ? call : `${call}()`);
  }
});

choices.addEventListener('change', () => {
  const query = new URLSearchParams(chosen()).toString();
  history.replaceState(null, '', `/?${query}`);
  for (const form of document.querySelectorAll('[data-keeps-choice]')) {
    form.action = `${new URL(form.action).pathname}?${query}`;
  }
  begin();
});

// Where somebody was is where they go on: at the greeting after signing in, at the password after a mistake.
for (const form of document.querySelectorAll('#signed-out form')) {
  form.addEventListener('submit', () => sessionStorage.setItem('demo-signing-in', 'yes'));
}
if (sessionStorage.getItem('demo-signing-in')) {
  sessionStorage.removeItem('demo-signing-in');
  $(signedIn ? 'hello' : 'password').focus();
}

// Chat first, then the clinic's own session: whatever happens to the network, this page forgets at once.
$('logout').addEventListener('submit', async (event) => {
  event.preventDefault();
  await feed.logout().catch((error) => log('page', 'refused', error.message));
  await fetch(event.target.action, { method: 'POST', redirect: 'manual' });
  gone('You have signed out.');
  $('login').focus();
});

begin();
