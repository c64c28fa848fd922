// What a page on a sibling host can put into a visitor's cookie jar, over TLS, and what it gains: nothing. Eve has an account
// and a page at blog.hospital.test; Ann logs in at www.hospital.test.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { claims, profile, startBrowser } from './stage.mjs';
import { COOKIE, PASSWORD, Site, accounts } from './site.mjs';
import { sessionCookie } from './visitor.mjs';

const WWW = 'www.hospital.test';
const EVE = { account: 'eve', name: 'Eve Black', subject: 'E66613' };
// Browsers keep this many of a site's cookies, and drop the oldest beyond it.
const MOST = 170;

const here = { violations: [] };
let site;
let evil;

function certificate() {
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=hospital.test', '-addext', 'subjectAltName=DNS:*.hospital.test', '-keyout', '-', '-out', '-',
  ], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return { key: made.stdout, cert: made.stdout };
}

const visitor = () => profile(here, { ignoreHTTPSErrors: true });

async function logIn(context, account) {
  const page = await context.newPage();
  await page.goto(`${site.base}/login?return_to=/`);
  await page.getByLabel('User name').fill(account);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Site' }).waitFor();
  return page;
}

async function asked(context) {
  const page = await context.newPage();
  await page.goto(site.origin);
  return page.evaluate(async (base) => {
    const answer = await fetch(`${base}/token`, { method: 'POST' });
    return { status: answer.status, ...(await answer.json()) };
  }, site.base);
}

// Sets cookies as a page of the sibling host, and says which of them the browser took.
async function plant(context, cookies) {
  const page = await context.newPage();
  await page.goto(evil);
  await page.evaluate((all) => all.forEach((one) => { document.cookie = one; }), cookies);
  const kept = await page.evaluate(() => document.cookie.split('; ').length);
  await page.close();
  return kept;
}

const everywhere = (pair, path = '/') => `${pair}; Domain=hospital.test; Path=${path}; Secure`;
const junk = (count) => Array.from({ length: count }, (_, number) => everywhere(`junk${number}=x`));

before(async () => {
  here.browser = await startBrowser({ flags: ['--host-resolver-rules=MAP *.hospital.test 127.0.0.1'] });
  site = await Site.start(accounts({}, [EVE]), { host: WWW, tls: certificate() });
  evil = site.origin.replace(WWW, 'blog.hospital.test');
});
after(async () => {
  await here.browser?.close();
  site?.stop();
});

async function anns(planted) {
  const context = await visitor();
  await logIn(context, 'ann');
  const kept = await plant(context, planted);
  return { kept, ...(await asked(context)) };
}

async function evesSession() {
  const page = await logIn(await visitor(), 'eve');
  const { value } = await sessionCookie(page);
  return value;
}

// Every character that some reader takes for a space, on either side of our cookie's name.
const SPACES = [
  '\u00a0', '\u1680', '\u2000', '\u2003', '\u200a', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000', '\u0085', '\ufeff', '\u200b',
];

test('a_cookie_whose_name_begins_or_ends_in_a_unicode_space_makes_nobody_another', async () => {
  const value = await evesSession();
  const names = SPACES.flatMap((space) => [`${space}${COOKIE}`, `${COOKIE}${space}`]);
  const { kept, status, token } = await anns(names.map((name) => everywhere(`${name}=${value}`)));
  assert.ok(kept >= SPACES.length, 'the browser took them, so that this test is one');
  assert.equal(status, 200);
  assert.equal(claims(token).name, 'Ann Berg');
});

test('a_cookie_that_only_looks_like_ours_makes_nobody_another', async () => {
  const value = await evesSession();
  const pairs = [
    `${COOKIE}=${value}`, `=${COOKIE}=${value}`, `${COOKIE.toLowerCase()}=${value}`, `"${COOKIE}"=${value}`, `x=1, ${COOKIE}=${value}`,
    `$Version=1; ${COOKIE}=${value}`, `%5F%5FHost-countersign=${value}`, `x="; ${COOKIE}=${value}`,
  ];
  const { status, token } = await anns(pairs.flatMap((pair) => [everywhere(pair), everywhere(pair, '/chat-identity/token')]));
  assert.equal(status, 200);
  assert.equal(claims(token).name, 'Ann Berg');
});

for (const count of [49, 50, 100]) {
  test(`${count}_junk_cookies_and_a_planted_one_leave_the_visitor_who_they_are`, async () => {
    const value = await evesSession();
    const { kept, status, token } = await anns([...junk(count), everywhere(`\u2000${COOKIE}=${value}`)]);
    assert.ok(kept >= count);
    assert.equal(status, 200);
    assert.equal(claims(token).name, 'Ann Berg');
  });
}

test('more_cookies_than_fit_are_refused_and_never_make_anybody_nobody_or_another', async () => {
  const value = await evesSession();
  const big = Array.from({ length: MOST }, (_, number) => everywhere(`junk${number}=${'x'.repeat(2000)}`));
  const { status, code } = await anns([...big, everywhere(`\u2000${COOKIE}=${value}`)]);
  assert.equal(status, 431);
  assert.match(code, /^(head_too_large|too_many_cookies)$/);
});

test('who_was_not_logged_in_is_not_logged_in_as_another_by_a_planted_cookie', async () => {
  const value = await evesSession();
  const context = await visitor();
  await plant(context, SPACES.map((space) => everywhere(`${space}${COOKIE}=${value}`)));
  const { status, code } = await asked(context);
  assert.deepEqual([status, code], [401, 'login_required']);
});
