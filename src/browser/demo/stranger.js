// What a foreign page can try, with the visitor's browser and whatever cookies it sends along.

const { tokenUrl, widgetServer, clinic } = document.documentElement.dataset;

const read = async (url, init) => {
  const response = await fetch(url, init);
  return response.ok ? (await response.text()) || null : null;
};

const asScript = (url) => new Promise((done) => {
  const script = document.createElement('script');
  script.onload = () => done('it ran');
  script.onerror = () => done(null);
  script.src = url;
  document.head.append(script);
});

const ATTEMPTS = [
  {
    what: 'It fetches the token with the visitor’s cookies',
    server: 'countersign', reason: 'not_listed',
    run: () => read(tokenUrl, { credentials: 'include' }),
  },
  {
    what: 'It fetches without asking to read, and hopes',
    server: 'countersign', reason: 'not_fetch',
    run: () => read(tokenUrl, { credentials: 'include', mode: 'no-cors' }),
  },
  {
    what: 'It loads the token as if it were a script',
    server: 'countersign', reason: 'not_fetch',
    run: () => asScript(tokenUrl),
  },
  {
    what: 'It embeds the clinic’s chat widget in its own page',
    server: 'widget-server',
    run: () => read(`${widgetServer}/api`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ do: 'say', text: 'hello' }),
    }),
  },
];

(async () => {
  const told = [];
  for (const { what, server, reason, run } of ATTEMPTS) {
    const got = await run().catch(() => null);
    const item = document.createElement('li');
    item.textContent = `${what}: ${got ? 'it worked' : 'nothing'}`;
    document.getElementById('attempts').append(item);
    told.push({ what, server, reason, got: Boolean(got) });
  }
  if (window.parent !== window) window.parent.postMessage(told, clinic);
})();
