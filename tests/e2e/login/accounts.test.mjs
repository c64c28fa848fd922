// From an anonymous page to a token and back, with local accounts: real tabs, a real window, a real cookie jar.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { claims, findings, profile, startBrowser, until } from './stage.mjs';
import { COOKIE, PASSWORD, Pages, Site, accounts } from './site.mjs';
import {
  cookies, current, gone, heard, hears, last, outcome, session, sessionCookie, tab as openTab, transactions,
} from './visitor.mjs';

const here = { violations: [] };
let site;

before(async () => {
  here.browser = await startBrowser();
  site = await Site.start(accounts());
});
after(async () => {
  await here.browser?.close();
  site?.stop();
  assert.deepEqual(here.violations, [], 'no page of ours breaks its own policy');
});

const tab = async (context, at = site) => openTab(context ?? await profile(here), at);

async function popupOf(page) {
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click('#login')]);
  await popup.getByLabel('User name').waitFor();
  // Its style, too: an element may be there before it.
  await popup.waitForLoadState();
  return popup;
}

async function fill(form, password = PASSWORD) {
  await form.getByLabel('User name').fill('ann');
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Log in' }).click();
}

async function logIn(page) {
  const popup = await popupOf(page);
  await fill(popup);
  await gone(popup);
  return outcome(page);
}

test('an_anonymous_page_logs_its_visitor_in_and_every_tab_hears_the_token', async () => {
  const context = await profile(here);
  const [page, other] = [await tab(context), await tab(context)];
  await hears(page, 'login_required');
  assert.deepEqual(await session(page), { logged_in: false, login_url: `${site.base}/login` });
  const { session: found } = await logIn(page);
  assert.deepEqual([found.logged_in, found.name, 'login_url' in found], [true, 'Ann Berg', true]);
  for (const one of [page, other]) {
    await hears(one, 'token');
    assert.equal(claims((await last(one)).token).name, 'Ann Berg');
  }
  assert.equal(context.pages().length, 2, 'the window has closed itself');
});

test('a_visitor_who_closes_the_window_is_told_apart_and_may_try_again', async () => {
  const page = await tab();
  const popup = await popupOf(page);
  await popup.close();
  assert.deepEqual(await outcome(page), { code: 'login_cancelled', message: 'The login window was closed.' });
  assert.equal(await current(page), null);
  assert.equal((await logIn(page)).session.logged_in, true);
  await hears(page, 'token');
});

test('a_wrong_password_leaves_the_visitor_at_the_form_and_the_right_one_lets_them_in', async () => {
  const page = await tab();
  const popup = await popupOf(page);
  await fill(popup, 'wrong');
  await popup.getByRole('alert').waitFor();
  assert.match(await popup.getByRole('alert').innerText(), /user name or the password is not right/i);
  assert.equal(await popup.getByLabel('User name').inputValue(), 'ann');
  assert.equal(await popup.getByLabel('Password').inputValue(), '');
  assert.equal(await sessionCookie(page), undefined);
  await fill(popup);
  await gone(popup);
  assert.equal((await outcome(page)).session.logged_in, true);
  await hears(page, 'token');
});

test('logging_out_takes_the_token_from_every_tab', async () => {
  const context = await profile(here);
  const [page, other] = [await tab(context), await tab(context)];
  await logIn(page);
  await hears(other, 'token');
  await page.click('#logout');
  for (const one of [page, other]) {
    await until('no token is held', async () => (await current(one)) === null);
    assert.ok((await heard(one)).some(({ type }) => type === 'logout'));
  }
  await until('the cookie is gone', async () => (await sessionCookie(page)) === undefined);
  assert.equal((await session(other)).logged_in, false);
  const refused = await other.evaluate(() => window.source.getToken({ force: true }).catch(({ code }) => code));
  assert.equal(refused, 'login_required');
  assert.equal((await logIn(other)).session.logged_in, true, 'and anybody may log in again');
  await hears(page, 'token');
});

test('a_blocked_window_is_explained', async () => {
  const browser = await startBrowser({ ignoreDefaultArgs: ['--disable-popup-blocking'] });
  try {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${site.origin}/#at-once`);
    assert.equal((await outcome(page)).code, 'popup_blocked');
  } finally {
    await browser.close();
  }
});

test('the_cookies_are_for_this_host_and_for_no_script_and_the_login_leaves_one', async () => {
  const page = await tab();
  assert.deepEqual(await cookies(page), []);
  const popup = await popupOf(page);
  const [transaction, ...more] = await transactions(page);
  assert.deepEqual(more, []);
  const told = ({ secure, httpOnly, sameSite, path, domain }) => ({ secure, httpOnly, sameSite, path, domain });
  const ours = { secure: true, httpOnly: true, path: '/', domain: 'localhost' };
  assert.deepEqual(told(transaction), { ...ours, sameSite: 'Lax' });
  assert.ok(transaction.expires - Date.now() / 1000 <= 600);
  await fill(popup);
  await gone(popup);
  await outcome(page);
  assert.deepEqual(await transactions(page), []);
  const cookie = await sessionCookie(page);
  assert.deepEqual(told(cookie), { ...ours, sameSite: 'Strict' });
  assert.equal(cookie.expires, -1, 'it ends with the browser');
  assert.equal(await page.evaluate(() => document.cookie), '');
});

