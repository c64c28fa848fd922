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
    const lines = make('ol', { class: 'lines', role: 'log', 'aria-label': 'Conversation', tabindex: '0' });
    const field = make('input', { name: 'text', autocomplete: 'off', maxlength: '500', placeholder: 'Type your message', 'aria-label': 'Message to the agent' });
    const form = make('form', { class: 'write' }, field, make('button', { class: 'main' }, 'Send'));
    element.classList.add('client');
    element.replaceChildren(lines, form);

    const post = (activity) => directLine.postActivity({ from: { id: userID, role: 'user' }, locale, ...activity });

    store.listen(({ type, payload }) => {
      if (type === 'DIRECT_LINE/POST_ACTIVITY') post(payload.activity);
      if (type === 'DIRECT_LINE/DISCONNECT') directLine.end();
    });
    directLine.connectionStatus$.subscribe({
      next(status) {
        if (status === ONLINE) store.dispatch({ type: 'DIRECT_LINE/CONNECT_FULFILLED' });
        form.inert = status !== ONLINE;
      },
    });
    directLine.activity$.subscribe({
      next({ type, text, from }) {
        if (type !== 'message') return;
        lines.append(make('li', { class: from?.role === 'bot' ? 'bot' : 'you' }, text ?? ''));
        lines.scrollTop = lines.scrollHeight;
      },
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = field.value.trim();
      field.value = '';
      if (text) post({ type: 'message', text });
    });
    directLine.open();
  }

  window.WebChat = { createDirectLine, createStore, renderWebChat };
})();
