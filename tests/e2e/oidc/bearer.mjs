// A single-page application and its access tokens: signed ones, opaque ones, and those that are not for the chat.
import { createHash, randomBytes } from 'node:crypto';

import { Browser } from '../shared/browser.mjs';
import { check, finish, is } from '../shared/checks.mjs';

const { PROVIDER, PROVIDER_PID, APP_SITE, CHAT } = process.env;
const ELSEWHERE = 'https://elsewhere.example.org';
const redirect = `${APP_SITE}/app`;

const post = async (path, form) => (await fetch(`${PROVIDER}${path}`, { method: 'POST', body: new URLSearchParams(form) })).text();

// Logs somebody in at the provider for a resource, with the code flow and PKCE, and brings back what the provider gives.
const tokensFor = async (name, resource, scope = 'openid chat') => {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const asked = new URLSearchParams({
    client_id: 'app',
    response_type: 'code',
    redirect_uri: redirect,
    scope,
    resource,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  const landed = await new Browser(APP_SITE, '').travel(`${PROVIDER}/auth?${asked}`, name);
  const code = landed.searchParams?.get('code');
  const form = { grant_type: 'authorization_code', client_id: 'app', redirect_uri: redirect, code, code_verifier: verifier };
  return JSON.parse(await post('/token', form));
};

const ask = (path, authorization) => {
  const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
  return fetch(`${APP_SITE}/chat-identity${path}`, { headers: { ...headers, ...(authorization && { authorization }) } });
};

const part = (token, at) => JSON.parse(Buffer.from(token.split('.')[at], 'base64url'));

const isFor = async (name, access) => {
  const answer = await ask('/token', `Bearer ${access}`);
  is(answer.status, 200, 'status');
  const { external_id: id } = part((await answer.json()).token, 1);
  is(Buffer.from(id, 'hex').toString(), name);
};

const isRefused = async (access, status = 401, code = 'login_required', scheme = 'Bearer') => {
  const answer = await ask('/token', access && `${scheme} ${access}`);
  const text = await answer.text();
  is(answer.status, status, text);
  is(JSON.parse(text).code, code);
};

const signed = await tokensFor('jane', `${CHAT}/signed`);
const opaque = await tokensFor('otto', `${CHAT}/opaque`);
await check('the provider gives both kinds of access token', () => {
  is(part(signed.access_token, 0).typ, 'at+jwt');
  is(opaque.access_token.includes('.'), false, 'the opaque one is signed');
});
await check('a signed access token is its owner', () => isFor('jane', signed.access_token));
await check('an opaque access token is its owner', () => isFor('otto', opaque.access_token));
for (const [kind, tokens, name] of [['signed', signed, 'jane'], ['opaque', opaque, 'otto']]) {
  await check(`the session of a ${kind} token has the visitor's name and an end`, async () => {
    const session = await (await ask('/session', `Bearer ${tokens.access_token}`)).json();
    is(session.logged_in, true);
    is(session.name, `Zoë 王 ${name}`);
    is(Math.abs(session.expires_at - Date.now() / 1000 - tokens.expires_in) < 60, true, `ends at ${session.expires_at}`);
  });
}
await check('without a token nobody is anybody', () => isRefused());
await check('another scheme is not a bearer token', () => isRefused(signed.access_token, 401, 'login_required', 'Token'));
for (const kind of ['signed', 'opaque']) {
  await check(`a ${kind} token for somebody else's application is refused`, async () => {
    const other = await tokensFor('jane', `${ELSEWHERE}/${kind}`);
    is(typeof other.access_token, 'string');
    await isRefused(other.access_token);
  });
  await check(`a ${kind} token without the scope is refused`, async () => {
    const other = await tokensFor('jane', `${CHAT}/${kind}`, 'openid');
    is(typeof other.access_token, 'string');
    await isRefused(other.access_token);
  });
}
await check('an ID token is no access token', () => isRefused(signed.id_token));
const [head, body, signature] = signed.access_token.split('.');
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const otto = encoded({ ...part(signed.access_token, 1), sub: 'otto' });
for (const [what, token] of [
  ['another name under the same signature', `${head}.${otto}.${signature}`],
  ['another name, unsigned', `${encoded({ alg: 'none', typ: 'at+jwt' })}.${otto}.`],
  ['no signature', `${head}.${body}.`],
  ['a signature cut short', signed.access_token.slice(0, -2)],
  ['a letter more on an opaque token', `${opaque.access_token}x`],
]) {
  await check(`${what} is refused`, () => isRefused(token));
}
await check('a token that is revoked at the provider counts no more, at once', async () => {
  const gone = await tokensFor('otto', `${CHAT}/opaque`);
  await isFor('otto', gone.access_token);
  await post('/token/revocation', { token: gone.access_token, client_id: 'app' });
  await isRefused(gone.access_token);
});
await check('and the others go on', () => isFor('otto', opaque.access_token));
process.kill(Number(PROVIDER_PID), 'SIGKILL');
await check('while the provider is down, an opaque token is an outage and not a logout', () =>
  isRefused(opaque.access_token, 503, 'upstream_unavailable'));
await check('and a signed one is checked with the keys that are known', () => isFor('jane', signed.access_token));
finish();
