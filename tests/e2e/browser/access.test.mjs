// Nobody is left out: axe on every page in the states that people meet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AXE, signIn, stage, until, verdict } from './stage.mjs';

const here = stage();

// Serious and critical findings; everything less is printed, so that it is not forgotten.
async function findings(page) {
  await page.addScriptTag({ path: AXE }).catch(async () => page.evaluate(await (await import('node:fs/promises')).readFile(AXE, 'utf8')));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const told = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  return {
    serious: told.filter((line) => /^(serious|critical)/.test(line)),
    all: told,
  };
}

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } })) {
    test(`the_demo_page_leaves_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await here.page(await here.profile({ colorScheme, viewport, bypassCSP: true }));
      assert.deepEqual((await findings(page)).all, [], 'signed out');
      await signIn(page);
      await until('verified', async () => (await verdict(page).innerText()).startsWith('believes'));
      await page.getByText('As it travels').click();
      await page.getByRole('button', { name: 'Who am I?' }).click();
      for (const button of ['Forge one', 'Steal it', 'Ask without https', 'Open the foreign page']) {
        await page.getByRole('button', { name: button }).click();
      }
      await page.locator('#try-foreign .results li').nth(3).waitFor();
      await page.waitForTimeout(400);
      assert.deepEqual((await findings(page)).all, [], 'signed in, attacks tried');
    });

    test(`the_console_leaves_nobody_out_${colorScheme}_${size}`, async () => {
      const page = await (await here.profile({ colorScheme, viewport, bypassCSP: true })).newPage();
      await page.goto(`${here.demo.console}/`);
      await page.getByRole('textbox').fill('{ "sub": "1" }');
      await page.getByRole('button', { name: 'Show the claims' }).click();
      for (const summary of await page.locator('summary').all()) await summary.click();
      assert.deepEqual((await findings(page)).all, []);
      await page.getByRole('textbox').fill('nobody');
      await page.getByRole('button', { name: 'Show the claims' }).click();
      await page.getByRole('alert').waitFor();
      assert.deepEqual((await findings(page)).all, [], 'with a fault');
    });
  }
}

test('the_sign_in_fault_is_told_to_everybody', async () => {
  const page = await here.page(await here.profile({ bypassCSP: true }));
  await page.getByLabel('Name').fill('maya');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  assert.deepEqual((await findings(page)).all, []);
});
