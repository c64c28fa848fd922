// An organisation's site on which nobody is logged in, and the real service behind it, which has the login. `localhost` and
// `127.0.0.1` are two sites to a browser, so that what it keeps from other sites can be seen being kept.

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { BINARY, until } from './stage.mjs';

const MOUNT = '/chat-identity';
export const PASSWORD = 'correct horse battery staple';
export const COOKIE = '__Host-countersign';

const POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const PAGE = `<!doctype html><html lang="en"><title>Site</title><h1>Site</h1>
<button id="login">Log in</button> <button id="logout">Log out</button>
<script type="module" src="/page.js"></script></html>`;

// What a front-end developer writes, and a notebook of what comes of it.
const script = (base) => `
import { createTokenSource } from '${base}/countersign.js';
window.source = createTokenSource({ base: '${base}', crossOrigin: ['${new URL(base).origin}'] });
window.heard = [];
window.source.subscribe(({ type, answer, error }) => window.heard.push({ type, token: answer?.token, code: error?.code }));
window.begin = () => {
  window.outcome = undefined;
  window.source.login().then(
    (session) => { window.outcome = { session }; },
    ({ code, message }) => { window.outcome = { code, message }; },
  );
};
document.querySelector('#login').addEventListener('click', window.begin);
document.querySelector('#logout').addEventListener('click', () => window.source.logout());
if (location.hash === '#at-once') window.begin();
`;

const listening = (server) =>
  new Promise((done) => { server.listen(0, '127.0.0.1', () => done(server.address().port)); });

async function freePort() {
  const server = createServer();
  const port = await listening(server);
  await new Promise((done) => { server.close(done); });
  return port;
}

// A program that does not outlive this one.
function started(program, line, options) {
  const child = spawn(program, line, options);
  process.once('exit', () => child.kill('SIGTERM'));
  return child;
}

// Resolves when what a process says on this stream fits.
function says(child, stream, pattern) {
  let said = '';
  return new Promise((done, fail) => {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
      const match = pattern.exec(said);
      if (match) done(match);
    });
    child.once('exit', () => fail(new Error(`it ended: ${said}`)));
  });
}

// The server of one origin's pages. They log in at the service behind it, or at another origin's.
export class Pages {
  // `tls` is a key and a certificate.
  static async open({ host = 'localhost', tls } = {}) {
    const pages = new this();
    const answer = (incoming, outgoing) => pages.answer(incoming, outgoing);
    // A limit of this server's own would hide ours.
    const limit = { maxHeaderSize: 1 << 20 };
    pages.server = tls ? createSecureServer({ ...limit, ...tls }, answer) : createServer(limit, answer);
    pages.origin = `${tls ? 'https' : 'http'}://${host}:${await listening(pages.server)}`;
    pages.serves(`${pages.origin}${MOUNT}`);
    return pages;
  }

  serves(base) {
    this.base = base;
    this.script = script(base);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  answer(incoming, outgoing) {
    if (this.service && incoming.url.startsWith(`${MOUNT}/`)) return this.relay(incoming, outgoing);
    if (incoming.url === '/page.js') {
      return outgoing.writeHead(200, { 'content-type': 'text/javascript' }).end(this.script);
    }
    const { origin } = new URL(this.base);
    const policy = `${POLICY}; script-src 'self' ${origin}; connect-src ${origin}`;
    return outgoing.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy }).end(PAGE);
  }

  relay(incoming, outgoing) {
    const { method, url, headers } = incoming;
    const onwards = request({ host: '127.0.0.1', port: this.service, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onwards.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(onwards);
  }
}

// A site with its service. `settings` gets what both must agree on, and gives the lines that this test is about.
export class Site extends Pages {
  static async start(settings, where) {
    const site = await this.open(where);
    const folder = mkdtempSync(join(process.env.WORK ?? tmpdir(), 'site-'));
    const file = join(folder, 'env');
    const all = {
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: 'off',
      AUDIT_LOG: 'off',
      PUBLIC_URL: site.base,
      SESSION_SOURCES: 'login',
      SESSION_STORE: 'memory',
      WIDGET_PRESET: 'medchat',
      WIDGET_SUBJECT: 'hex',
      WIDGET_SECRET: randomBytes(32).toString('base64url'),
      ...(await settings({ site, folder })),
    };
    writeFileSync(file, Object.entries(all).map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 });
    site.child = started(BINARY, ['--env-file', file, 'serve'], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    site.service = Number((await says(site.child, site.child.stderr, /address=\S+:(\d+)/))[1]);
    return site;
  }

  stop() {
    this.child.kill('SIGTERM');
    super.stop();
  }
}

function addAccount(folder, { account, name, subject }) {
  const file = join(folder, 'accounts.jsonl');
  const added = spawnSync(
    BINARY,
    ['accounts', 'add', account, '--name', name, '--subject', subject, '--file', file, '--reason', 'test'],
    {
      input: `${PASSWORD}\n`,
      env: { AUDIT_LOG: join(folder, 'audit.jsonl'), AUDIT_KEY: randomBytes(32).toString('base64url') },
      encoding: 'utf8',
    },
  );
  if (added.status !== 0) throw new Error(added.stderr);
  return file;
}

const ANN = { account: 'ann', name: 'Ann Berg', subject: 'P20417' };

// Local accounts: Ann's, and those of whoever else there is.
export function accounts(more = {}, others = []) {
  return ({ folder }) => {
    const [file] = [ANN, ...others].map((one) => addAccount(folder, one));
    return { LOGIN: 'accounts', LOGIN_TITLE: 'Log in to Example Hospital', ACCOUNTS_FILE: file, ...more };
  };
}

// npm's oidc-provider, on another site than ours. `preload` is a module it loads before anything else.
export async function provider({ site }, preload) {
  const client = {
    client_id: 'chat',
    client_secret: randomBytes(32).toString('base64url'),
    redirect_uris: [`${site.base}/login/callback`],
    post_logout_redirect_uris: [`${site.base}/logout`],
  };
  const port = await freePort();
  const child = started(process.execPath, [...(preload ? ['--import', preload] : []), process.env.PROVIDER], {
    env: { CLIENTS: JSON.stringify([client]), PORT: port, NPM_HOME: process.env.PROVIDER_HOME, NODE_ENV: 'test' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const origin = `http://127.0.0.1:${port}`;
  const answers = () => fetch(`${origin}/.well-known/openid-configuration`).then(({ ok }) => ok, () => false);
  await until('the provider answers', answers, 20_000);
  const settings = { LOGIN: 'oidc', OIDC_ISSUER: origin, OIDC_CLIENT_ID: client.client_id, OIDC_CLIENT_SECRET: client.client_secret };
  return { origin, settings, stop: () => child.kill('SIGTERM') };
}
