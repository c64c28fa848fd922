// The browser module and the service, with real time, real tabs and a real network between them.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Host } from './host.mjs';
import { claims, profile, rest, startBrowser, until } from './stage.mjs';

const here = { violations: [] };
const hosts = [];

before(async () => { here.browser = await startBrowser(); });
after(async () => {
  await here.browser?.close();
  for (const host of hosts) host.stop();
  for (const server of elsewhere) {
    server.closeAllConnections();
    server.close();
  }
});

async function hostWith(settings, pages) {
  const host = await Host.start(settings, pages);
  hosts.push(host);
  return host;
}

// A tab of a visitor who is logged in, with a source that notes what it tells.
async function tab(host, context, { login = true, options = {} } = {}) {
  const page = await (context ?? await profile(here)).newPage();
  await page.goto(host.origin);
  await page.waitForFunction(() => window.countersign);
  if (login) await page.evaluate(() => fetch('/in'));
  await page.evaluate((given) => {
    window.heard = [];
    window.source = window.countersign.createTokenSource(given);
    window.source.subscribe(({ type, answer, error }) => window.heard.push({ type, token: answer?.token, code: error?.code }));
  }, options);
  return page;
}

const heard = (page, type) => page.evaluate((wanted) => window.heard.filter((event) => event.type === wanted), type);
const get = (page, options) => page.evaluate((given) => window.source.getToken(given).then(
  (token) => ({ token }),
  ({ code, retryable, retryAfter, message }) => ({ code, retryable, retryAfter, message }),
), options);

test('tokens_are_renewed_before_they_end_without_a_gap', async () => {
  const host = await hostWith();
  const page = await tab(host);
  await until('three tokens', async () => (await heard(page, 'token')).length >= 3);
  const tokens = (await heard(page, 'token')).map(({ token }) => claims(token));
  const asked = host.times('/token');
  for (let n = 1; n < tokens.length; n++) assert.ok(tokens[n].iat < tokens[n - 1].exp, 'the next came while the last was good');
  assert.ok(asked - tokens.length <= 1, 'one request for each, and the next may be on its way');
});

test('two_tabs_share_one_refresh', async () => {
  const host = await hostWith();
  const context = await profile(here);
  const one = await tab(host, context);
  await until('a token', async () => (await heard(one, 'token')).length === 1);
  const two = await tab(host, context, { login: false });
  let [a, b] = [];
  await until('both have been renewed, and hold the same', async () => {
    [a, b] = await Promise.all([heard(one, 'token'), heard(two, 'token')]);
    return a.length >= 3 && b.length >= 2 && a.at(-1).token === b.at(-1).token;
  });
  // Two tabs, and each asked for hardly more than half of what it got.
  const asked = host.times('/token');
  assert.ok(asked <= Math.max(a.length, b.length) + 1, `${asked} requests for ${a.length} and ${b.length} tokens`);
});

test('a_laptop_that_slept_asks_anew_before_anybody_uses_an_old_token', async () => {
  const host = await hostWith({ WIDGET_LIFETIME: '10m' });
  const context = await profile(here);
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(host.origin);
  await page.waitForFunction(() => window.countersign);
  await page.evaluate(() => fetch('/in'));
  await page.evaluate(() => { window.source = window.countersign.createTokenSource(); });
  const { token: first } = await get(page);
  assert.equal((await get(page)).token, first, 'from memory');
  // The lid was closed: no timer ran. (Only this page slept: a token made in the same second would be the same.)
  await rest(1100);
  await page.clock.setSystemTime(Date.now() + 3_600_000);
  const { token: second } = await get(page);
  assert.ok(second && second !== first);
  assert.equal(host.times('/token'), 2);
});

test('offline_is_told_as_such_and_ends_by_itself', async () => {
  const host = await hostWith();
  const context = await profile(here);
  const page = await tab(host, context);
  await until('a token', async () => (await heard(page, 'token')).length === 1);
  await context.setOffline(true);
  await page.waitForFunction(() => window.source.current() === null);
  const before = (await heard(page, 'token')).length;
  await context.setOffline(false);
  await until('a token again', async () => (await heard(page, 'token')).length > before);
});

test('a_session_that_ended_stops_the_renewal_for_good', async () => {
  const host = await hostWith();
  const page = await tab(host);
  await until('a token', async () => (await heard(page, 'token')).length === 1);
  host.sessions.clear();
  await until('told', async () => (await heard(page, 'login_required')).length === 1);
  assert.equal(await page.evaluate(() => window.source.current()), null);
  const asked = host.times('/token');
  await rest(6000);
  assert.equal(host.times('/token'), asked, 'nothing is asked any more');
  assert.equal((await get(page)).code, 'login_required');
});

test('a_logout_ends_every_tab_at_once', async () => {
  const host = await hostWith();
  const context = await profile(here);
  const tabs = [await tab(host, context), await tab(host, context, { login: false })];
  for (const page of tabs) await until('a token', async () => (await heard(page, 'token')).length >= 1);
  await tabs[0].evaluate(() => window.source.logout());
  await until('told', async () => (await heard(tabs[1], 'logout')).length === 1);
  for (const page of tabs) {
    assert.equal(await page.evaluate(() => window.source.current()), null);
    assert.equal((await get(page)).code, 'logged_out');
  }
});

