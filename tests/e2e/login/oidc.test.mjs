// The same journey at an identity provider on another site: npm's oidc-provider, as it is and as one that cuts the tie
// between the login window and the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { claims, profile, rest, startBrowser } from './stage.mjs';
import { Site, provider } from './site.mjs';
import { current, gone, hears, last, outcome, session, sessionCookie, tab, transactions } from './visitor.mjs';

const here = { violations: [] };
const places = {};

async function organisation(preload) {
  const place = {};
  place.site = await Site.start(async (about) => {
    place.provider = await provider(about, preload);
    return place.provider.settings;
  });
  return place;
}

before(async () => {
  here.browser = await startBrowser();
  places.plain = await organisation();
  places.cutting = await organisation(fileURLToPath(new URL('coop.mjs', import.meta.url)));
});
after(async () => {
  await here.browser?.close();
  for (const { site, provider } of Object.values(places)) {
    site.stop();
    provider.stop();
  }
});

async function windowOf(page) {
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click('#login')]);
  await popup.locator('input[name=login]').waitFor();
  return popup;
}

// The provider's own pages: who it is, and whether we may know.
async function signIn(popup) {
  await popup.locator('input[name=login]').fill('P20417');
  await popup.locator('input[name=password]').fill('any');
  await popup.locator('button[type=submit]').click();
  await popup.getByRole('button', { name: 'Continue' }).click();
}

test('a_visitor_logs_in_at_the_provider_and_every_tab_hears_the_token', async () => {
  const { site } = places.plain;
  const context = await profile(here);
  const [page, other] = [await tab(context, site), await tab(context, site)];
  await signIn(await windowOf(page));
  assert.equal((await outcome(page)).session.name, 'Zoë 王 P20417');
  for (const one of [page, other]) {
    await hears(one, 'token');
    assert.equal(claims((await last(one)).token).name, 'Zoë 王 P20417');
  }
  assert.deepEqual(await transactions(page), []);
  assert.equal((await sessionCookie(page)).sameSite, 'Strict');
});

test('a_visitor_who_changes_their_mind_at_the_provider_is_told_so_and_may_close_the_window', async () => {
  const { site } = places.plain;
  const page = await tab(await profile(here), site);
  const popup = await windowOf(page);
  await popup.getByRole('link', { name: /Cancel/ }).click();
  assert.match(await popup.getByRole('alert').innerText(), /was not completed/);
  assert.deepEqual(await transactions(page), []);
  await popup.close();
  assert.equal((await outcome(page)).code, 'login_cancelled');
});

test('who_begins_anew_in_the_window_still_ends_on_the_page', async () => {
  const { site } = places.plain;
  const page = await tab(await profile(here), site);
  const popup = await windowOf(page);
  await popup.getByRole('link', { name: /Cancel/ }).click();
  await popup.getByRole('link', { name: 'Log in again' }).click();
  await signIn(popup);
  await gone(popup);
  assert.equal((await outcome(page)).session.logged_in, true);
});

// A headless browser gives every window the focus; a visitor who types in one has left the other.
const focus = (page, here) => page.evaluate((has) => { document.hasFocus = () => has; }, here);

test('a_provider_that_cuts_the_window_off_does_not_keep_the_page_from_hearing', async () => {
  const { site } = places.cutting;
  const context = await profile(here);
  const page = await tab(context, site);
  await focus(page, false);
  const popup = await windowOf(page);
  assert.equal(await popup.evaluate(() => window.opener), null, 'it is cut off');
  await rest(1000);
  assert.equal(await page.evaluate(() => window.outcome), undefined, 'somebody is still typing');
  await signIn(popup);
  assert.equal((await outcome(page)).session.name, 'Zoë 王 P20417');
  await hears(page, 'token');
  await gone(popup);
});

test('a_window_that_was_cut_off_and_then_closed_is_a_login_given_up', async () => {
  const page = await tab(await profile(here), places.cutting.site);
  await focus(page, false);
  const popup = await windowOf(page);
  await popup.close();
  await focus(page, true);
  assert.equal((await outcome(page)).code, 'login_cancelled');
});

test('a_visitor_who_looks_at_the_page_while_the_window_is_cut_off_still_gets_their_token', async () => {
  const { site } = places.cutting;
  const page = await tab(await profile(here), site);
  const popup = await windowOf(page);
  assert.equal((await outcome(page)).code, 'login_cancelled', 'as far as anybody can tell');
  assert.equal(await current(page), null);
  await signIn(popup);
  await hears(page, 'token');
  assert.equal((await session(page)).logged_in, true);
});
