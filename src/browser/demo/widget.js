// A stand-in for a chat vendor's script. It offers the calls that the real ones document, draws a chat, and asks its
// server, which lives elsewhere, who the visitor is. It tells the page about every call, so that the demo can show it.
(() => {
  'use strict';

  const root = document.getElementById('chat');
  const { server } = root.dataset;
  let { widget } = root.dataset;
  let conversation = null;
  let latest = 0;
  // When the proof ends by which the visitor is known.
  let until = Infinity;

  const tell = (call, more) => window.dispatchEvent(new CustomEvent('standin', { detail: { call, widget, ...more } }));

  async function ask(body) {
    const response = await fetch(`${server}/api`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      credentials: 'omit',
      body: JSON.stringify(body),
    });
    return { ok: response.ok, ...(await response.json()) };
  }

  // The newest call counts: an answer to an older one comes too late.
  async function identify(call, token) {
    const turn = ++latest;
    if (typeof token !== 'string' || !token) return tell('ignored', { why: `${call} was called without a token` });
    tell(call, { token });
    try {
      const answer = await ask({ do: 'identify', widget, token, conversation });
      if (turn !== latest) return undefined;
      if (answer.ok) conversation = answer.conversation;
      until = answer.ok ? answer.expires_at * 1000 : Infinity;
      seen(answer.ok ? answer.visitor.name : null, answer.reason);
      return tell('verdict', answer);
    } catch {
      return tell('verdict', { ok: false, reason: 'the chat server cannot be reached' });
    }
  }

  // The demo's clocks can be put forward.
  setInterval(() => {
    if (Date.now() + Number(document.documentElement.dataset.ahead) < until) return;
    until = Infinity;
    seen(null, 'the proof has expired');
    note('The proof of who is writing has expired. A newer token brings it back.');
    tell('lapsed');
  }, 250);

  async function forget(call) {
    latest++;
    until = Infinity;
    seen(null);
    if (!conversation) return;
    tell(call);
    note('From here on the chat does not know who is writing.');
    await ask({ do: 'forget', conversation }).catch(() => {});
  }

  // MedChat's documented calls.
  window.medchatapp = {
    registerJWT: (token) => void identify('medchatapp.registerJWT', token),
    unVerifyUser: () => void forget('medchatapp.unVerifyUser'),
  };

  // The generic one: this widget reads the page's configuration, and notices when it changes or is gone.
  let configured = null;
  setInterval(() => {
    if (widget !== 'userinfo') return;
    const token = window.chatWidgetConfig?.userinfo ?? null;
    if (token === configured) return;
    configured = token;
    if (token) identify('chatWidgetConfig.userinfo', token);
    else forget('delete chatWidgetConfig.userinfo');
  }, 100);

  // The panel.
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const badge = make('p', { class: 'badge', role: 'status' });
  const lines = make('div', { class: 'lines', role: 'log', 'aria-label': 'Chat messages', tabindex: '0' });
  const field = make('input', { id: 'chat-text', name: 'text', autocomplete: 'off', maxlength: '500', placeholder: 'Write a message' });
  const form = make('form', { class: 'write' },
    make('label', { class: 'unseen', for: 'chat-text' }, 'Message'), field, make('button', { class: 'main' }, 'Send'));
  const asks = make('ul', { class: 'asks', 'aria-label': 'Questions to try' });
  for (const text of ['When is my appointment?', 'Who am I?', 'When are you open?']) {
    const button = make('button', { type: 'button', class: 'quiet' }, text);
    button.addEventListener('click', () => say(text));
    asks.append(make('li', {}, button));
  }
  root.replaceChildren(
    make('div', { class: 'top' }, make('h2', {}, 'Ask the harbour desk'), badge), lines, asks, form);

  function seen(name, reason) {
    badge.textContent = name ? `Verified: ${name}` : reason ? 'Not verified' : 'Anonymous visitor';
    badge.dataset.state = name ? 'good' : reason ? 'bad' : 'plain';
    badge.title = reason ?? '';
  }

  function line(who, text) {
    const speaker = make('span', { class: 'unseen' }, who === 'you' ? 'You: ' : who === 'bot' ? 'Desk: ' : '');
    lines.append(make('p', { class: who }, speaker, text));
    lines.scrollTop = lines.scrollHeight;
  }

  const note = (text) => line('note', text);

  async function say(text) {
    line('you', text);
    try {
      const answer = await ask({ do: 'say', conversation, text });
      ({ conversation } = answer);
      if (!answer.verified_as) seen(null, answer.lapsed ? 'the proof has expired' : undefined);
      line('bot', answer.reply);
      if (!answer.verified_as && /sign in/.test(answer.reply)) askForLogin();
      tell('reply', { verified: answer.verified_as, lapsed: answer.lapsed });
    } catch {
      note('The chat server cannot be reached.');
    }
  }

  // The widget asks for the login itself where the page has named one: a window in which countersign checks the credentials.
  // The page then hands over a token as ever, and only its verification grants anything.
  function askForLogin() {
    const { login } = window.standin;
    if (!login) return;
    const button = make('button', { type: 'button', class: 'main' }, 'Log in to go on');
    button.addEventListener('click', async () => {
      button.disabled = true;
      await login().then(() => note('You are logged in.'), ({ message }) => note(`Not logged in: ${message}`));
      button.remove();
    });
    lines.append(button);
    lines.scrollTop = lines.scrollHeight;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    field.value = '';
    if (text) say(text);
  });

  // Starts a widget afresh, as a new page would.
  function show(name) {
    widget = name;
    conversation = null;
    configured = null;
    until = Infinity;
    delete window.chatWidgetConfig;
    latest++;
    lines.replaceChildren();
    line('bot', 'Hello! How can the harbour desk help?');
    seen(null);
  }

  // What the demo's page, not a vendor's customer, needs.
  window.standin = { show, ask };
  show(widget);
})();
