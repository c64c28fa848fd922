// The same tokens, from the service itself, under jose: a library that shares nothing with what signed them. Direct Line is
// played by a few lines of this test.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

const { BIN, NPM_HOME } = process.env;
const { decodeProtectedHeader, jwtVerify } = createRequire(`${NPM_HOME}/`)('jose');
const fresh = (bytes) => randomBytes(bytes).toString('base64url');
const APP_SECRET = fresh(32);
const WEBCHAT_SECRET = fresh(32);
const PROOF = fresh(32);

const vendor = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    vendor.heard = { url: request.url, key: request.headers.authorization, body: Buffer.concat(chunks).toString() };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ conversationId: 'c1', token: 'a-conversation-token', expires_in: 1800 }));
  });
});

let service;
let base;

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

before(async () => {
  await once(vendor.listen(0, '127.0.0.1'), 'listening');
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const env = {
    LISTEN: `127.0.0.1:${port}`, ADMIN_LISTEN: `127.0.0.1:${await freePort()}`, AUDIT_LOG: 'off', PUBLIC_URL: 'https://www.example.org',
    SESSION_SOURCES: 'forwarded', FORWARDED_CONVENTION: 'oauth2-proxy', FORWARDED_PROOF_SECRET: PROOF,
    WIDGET_PRESET: 'healthcare-agent', APP_SECRET, WEBCHAT_SECRET, DIRECTLINE_ENDPOINT_URI: `http://127.0.0.1:${vendor.address().port}`,
    PSEUDONYM_KEY: fresh(64), TOKEN_ALIASES: '/chatBot=healthcare-agent',
  };
  service = spawn(BIN, ['serve'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  for (let n = 0; n < 200; n++) {
    if (await fetch(`${base}/session`).then(() => true, () => false)) return;
    await new Promise((done) => { setTimeout(done, 50); });
  }
  throw new Error('the service does not answer');
});

after(async () => {
  vendor.close();
  if (service?.kill()) await once(service, 'exit');
});

// Header values are bytes to a proxy; fetch takes them one character each.
const bytes = (text) => Buffer.from(text).toString('latin1');

const ask = (path, name = 'Zoë 王') => fetch(`${base}${path}`, {
  method: 'POST',
  headers: {
    'Sec-Fetch-Site': 'same-origin', 'X-Countersign-Proof': PROOF, 'X-Forwarded-User': 'patient-4711',
    'X-Forwarded-Preferred-Username': bytes(name),
  },
});

test('jose_believes_the_token_and_reads_the_claims_that_the_agent_reads', async () => {
  const response = await ask('/token');
  assert.equal(response.status, 200);
  const { token, userId, connectorToken } = await response.json();
  assert.deepEqual(decodeProtectedHeader(token), { alg: 'HS256', typ: 'JWT' });
  const { payload } = await jwtVerify(token, new TextEncoder().encode(APP_SECRET), { algorithms: ['HS256'], requiredClaims: ['iat', 'exp'] });
  assert.equal(payload.userId, userId);
  assert.equal(payload.userName, 'Zoë 王');
  assert.equal(payload.connectorToken, connectorToken);
  assert.equal(payload.directLineURI, `127.0.0.1:${vendor.address().port}`);
  assert.deepEqual(Object.keys(payload).sort(), ['connectorToken', 'directLineURI', 'exp', 'iat', 'userId', 'userName']);
});

test('the_vendor_is_asked_with_the_secret_for_this_visitor_and_the_page_sees_neither_secret', async () => {
  const text = await (await ask('/token')).text();
  assert.equal(vendor.heard.url, '/v3/directline/tokens/generate');
  assert.equal(vendor.heard.key, `Bearer ${WEBCHAT_SECRET}`);
  assert.deepEqual(JSON.parse(vendor.heard.body), { user: { id: JSON.parse(text).userId } });
  assert.ok(!text.includes(APP_SECRET) && !text.includes(WEBCHAT_SECRET));
});

test('jose_believes_the_bare_token_of_the_sample_route_whatever_its_query_says', async () => {
  const bare = await (await ask('/chatBot?locale=en-us&userId=forged&userName=Forged&agent=true')).text();
  const { payload } = await jwtVerify(bare, new TextEncoder().encode(APP_SECRET));
  assert.ok(!JSON.stringify(payload).toLowerCase().includes('forged'));
  assert.equal(payload.isAgent, undefined);
  assert.deepEqual(JSON.parse(atob(bare.split('.')[1])), payload);
});

test('jose_believes_no_altered_token_and_no_other_secret', async () => {
  const { token } = await (await ask('/token')).json();
  const [head, , signature] = token.split('.');
  const forged = `${head}.${Buffer.from(JSON.stringify({ userId: 'dl_victim' })).toString('base64url')}.${signature}`;
  await assert.rejects(jwtVerify(forged, new TextEncoder().encode(APP_SECRET)), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  await assert.rejects(jwtVerify(token, new TextEncoder().encode(WEBCHAT_SECRET)), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
});