test('an_outage_leaves_the_token_in_hand_good_and_passes', async () => {
  const host = await hostWith({ WIDGET_LIFETIME: '60s' });
  const page = await tab(host);
  const { token } = await get(page);
  host.works = false;
  assert.equal((await get(page)).token, token, 'what is in hand is still good');
  const session = await page.evaluate(() => window.source.session().catch(({ code }) => code));
  assert.equal(session, 'upstream_unavailable', 'an outage is not told as logged out');
  host.works = true;
  await rest(2500);
  assert.equal((await page.evaluate(() => window.source.session())).name, 'Ada');
});

test('who_asks_too_often_is_told_when_to_come_back_and_waits', async () => {
  const host = await hostWith({ RATE_LIMIT_VISITOR: '2/m' });
  const page = await tab(host);
  await until('a token', async () => (await heard(page, 'token')).length === 1);
  await get(page, { force: true });
  const problem = await page.evaluate(() => window.source.session().then(async () => {
    const response = await fetch('/id/token', { method: 'POST' });
    return { status: response.status, after: Number(response.headers.get('retry-after')), ...(await response.json()) };
  }));
  assert.deepEqual({ status: problem.status, code: problem.code }, { status: 429, code: 'rate_limited' });
  assert.ok(problem.after > 0 && problem.after <= 30, `${problem.after}`);
  const asked = host.times('/token');
  await rest(8000);
  assert.ok(host.times('/token') - asked <= 3, 'it does not hammer');
});

const elsewhere = [];

// A page of another origin; the port.
async function pageElsewhere() {
  const server = createServer((_, outgoing) => {
    outgoing.setHeader('content-type', 'text/html').end('<!doctype html><title>Another origin</title>');
  });
  elsewhere.push(server);
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return server.address().port;
}

const fromAnother = (page, target, credentials) => page.evaluate(async ([url, mode]) => {
  try {
    const response = await fetch(url, { credentials: mode });
    return { status: response.status, ...(await response.json()) };
  } catch (error) {
    return { blocked: error.name };
  }
}, [target, credentials]);

test('a_listed_origin_is_served_and_any_other_is_refused', async () => {
  const listed = await pageElsewhere();
  const unlisted = await pageElsewhere();
  const host = await hostWith({ ALLOWED_ORIGINS: `http://127.0.0.1:${listed}` });
  const context = await profile(here);
  await (await tab(host, context)).close();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${listed}`);
  const answer = await fromAnother(page, `${host.origin}/id/token`, 'include');
  assert.equal(claims(answer.token).external_id, 'P1');
  // The module does the same, once it is told where cookies may go.
  const token = await page.evaluate(async (base) => {
    const { createTokenSource } = await import(`${base}/countersign.js`);
    return createTokenSource({ crossOrigin: [base] }).getToken();
  }, `${host.origin}/id`);
  assert.equal(claims(token).external_id, 'P1');
  await page.goto(`http://127.0.0.1:${unlisted}`);
  assert.deepEqual(await fromAnother(page, `${host.origin}/id/token`, 'include'), { blocked: 'TypeError' });
  await page.goto(`http://localhost:${listed}`);
  assert.deepEqual(await fromAnother(page, `${host.origin}/id/token`, 'include'), { blocked: 'TypeError' }, 'another name is another origin');
});

// What embedding across sites depends on, shown and not hoped for.
test('from_another_site_a_lax_cookie_proves_nobody_and_third_party_cookies_may_be_withheld', async () => {
  const port = await pageElsewhere();
  const host = await hostWith({ ALLOWED_ORIGINS: `http://localhost:${port}`, ALLOW_CROSS_SITE: 'true' });
  const context = await profile(here);
  const home = await tab(host, context);
  const away = await context.newPage();
  await away.goto(`http://localhost:${port}`);
  const lax = await fromAnother(away, `${host.origin}/id/token`, 'include');
  assert.deepEqual({ status: lax.status, code: lax.code }, { status: 401, code: 'login_required' }, 'SameSite=Lax stays at home');
  host.sameSite = 'SameSite=None; Secure';
  await home.evaluate(() => fetch('/in'));
  const none = await fromAnother(away, `${host.origin}/id/token`, 'include');
  if (none.status === 401) assert.equal(none.code, 'login_required', 'withheld by the browser, and told as nobody');
  else assert.equal(claims(none.token).external_id, 'P1');
});

test('the_versioned_script_loads_under_its_integrity_and_a_strict_policy', async () => {
  const pages = {};
  const host = await hostWith({}, pages);
  const lines = [...host.check().matchAll(/^ {2}\/id\/(countersign\S+\.js) {2}(sha384-\S+)$/gm)];
  assert.equal(lines.length, 2, host.check());
  const [[, module, moduleHash], [, classic, classicHash]] = lines;
  pages['/pinned'] = `<!doctype html><title>Pinned</title>
    <script type="module" src="/id/${module}" integrity="${moduleHash}" crossorigin></script>
    <script src="/id/${classic}" integrity="${classicHash}" crossorigin></script>`;
  pages['/wrong'] = `<!doctype html><title>Wrong</title><script src="/id/${classic}" integrity="${moduleHash}" crossorigin></script>`;
  const page = await (await profile(here)).newPage();
  await page.goto(`${host.origin}/pinned`);
  await page.evaluate(() => fetch('/in'));
  const token = await page.evaluate(() => window.countersign.createTokenSource().getToken());
  assert.equal(claims(token).external_id, 'P1', 'the classic script found its server by its own address');
  await page.goto(`${host.origin}/wrong`);
  assert.equal(await page.evaluate(() => typeof window.countersign), 'undefined', 'another content does not run');
});

test('no_policy_was_violated', () => assert.deepEqual(here.violations, []));
