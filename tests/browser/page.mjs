// One machine with one clock and one network, and the tabs that share them. Nothing here waits for real time.

const settle = async () => {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate);
};

class Clock {
  wall = Date.UTC(2030, 0, 1);
  mono = 1_000;
  timers = new Map();
  next = 1;

  set(run, ms = 0, owner = null) {
    if (!(ms <= 2 ** 31 - 1)) throw new RangeError(`a browser turns ${ms} into 1`);
    this.timers.set(this.next, { run, at: this.mono + ms, ms, owner });
    return this.next++;
  }

  clear(id) {
    this.timers.delete(id);
  }

  async advance(ms) {
    const end = this.mono + ms;
    await settle();
    for (;;) {
      const [id, first] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!first || first.at > end) break;
      this.pass(first.at - this.mono);
      this.timers.delete(id);
      first.run();
      await settle();
    }
    this.pass(end - this.mono);
    await settle();
  }

  pass(ms) {
    this.mono += ms;
    this.wall += ms;
  }
}

class Locks {
  queues = new Map();

  request(name, { signal, ifAvailable }, work) {
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    if (ifAvailable && queue.length) return Promise.resolve(null).then(work);
    return new Promise((resolve, reject) => {
      const held = () => Promise.resolve({ name }).then(work).then(resolve, reject);
      const entry = { start: () => held().finally(() => this.release(queue)) };
      signal?.addEventListener('abort', () => {
        const place = queue.indexOf(entry);
        if (place > 0) queue.splice(place, 1), reject(signal.reason);
      });
      if (queue.push(entry) === 1) setImmediate(entry.start);
    });
  }

  release(queue) {
    queue.shift();
    if (queue.length) setImmediate(queue[0].start);
  }

  // A frozen tab that took the lock and does not come back.
  freeze(name) {
    this.queues.set(name, [{ start() {} }]);
  }
}

class Element {
  children = [];
  style = {};

  replaceChildren(...children) {
    this.children = children;
    for (const child of children) child.parent = this;
  }

  remove() {
    this.parent.children = this.parent.children.filter((child) => child !== this);
  }
}

export class Machine {
  clock = new Clock();
  locks = new Locks();
  channels = new Set();
  requests = [];
  answer = () => token();
  // How long a message takes from one tab to the next.
  distance = 0;

  advance = (ms) => this.clock.advance(ms);

  // The laptop is shut: the date moves on, no timer fires, and performance.now() stands still as it does in some browsers.
  sleep(ms) {
    this.clock.wall += ms;
  }

  asked(path = '/token') {
    return this.requests.filter((request) => new URL(request.url).pathname.includes(path));
  }

  // One tab. `lacks` names what this browser does not have.
  tab({ lacks = [], random = 0.5 } = {}) {
    const machine = this;
    const { clock } = this;
    const page = new EventTarget();
    const document = Object.assign(new EventTarget(), {
      visibilityState: 'visible',
      hasFocus: () => page.focused,
      createElement: () => new Element(),
      querySelector: () => page.element,
    });
    Object.assign(page, {
      document,
      focused: true,
      element: new Element(),
      reported: [],
      warned: [],
      location: { href: 'https://clinic.example/visit' },
      origin: 'https://clinic.example',
      navigator: { onLine: true, locks: lacks.includes('locks') ? undefined : this.locks },
      Date: { now: () => clock.wall, parse: Date.parse },
      performance: { now: () => clock.mono },
      Math: Object.assign(Object.create(Math), { random: () => page.random }),
      random,
      AbortSignal: { timeout: (ms) => this.timeout(ms) },
      setTimeout: (run, ms) => clock.set(run, ms, page),
      clearTimeout: (id) => clock.clear(id),
      fetch: (url, init) => this.fetch(page, url, init),
      console: { warn: (line) => page.warned.push(line) },
      reportError: (error) => page.reported.push(error),
      open: (url) => (page.opened = url, page.popup),
      popup: { closed: false },
      fire: (type, more) => page.dispatchEvent(Object.assign(new Event(type), more)),
      timers: () => [...clock.timers.values()].filter((timer) => timer.owner === page),
      show(visible) {
        document.visibilityState = visible ? 'visible' : 'hidden';
        document.dispatchEvent(new Event('visibilitychange'));
      },
    });
    page.BroadcastChannel = lacks.includes('channel') ? undefined : class extends EventTarget {
      constructor() {
        super();
        machine.channels.add(this);
      }
      postMessage(data) {
        const copy = structuredClone(data);
        const deliver = () => [...machine.channels].forEach((other) => other === this || other.hear(copy));
        if (machine.distance) clock.set(deliver, machine.distance);
        else setImmediate(deliver);
      }
      hear(data) {
        if (machine.channels.has(this)) this.dispatchEvent(Object.assign(new Event('message'), { data }));
      }
      close() {
        machine.channels.delete(this);
      }
    };
    return page;
  }

  timeout(ms) {
    const controller = new AbortController();
    this.clock.set(() => controller.abort(new DOMException('signal timed out', 'TimeoutError')), ms);
    return controller.signal;
  }

  async fetch(page, url, init) {
    const request = { url, ...init, page };
    this.requests.push(request);
    const cut = new Promise((_, reject) => init.signal.addEventListener('abort', () => reject(init.signal.reason)));
    const answer = await Promise.race([cut, this.answer(request, this.requests.length)]);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  wait = (ms) => new Promise((done) => this.clock.set(done, ms));
}

let minted = 0;

export const json = (body, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });

export const token = (more) => json({ token: `header.${++minted}.signature`, expires_in: 600, ...more });

export const problem = (status, code, headers, more) => json({ title: 'Refused', status, code, ...more }, status, headers);

export const conversation = (id, more) =>
  token({
    userId: 'dl_7f3a',
    connectorToken: `connector-${id}`,
    conversationId: id,
    domain: 'https://directline.example/v3/directline',
    renewal: `renewal-${id}`,
    connector_expires_in: 3600,
    ...more,
  });

// A stand-in for the vendor's client that keeps what it was given.
export function webChat() {
  const chats = [];
  return {
    chats,
    createStore(_, ...middleware) {
      const posted = [];
      const seen = [];
      const store = { posted, seen, dispatch: (action) => chain(action) };
      const last = (action) => {
        seen.push(action.type);
        if (action.type === 'DIRECT_LINE/POST_ACTIVITY') posted.push(action.payload.activity);
        return action;
      };
      const chain = middleware.reduceRight((next, layer) => layer(store)(next), last);
      return store;
    },
    createDirectLine({ token: given, domain }) {
      const hearers = [];
      return {
        token: given,
        domain,
        ended: 0,
        status: (value) => hearers.forEach((next) => next(value)),
        connectionStatus$: { subscribe: ({ next }) => (hearers.push(next), next(0)) },
        reconnect(anew) {
          this.token = anew.token;
        },
        end() {
          this.ended++;
          this.status(5);
        },
      };
    },
    renderWebChat(props, element) {
      const connected = () => props.store.dispatch({ type: 'DIRECT_LINE/CONNECT_FULFILLED' });
      chats.push({ ...props, element, connected });
    },
  };
}
