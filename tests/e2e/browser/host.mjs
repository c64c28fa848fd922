// A host site and the real service behind it, as an organisation runs them: the site's proxy hands /id/ to countersign,
// which asks the site's own session endpoint. The tests turn the site's screws: who is logged in, whether it works.

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import { BINARY } from './stage.mjs';

const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const HOME = '<!doctype html><title>Host</title><script type="module" src="/page.js"></script>';
const listen = (server) => new Promise((done) => { server.listen(0, '127.0.0.1', () => done(server.address().port)); });

export class Host {
  sessions = new Map();
  works = true;
  asked = [];
  pages = {};
  sameSite = 'SameSite=Lax';

  // `site`: pages by path; or `pages`, `files` (a path's type and text, or null), `policy` and `mount` of a site of its own.
  static async start(settings = {}, site = {}) {
    const host = new Host();
    const own = site.files ? site : { pages: site };
    Object.assign(host, { files: () => null, policy: () => POLICY, mount: '/id' }, own);
    host.server = createServer((incoming, outgoing) => host.answer(incoming, outgoing));
    host.port = await listen(host.server);
    host.origin = `http://127.0.0.1:${host.port}`;
    host.settings = {
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      PUBLIC_URL: `${host.origin}${host.mount}`,
      AUDIT_LOG: 'off',
      SESSION_SOURCES: 'upstream',
      UPSTREAM_SESSION_URL: `${host.origin}/api/me`,
      UPSTREAM_SESSION_COOKIES: 'sid',
      WIDGET_PRESET: 'medchat',
      WIDGET_SECRET: randomBytes(32).toString('base64url'),
      // Lives are short, so that the tests are: renewed after five seconds.
      WIDGET_LIFETIME: '10s',
      ...settings,
    };
    host.child = spawn(BINARY, ['serve'], { env: host.settings, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    host.child.stderr.setEncoding('utf8').on('data', (text) => { log += text; });
    while (!/address=\S+/.test(log)) {
      if (host.child.exitCode !== null) throw new Error(`countersign ended: ${log}`);
      await new Promise((done) => { setTimeout(done, 20); });
    }
    host.service = Number(log.match(/address=\S+:(\d+)/)[1]);
    return host;
  }

  stop() {
    this.child.kill('SIGTERM');
    this.server.closeAllConnections();
    this.server.close();
  }

  check() {
    return spawnSync(BINARY, ['check'], { env: this.settings, encoding: 'utf8' }).stdout;
  }

  // How often the service was asked for this.
  times(path) {
    return this.asked.filter((asked) => asked === path).length;
  }

  visitor(headers) {
    const sid = /(?:^|; )sid=([^;]+)/.exec(headers.cookie ?? '')?.[1];
    return this.sessions.get(sid);
  }

  answer(incoming, outgoing) {
    const { pathname } = new URL(incoming.url, this.origin);
    if (pathname.startsWith(`${this.mount}/`)) return this.relay(incoming, outgoing, pathname);
    if (pathname === '/api/me') return this.session(incoming, outgoing);
    if (pathname === '/in') {
      const sid = randomBytes(12).toString('hex');
      this.sessions.set(sid, { sub: 'P1', name: 'Ada' });
      return outgoing.writeHead(204, { 'set-cookie': `sid=${sid}; Path=/; HttpOnly; ${this.sameSite}` }).end();
    }
    if (pathname === '/page.js') {
      const script = "import * as module from '/id/countersign.js';\nwindow.countersign = module;\n";
      return outgoing.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    }
    const found = this.files(pathname);
    const page = this.pages[pathname] ?? found?.text ?? HOME;
    const headers = { 'content-type': found?.type ?? 'text/html', 'content-security-policy': this.policy(page) };
    return outgoing.writeHead(200, headers).end(page);
  }

  session(incoming, outgoing) {
    if (!this.works) return outgoing.writeHead(500).end();
    const visitor = this.visitor(incoming.headers);
    return outgoing.writeHead(visitor ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(visitor ?? {}));
  }

  relay(incoming, outgoing, pathname) {
    this.asked.push(pathname.slice(this.mount.length));
    const { method, url, headers } = incoming;
    const onwards = request({ host: '127.0.0.1', port: this.service, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onwards.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(onwards);
  }
}
