// A small chat client, for want of Microsoft's Web Chat. It has the calls of Web Chat that pages use, so that the page's
// code is the same with either, and speaks Direct Line 3.0 itself: start, say, and hear over a web socket.
(() => {
  'use strict';

  const [CONNECTING, ONLINE, EXPIRED, FAILED, ENDED] = [1, 2, 3, 4, 5];

  // Remembers the latest value for whoever subscribes later.
  function subject(value) {
    const listeners = new Set();
    return {
      next(news) {
        value = news;
        for (const listener of listeners) listener.next(news);
      },
      subscribe(listener) {
        listeners.add(listener);
        if (value !== undefined) listener.next(value);
        return { unsubscribe: () => listeners.delete(listener) };
      },
    };
  }

  function createDirectLine({ token, domain }) {
    const connectionStatus$ = subject(0);
    const activity$ = subject();
    let conversation = null;
    let socket = null;
    let ended = false;

    const call = (path, content) => fetch(`${domain}/conversations${path}`, {
      method: 'POST',
      credentials: 'omit',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: content && JSON.stringify(content),
    });
    const status = (value) => ended || connectionStatus$.next(value);

    async function open() {
      status(CONNECTING);
      try {
        const response = await call('');
        if (!response.ok) return status(response.status === 403 ? EXPIRED : FAILED);
        const { conversationId, streamUrl } = await response.json();
        if (ended) return undefined;
        conversation = conversationId;
        socket = new WebSocket(streamUrl);
        socket.onopen = () => status(ONLINE);
        socket.onclose = () => status(FAILED);
        socket.onmessage = ({ data }) => data && JSON.parse(data).activities.forEach(activity$.next);
        return undefined;
      } catch {
        return status(FAILED);
      }
    }

    async function postActivity(activity) {
      const response = await call(`/${conversation}/activities`, activity).catch(() => null);
      if (!response?.ok) status(response?.status === 403 ? EXPIRED : FAILED);
      return Boolean(response?.ok);
    }

    function end() {
      status(ENDED);
      ended = true;
      socket?.close();
    }

    return { connectionStatus$, activity$, open, postActivity, reconnect: (anew) => { ({ token } = anew); }, end };
  }

  function createStore(_state, ...middleware) {
    const listeners = new Set();
    const store = { dispatch: (action) => chain(action), listen: (listener) => listeners.add(listener) };
    const chain = middleware.reduceRight((next, wrap) => wrap(store)(next), (action) => {
      for (const listener of listeners) listener(action);
      return action;
    });
    return store;
  }

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  function renderWebChat({ directLine, store, userID, locale }, element) {
    const lines = make('div', { class: 'lines', role: 'log', 'aria-label': 'Chat messages', tabindex: '0' });
    const field = make('input', { name: 'text', autocomplete: 'off', maxlength: '500', placeholder: 'Type your message', 'aria-label': 'Message to the agent' });
    const form = make('form', { class: 'write' }, field, make('button', { class: 'main' }, 'Send'));
    const asks = make('ul', { class: 'asks', 'aria-label': 'Questions to try' });
    element.classList.add('client');
    element.replaceChildren(lines, asks, form);

    const post = (activity) => directLine.postActivity({ from: { id: userID, role: 'user' }, locale, ...activity });

    const note = (text) => {
      lines.append(make('p', { class: 'note' }, text));
      lines.scrollTop = lines.scrollHeight;
    };

    // What could not be sent is not lost: it stands in the field again, and why is said.
    async function say(text) {
      if (await post({ type: 'message', text })) return;
      field.value = text;
      note('Not sent: the token of this conversation has expired, and nobody has renewed it. Load the page again. countersign.js would have renewed it in time.');
    }

    store.listen(({ type, payload }) => {
      if (type === 'DIRECT_LINE/POST_ACTIVITY') post(payload.activity);
      if (type === 'DIRECT_LINE/DISCONNECT') directLine.end();
    });
    directLine.connectionStatus$.subscribe({
      next(status) {
        if (status === ONLINE) store.dispatch({ type: 'DIRECT_LINE/CONNECT_FULFILLED' });
        // An expired conversation is found out by who still writes.
        form.inert = status !== ONLINE && status !== EXPIRED;
      },
    });
    directLine.activity$.subscribe({
      next({ type, text, from, suggestedActions }) {
        if (type !== 'message') return;
        if (suggestedActions) suggest(suggestedActions.actions);
        const bot = from?.role === 'bot';
        lines.append(make('p', { class: bot ? 'bot' : 'you' }, make('span', { class: 'unseen' }, bot ? 'Agent: ' : 'You: '), text ?? ''));
        lines.scrollTop = lines.scrollHeight;
      },
    });
    function suggest(actions) {
      asks.replaceChildren(...actions.map(({ title, value }) => {
        const button = make('button', { type: 'button', class: 'quiet' }, title);
        button.addEventListener('click', () => say(value));
        return make('li', {}, button);
      }));
    }

    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = field.value.trim();
      field.value = '';
      if (text) say(text);
    });
    directLine.open();
  }

  window.WebChat = { createDirectLine, createStore, renderWebChat };
})();
