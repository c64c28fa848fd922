// The gallery: each vendor's documented call, run as it stands, and what its server makes of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findings, stage, until } from './stage.mjs';

const here = stage();

async function gallery(who, options) {
  const page = await (await here.profile(options)).newPage();
  await page.goto(`${here.demo.clinic}/`);
  await page.getByRole('link', { name: 'Vendors' }).click();
  if (who) {
    await page.getByRole('button', { name: `Sign in as ${who}` }).click();
    await page.getByText(`${who} is signed in.`).waitFor();
  }
  return page;
}

// Every card's results, when all of them have come.
async function tried(page) {
  await page.getByRole('button', { name: 'Try all of them' }).click();
  const cards = page.locator('[data-vendor]');
  await until('all are done', async () => await page.locator('.results:empty').count() + await page.locator('[aria-busy]').count() === 0, 30_000);
  return cards.evaluateAll((all) => all.map((card) => ({
    vendor: card.dataset.vendor,
    mechanism: card.dataset.mechanism,
    results: [...card.querySelectorAll('.results li')].map((item) => [item.dataset.verdict, item.querySelector('.why').textContent]),
  })));
}

test('every_vendor_takes_the_documented_call_for_who_is_signed_in', async () => {
  const vendors = await tried(await gallery('Maya Lindgren'));
  assert.ok(vendors.length >= 6, `${vendors.length} vendors`);
  assert.deepEqual([...new Set(vendors.map(({ mechanism }) => mechanism))], ['token', 'digest', 'exchange']);
  for (const { vendor, results } of vendors) {
    const [verdict, why] = results[0];
    assert.equal(verdict, 'believed', `${vendor}: ${why}`);
    assert.match(why, /P20417|maya\.lindgren@example\.org/);
  }
});

test('no_vendor_takes_a_forgery', async () => {
  for (const { vendor, results } of await tried(await gallery('Zoë Okafor'))) {
    const [first, ...forged] = results;
    assert.equal(first[0], 'believed', `${vendor}: ${first[1]}`);
    assert.ok(forged.length >= 1, `${vendor} was not tried`);
    for (const [verdict, why] of forged) assert.equal(verdict, 'refused', `${vendor}: ${why}`);
  }
});

test('who_is_not_signed_in_hands_over_nothing_to_any_vendor', async () => {
  for (const { vendor, results } of await tried(await gallery())) {
    assert.deepEqual(results.map(([verdict]) => verdict), ['note'], `${vendor}: ${results}`);
    assert.match(results[0][1], /stays anonymous/);
  }
});

test('the_gallery_shows_the_call_the_answer_and_what_was_handed_over', async () => {
  const page = await gallery('Maya Lindgren');
  const card = page.locator('#vendor-chatwoot');
  await card.getByRole('button', { name: 'Make the call' }).click();
  await card.getByText('Believed').waitFor();
  for (const summary of await card.locator('summary').all()) await summary.click();
  assert.match(await card.locator('pre').first().innerText(), /\$chatwoot\.setUser\(answer\.identifier/);
  const answer = JSON.parse((await card.locator('.answer').innerText()).replace(/^200\s/, ''));
  const given = JSON.parse(await card.locator('.given').innerText());
  assert.deepEqual(given, { identifier: 'P20417', identifier_hash: answer.identifier_hash });
});

test('the_gallery_leaves_nobody_out', async () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      const page = await gallery('Maya Lindgren', { colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
      await tried(page);
      for (const summary of await page.locator('#vendor-stream summary').all()) await summary.click();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      assert.deepEqual(await findings(page), [], `${colorScheme}, ${width} wide`);
    }
  }
});

test('no_policy_was_violated_in_the_gallery', () => assert.deepEqual(here.violations, []));
