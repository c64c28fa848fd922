// Logs visitors in at the provider through mod_auth_openidc, and prints the cookie that each one's browser then sends.
import { Browser } from '../shared/browser.mjs';

const [site, ...names] = process.argv.slice(2);
const cookies = {};
for (const name of names) {
  const browser = new Browser(site, '/members/callback');
  const landed = await browser.travel(`${site}/members/`, name);
  if (landed.href !== `${site}/members/`) throw new Error(`${name} ended at ${landed.url ?? landed.href}: ${landed.text}`);
  const members = await browser.request(landed, { headers: { accept: 'text/html' } });
  if (members.status !== 200) throw new Error(`${name} is no member: ${members.status} ${members.text}`);
  cookies[name] = [...browser.jars.get(new URL(site).host)].map(([key, value]) => `${key}=${value}`).join('; ');
}
console.log(JSON.stringify(cookies));
