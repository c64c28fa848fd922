// What a visitor sees and a browser keeps.

import { until } from './stage.mjs';
import { COOKIE } from './site.mjs';

export async function tab(context, at) {
  const page = await context.newPage();
  await page.goto(at.origin);
  await page.waitForFunction(() => window.source);
  return page;
}

export const gone = (popup) => until('the window closes', () => popup.isClosed());

// What login() came to.
export async function outcome(page) {
  await page.waitForFunction(() => window.outcome);
  return page.evaluate(() => window.outcome);
}

export const heard = (page) => page.evaluate(() => window.heard);
export const last = async (page) => (await heard(page)).at(-1);
export const hears = (page, type) => until(`it hears ${type}`, async () => (await last(page))?.type === type);
export const current = (page) => page.evaluate(() => window.source.current());
export const session = (page) => page.evaluate(() => window.source.session());

export const cookies = async (page) => (await page.context().cookies()).filter(({ name }) => name.startsWith('__Host-'));
export const transactions = async (page) => (await cookies(page)).filter(({ name }) => name.startsWith(`${COOKIE}-login-`));
export const sessionCookie = async (page) => (await cookies(page)).find(({ name }) => name === COOKIE);
