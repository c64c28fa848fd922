// Nobody is left out: axe on every page in the states that people meet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findings, signIn, stage, until, verdict } from './stage.mjs';

const here = stage();

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } })) {
    test(`the_demo_page_leaves_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await here.page(await here.profile({ colorScheme, viewport, bypassCSP: true }));
      assert.deepEqual(await findings(page), [], 'signed out');
      await signIn(page);
      await until('verified', async () => (await verdict(page).innerText()).startsWith('believes'));
      await page.getByText('As it travels').click();
      await page.getByRole('button', { name: 'Who am I?' }).click();
      for (const button of ['Forge one', 'Steal it', 'Ask without https', 'Open the foreign page']) {
        await page.getByRole('button', { name: button }).click();
      }
      await page.locator('#try-foreign .results li').nth(3).waitFor();
      assert.deepEqual(await findings(page), [], 'signed in, attacks tried');
    });

    test(`the_console_leaves_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await (await here.profile({ colorScheme, viewport, bypassCSP: true })).newPage();
      const refused = await fetch(`${here.demo.clinic}/chat-identity/token`, { headers: { 'sec-fetch-site': 'same-origin' } });
      await page.goto(`${here.demo.console}/`);
      await page.getByLabel('Request id').fill(refused.headers.get('x-request-id'));
      await page.getByRole('button', { name: 'Ask' }).click();
      await page.getByRole('heading', { name: 'nobody is logged in' }).waitFor();
      assert.deepEqual(await findings(page), [], 'with an answer');
      await page.getByLabel('Request id').fill('unheard-of');
      await page.getByRole('button', { name: 'Ask' }).click();
      await page.getByText('Nothing refused goes by').waitFor();
      await page.getByLabel('A visitor').fill('{ "sub": "1" }');
      await page.getByRole('button', { name: 'Show the claims' }).click();
      for (const summary of await page.locator('summary').all()) await summary.click();
      assert.deepEqual(await findings(page), []);
      await page.getByLabel('A visitor').fill('nobody');
      await page.getByRole('button', { name: 'Show the claims' }).click();
      await page.getByRole('alert').waitFor();
      assert.deepEqual(await findings(page), [], 'with a fault');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, 'the page needs no sideways scrolling');
    });

    test(`the_login_leaves_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await (await here.profile({ colorScheme, viewport, bypassCSP: true })).newPage();
      await page.goto(`${here.demo.clinic}/chat-identity/login`);
      assert.deepEqual(await findings(page), [], 'at first');
      await page.getByLabel('User name').fill('maya');
      await page.getByLabel('Password', { exact: true }).fill('wrong');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('alert').waitFor();
      assert.deepEqual(await findings(page), [], 'with a fault');
      await page.getByLabel('Password', { exact: true }).fill('harbour-light');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL((url) => !url.pathname.endsWith('/login'));
      await page.goto(`${here.demo.clinic}/chat-identity/logout`);
      assert.deepEqual(await findings(page), [], 'on the way out');
    });
  }
}

test('the_healthcare_agents_chat_leaves_nobody_out', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await here.page(await here.profile({ colorScheme, bypassCSP: true }), '?widget=healthcare-agent');
    assert.deepEqual(await findings(page), [], 'signed out');
    await signIn(page);
    await page.locator('#agent-badge', { hasText: 'Verified' }).waitFor();
    for (const button of ['Forge one', 'Steal it']) await page.getByRole('button', { name: button }).click();
    await page.locator('#try-stolen .results li').nth(1).waitFor();
    assert.deepEqual(await findings(page), [], 'signed in, attacks tried');
  }
});

test('the_sign_in_fault_is_told_to_everybody', async () => {
  const page = await here.page(await here.profile({ bypassCSP: true }));
  await page.getByLabel('Name').fill('maya');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  assert.deepEqual(await findings(page), []);
});
