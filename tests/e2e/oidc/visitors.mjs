// Visitors' browsers between countersign and the provider: cookies kept, redirects followed, forms sent, one step at a time.
import http from 'node:http';

const { PROVIDER, PUBLIC_URL } = process.env;
let failed = 0;

const check = async (sentence, holds) => {
  try {
    await holds();
    console.log(`ok - ${sentence}`);
  } catch (problem) {
    failed += 1;
    console.log(`not ok - ${sentence}\n    ${problem.stack ?? problem}`);
  }
};

const is = (actual, expected, what = 'value') => {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
};

class Browser {
  jars = new Map();

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

  // Follows redirects and fills in the provider's own forms until it is back at countersign's site.
  async travel(address, name) {
    let answer = await this.request(address);
    for (let step = 0; step < 20; step += 1) {
      const { location } = answer.headers;
      if (location) {
        const next = new URL(location, answer.url);
        if (next.href.startsWith(new URL(PUBLIC_URL).origin) && !next.pathname.includes('/login/callback')) return next;
        answer = await this.request(next);
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
      answer = await this.request(new URL(action, answer.url), { method: 'POST', body: fields.toString() });
    }
    throw new Error('going round in circles');
  }

  page(path, method = 'GET') {
    const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
    return this.request(`${PUBLIC_URL}${path}`, { method, headers });
  }

  async loggedIn() {
    return JSON.parse((await this.page('/session')).text).logged_in;
  }
}

const logIn = async (name) => {
  const browser = new Browser();
  const landed = await browser.travel(`${PUBLIC_URL}/login?return_to=/help?topic=1`, name);
  return { browser, landed };
};

const jane = await logIn('jane');
await check('a visitor who logs in at the provider comes back to where they were', () => {
  is(jane.landed.href, `${new URL(PUBLIC_URL).origin}/help?topic=1`);
});
await check('and is who the provider says', async () => {
  const session = JSON.parse((await jane.browser.page('/session')).text);
  is(session.logged_in, true);
  is(session.name, 'Visitor jane', 'the name comes from the userinfo endpoint');
});
await check('and gets a token', async () => is((await jane.browser.page('/token')).status, 200, 'status'));
await check('a browser that did not log in gets none', async () => is((await new Browser().page('/token')).status, 401, 'status'));
await check('the answer to one login counts in no other browser', async () => {
  const victim = new Browser();
  const begun = await new Browser().request(`${PUBLIC_URL}/login`);
  const state = new URL(begun.headers.location).searchParams.get('state');
  const answer = await victim.request(`${PUBLIC_URL}/login/callback?code=x&state=${state}&iss=${encodeURIComponent(PROVIDER)}`);
  is(answer.status, 400, 'status');
});
await check('a code that the provider never gave is refused', async () => {
  const browser = new Browser();
  const begun = await browser.request(`${PUBLIC_URL}/login`);
  const state = new URL(begun.headers.location).searchParams.get('state');
  const answer = await browser.request(`${PUBLIC_URL}/login/callback?code=x&state=${state}&iss=${encodeURIComponent(PROVIDER)}`);
  is(answer.status, 502, 'status');
  is(await browser.loggedIn(), false);
});
await check('ending the session at the provider ends it here, by the back channel', async () => {
  const { browser } = await logIn('otto');
  is(await browser.loggedIn(), true);
  await browser.travel(`${PROVIDER}/session/end`, 'otto');
  is(await browser.loggedIn(), false, 'logged in');
});
await check('and nobody else\'s', async () => is(await jane.browser.loggedIn(), true));
await check('logging out here ends the session at the provider, and comes back', async () => {
  const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' };
  const left = await jane.browser.request(`${PUBLIC_URL}/logout`, { method: 'POST', body: '', headers });
  is(left.status, 303, 'status');
  is(await jane.browser.loggedIn(), false, 'logged in');
  const back = await jane.browser.travel(left.headers.location, 'jane');
  is(back.href, `${PUBLIC_URL}/logout`);
  const again = await jane.browser.request(`${PUBLIC_URL}/login`);
  const asked = await jane.browser.request(again.headers.location);
  const form = await jane.browser.request(new URL(asked.headers.location, PROVIDER));
  is(form.text.includes('name="login"'), true, 'the provider asks who it is');
});
process.exit(failed ? 1 : 0);