test('a_login_gives_the_browser_a_new_session_and_ends_the_one_before', async () => {
  const page = await tab();
  await logIn(page);
  const before = await sessionCookie(page);
  await logIn(page);
  const after = await sessionCookie(page);
  assert.notEqual(after.value, before.value);
  const thief = await profile(here);
  await thief.addCookies([before]);
  assert.equal((await session(await tab(thief))).logged_in, false, 'the old id is nobody');
});

test('a_session_id_that_was_planted_is_not_adopted', async () => {
  const context = await profile(here);
  const planted = 'AAAAAAAAAAAAAAAAAAAAAA';
  await context.addCookies([{ name: COOKIE, value: planted, domain: 'localhost', path: '/', secure: true, httpOnly: true, sameSite: 'Strict' }]);
  const page = await tab(context);
  await logIn(page);
  assert.notEqual((await sessionCookie(page)).value, planted);
});

test('a_login_that_was_used_cannot_be_used_again', async () => {
  const page = await tab();
  const popup = await popupOf(page);
  const [transaction] = await transactions(page);
  const state = await popup.locator('input[name=state]').inputValue();
  await fill(popup);
  await gone(popup);
  await outcome(page);
  await page.click('#logout');
  await until('the cookie is gone', async () => (await sessionCookie(page)) === undefined);
  const again = await popupOf(page);
  await page.context().addCookies([transaction]);
  await again.locator('input[name=state]').evaluate((field, value) => { field.value = value; }, state);
  await fill(again);
  assert.match(await again.getByRole('alert').innerText(), /was used already/);
  assert.equal(await sessionCookie(page), undefined);
});

test('without_a_window_the_login_leads_back_to_the_page_it_began_on', async () => {
  const page = await tab();
  await page.goto(`${site.base}/login?return_to=/records%3Fyear=2030`);
  await fill(page);
  await page.waitForURL(`${site.origin}/records?year=2030`);
  await page.waitForFunction(() => window.source);
  await hears(page, 'token');
});

test('a_login_leads_nowhere_but_to_our_own_site', async () => {
  const elsewhere = [
    'https://evil.example/', '//evil.example/', '///evil.example', '/\\evil.example', '\\\\evil.example', '/%5cevil.example',
    '/%2f%2fevil.example', 'https:evil.example', 'http:/evil.example', '/\t/evil.example', '/\n/evil.example', '%09//evil.example',
    'javascript:alert(1)', 'data:text/html,x', '/..//evil.example', '/.//evil.example', '/;@evil.example/..//evil.example',
    '//localhost@evil.example', '/@evil.example/..%2f', '／／evil.example', '/%E2%80%AE//evil.example', 'evil.example', '.evil.example',
    '/chat-identity/login?return_to=//evil.example',
  ];
  const page = await (await profile(here)).newPage();
  const asked = [];
  await page.route((url) => url.origin !== site.origin, (route) => {
    asked.push(route.request().url());
    return route.abort();
  });
  for (const wanted of elsewhere) {
    await page.goto(`${site.base}/login?return_to=${encodeURIComponent(wanted)}`);
    await fill(page);
    await page.getByRole('heading', { name: 'Site' }).waitFor();
    assert.equal(new URL(page.url()).origin, site.origin, wanted);
  }
  assert.deepEqual(asked, []);
});

// --- pages of other origins

async function elsewhere(host, settings) {
  const place = { stop() { place.site?.stop(); place.pages?.stop(); } };
  // Each must know the other's address before it starts.
  place.pages = await Pages.open({ host });
  place.site = await Site.start(accounts({ ALLOWED_ORIGINS: place.pages.origin, ...settings }));
  place.pages.serves(place.site.base);
  return place;
}

test('a_listed_page_of_another_origin_logs_its_visitor_in', async () => {
  const place = await elsewhere('localhost');
  try {
    const context = await profile(here);
    const [page, other] = [await tab(context, place.pages), await tab(context, place.pages)];
    assert.deepEqual(await session(page), { logged_in: false, login_url: `${place.site.base}/login` });
    assert.equal((await logIn(page)).session.name, 'Ann Berg');
    await hears(page, 'token');
    await hears(other, 'token');
    await page.click('#logout');
    await hears(other, 'logout');
    await until('the cookie is gone', async () => (await sessionCookie(page)) === undefined);
  } finally {
    place.stop();
  }
});

