// The clinic's page: what a front-end developer writes, and around it what makes it a demo.

import { connect, createTokenSource } from '/chat-identity/countersign.js';
import { clearToken, flow, log, onEvent, renewIn, resetFlow, showToken } from '/demo/scenes.js';
import '/demo/attacks.js';

const $ = (id) => document.getElementById(id);
const choices = $('choices');
const { agent } = document.documentElement.dataset;
const chosen = () => ({ widget: choices.elements.widget.value, with: choices.elements.with.value });

let signedIn = !$('signed-in').hidden;
let calls = 0;
let end = () => {};

// --- This is all that a page needs. ---

function feedByModule(widget) {
  // This vendor takes each userinfo token once, so tabs must not share them.
  const source = createTokenSource({ widget, share: widget !== 'userinfo' });
  const disconnect = connect(source, widget, { element: '#webchat', locale: 'en-IE' });
  source.subscribe(hear);
  const end = () => { disconnect(); source.stop(); };
  return { logout: source.logout, current: source.current, end };
}

// --- And this is what it needs with the vendor's documented code, unmodified. ---

function feedBySnippet(widget) {
  if (!signedIn) {
    flow('session', 'plain', 'nobody is signed in');
    return { logout: async () => {}, current: () => null, end: () => {} };
  }
  const run = (part) => document.head.append(Object.assign(document.createElement('script'), { src: `/demo/snippet/${widget}${part}.js` }));
  if (widget === agent) webChat().then(() => run(''));
  else run('');
  return { logout: async () => run('.logout'), current: () => null, end: () => {} };
}

// The vendor's script, as a page of its customer loads it. It can be loaded once.
let arriving = null;
const webChat = () => (arriving ??= new Promise((done) => {
  const script = Object.assign(document.createElement('script'), { src: '/demo/webchat.js', onload: done });
  document.head.append(script);
}));

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
  believe('plain', 'Not verified yet');
  $('webchat').replaceChildren(invitation());
  if (widget === agent) webChat();
  feed = way === 'module' ? feedByModule(widget) : feedBySnippet(widget);
  ({ end } = feed);
}

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
  renewIn(due, 'the conversation');
  flow('call', 'good', 'opens the conversation');
  log('page', 'noted', 'InitConversation, with the token');
}

// The agent's own verdict, of the conversation that this page has.
onEvent(({ actor, outcome, detail }) => {
  const { widget, with: way } = chosen();
  if (actor !== 'agent' || widget !== agent || !signedIn) return;
  if (way === 'module' && detail.conversation !== feed.current()?.conversationId) return;
  const ok = outcome === 'granted';
  flow('verdict', ok ? 'good' : 'bad', ok ? `believes: ${detail.name}` : 'believes nobody');
  believe(ok ? 'good' : 'bad', ok ? `Verified: ${detail.name}` : 'Not verified');
});

async function arrived() {
  const response = await fetch('/api/session', { cache: 'no-store' });
  if (!response.ok) return;
  const patient = await response.json();
  for (const slot of document.querySelectorAll('[data-patient]')) slot.textContent = patient[slot.dataset.patient] ?? '';
  show(true, '');
}

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
  signedIn = present;
  $('signed-in').hidden = !present;
  $('signed-out').hidden = present;
  $('elsewhere').textContent = why;
}

// What the stand-in widget is told, and what its server makes of it.
window.addEventListener('standin', ({ detail }) => {
  const { call, widget, token, ok, visitor, reason, why } = detail;
  if (call === 'verdict') {
    flow('verdict', ok ? 'good' : 'bad', ok ? `believes: ${visitor.name}` : reason);
  } else if (call === 'ignored') {
    log('page', 'noted', why);
  } else if (call === 'reply') {
    if (!detail.verified) flow('verdict', 'plain', 'anonymous visitor');
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

for (const button of document.querySelectorAll('[data-login]')) {
  button.addEventListener('click', () => {
    $('login').value = button.dataset.login;
    $('password').value = button.dataset.password;
    document.querySelector('.signin .main').focus();
  });
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
