// A visitor's browser between a site and the provider: cookies kept, redirects followed, forms sent, one step at a time.
import http from 'node:http';

export class Browser {
  jars = new Map();

  // `site` is where it is at home; what the provider sends it to under `callback` there is still on the way.
  constructor(site, callback) {
    this.site = site;
    this.callback = callback;
  }

  request(address, { method = 'GET', body, headers = {} } = {}) {
    const url = new URL(address);
    const jar = this.jars.get(url.host) ?? new Map();
    this.jars.set(url.host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const all = { ...headers, ...(cookie && { cookie }) };
    if (body !== undefined) all['content-type'] = 'application/x-www-form-urlencoded';
    return new Promise((resolve, reject) => {
      const sent = http.request(url, { method, headers: all }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => {
          for (const line of answer.headers['set-cookie'] ?? []) this.keep(jar, line);
          resolve({ status: answer.statusCode, headers: answer.headers, text, url });
        });
      });
      sent.on('error', reject).end(body);
    });
  }

  keep(jar, line) {
    const [pair, ...attributes] = line.split(/;\s*/);
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const gone = attributes.some((a) => /^max-age=0$/i.test(a) || (/^expires=/i.test(a) && new Date(a.slice(8)) < new Date()));
    if (gone) jar.delete(name);
    else jar.set(name, value);
  }

  // Follows redirects and fills in the provider's own forms until it is back at its site.
  async travel(address, name) {
    const headers = { accept: 'text/html' };
    let answer = await this.request(address, { headers });
    for (let step = 0; step < 20; step += 1) {
      const { location } = answer.headers;
      if (location) {
        const next = new URL(location, answer.url);
        if (next.origin === this.site && next.pathname !== this.callback) return next;
        answer = await this.request(next, { headers });
        continue;
      }
      const action = /<form[^>]* action="([^"]*)"/.exec(answer.text)?.[1];
      if (!action) return answer;
      const fields = new URLSearchParams();
      for (const [, field, value] of answer.text.matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g)) {
        fields.append(field, value);
      }
      if (answer.text.includes('name="login"')) {
        fields.set('login', name);
        fields.set('password', 'anything');
      }
      if (answer.text.includes('name="logout"')) fields.set('logout', 'yes');
      answer = await this.request(new URL(action, answer.url), { method: 'POST', body: fields.toString(), headers });
    }
    throw new Error('going round in circles');
  }
}