test('a_page_of_another_site_is_told_that_the_browser_keeps_the_session_from_it', async () => {
  const place = await elsewhere('127.0.0.1', { ALLOW_CROSS_SITE: 'true' });
  try {
    const page = await tab(null, place.pages);
    const { code, message } = await logIn(page);
    assert.equal(code, 'session_withheld');
    assert.match(message, /third-party cookies/);
  } finally {
    place.stop();
  }
});

test('a_page_that_is_not_listed_hears_nothing_from_the_window', async () => {
  const stranger = await Pages.open({ host: '127.0.0.1' });
  stranger.serves(site.base);
  try {
    const page = await tab(null, stranger);
    await page.evaluate(() => {
      window.messages = [];
      window.addEventListener('message', ({ data }) => window.messages.push(data));
    });
    // The module opens no window from there; a page that means ill does not need it.
    const opens = (at) => void window.open(`${at}/login?popup=1&origin=${window.origin}`);
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.evaluate(opens, site.base)]);
    await popup.getByLabel('User name').waitFor();
    await fill(popup);
    await popup.getByRole('heading', { name: 'Site' }).waitFor();
    assert.equal(new URL(popup.url()).origin, site.origin);
    assert.deepEqual(await page.evaluate(() => window.messages), []);
  } finally {
    stranger.stop();
  }
});

// --- for everybody; SCREENSHOTS names a folder for pictures of what is looked at

test('the_login_needs_no_mouse', async () => {
  const page = await tab();
  const popup = await popupOf(page);
  const focus = () => popup.evaluate(() => {
    const { name, type } = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return { name: name || type, seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
  });
  for (const name of ['username', 'password', 'button', 'submit']) {
    if (name !== 'username' || (await focus()).name !== 'username') await popup.keyboard.press('Tab');
    assert.deepEqual(await focus(), { name, seen: true });
  }
  for (let back = 0; back < 3; back += 1) await popup.keyboard.press('Shift+Tab');
  await popup.keyboard.type('ann');
  await popup.keyboard.press('Tab');
  await popup.keyboard.type(PASSWORD);
  await popup.keyboard.press('Enter');
  await gone(popup);
  assert.equal((await outcome(page)).session.logged_in, true);
});

test('a_password_can_be_seen_while_it_is_typed_and_caps_lock_is_said', async () => {
  const page = await tab();
  const popup = await popupOf(page);
  const password = popup.getByLabel('Password');
  const show = popup.getByRole('button', { name: 'Show password' });
  await password.fill('x');
  await show.click();
  assert.deepEqual([await password.getAttribute('type'), await show.getAttribute('aria-pressed')], ['text', 'true']);
  await show.click();
  assert.equal(await password.getAttribute('type'), 'password');
  const presses = (on) => password.evaluate((field, modifierCapsLock) => {
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock }));
  }, on);
  assert.equal(await popup.getByRole('status').innerText(), '');
  await presses(true);
  assert.equal(await popup.getByRole('status').innerText(), 'Caps Lock is on.');
  await presses(false);
  assert.equal(await popup.getByRole('status').innerText(), '');
});

test('the_page_that_says_that_nobody_is_logged_in_tells_every_tab', async () => {
  const context = await profile(here);
  const page = await tab(context);
  await logIn(page);
  await hears(page, 'token');
  await context.clearCookies();
  await (await context.newPage()).goto(`${site.base}/logout`);
  await hears(page, 'login_required');
  assert.equal(await current(page), null);
});

test('the_login_needs_no_script', async () => {
  const page = await (await profile(here, { javaScriptEnabled: false })).newPage();
  await page.goto(`${site.base}/login`);
  await fill(page);
  await page.getByRole('heading', { name: 'Site' }).waitFor();
  assert.ok(await sessionCookie(page));
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ window: { width: 480, height: 680 }, phone: { width: 320, height: 480 } })) {
    test(`the_pages_of_the_login_leave_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await (await profile(here, { colorScheme, viewport, bypassCSP: true })).newPage();
      const look = async (name) => {
        await page.waitForLoadState();
        if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${colorScheme}-${size}.png` });
        assert.deepEqual(await findings(page), [], name);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} needs no sideways scrolling`);
      };
      await page.goto(`${site.base}/login`);
      await look('login');
      await fill(page, 'wrong');
      await page.getByRole('alert').waitFor();
      await look('wrong');
      await fill(page);
      await page.getByRole('heading', { name: 'Site' }).waitFor();
      await page.goto(`${site.base}/logout`);
      await look('ask-logout');
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByText('You are logged out.').waitFor();
      await look('logged-out');
      await page.goto(`${site.base}/login/callback`);
      await look('message');
      await page.addInitScript(() => { window.close = () => {}; });
      await page.goto(`${site.base}/login/done`);
      await look('done');
    });
  }
}
