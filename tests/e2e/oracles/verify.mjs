// jose's verdict on tokens of every algorithm.

import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, finish } from '../shared/checks.mjs';

const { calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, errors, importJWK, jwtVerify } =
  createRequire(`${process.env.NPM_HOME}/`)('jose');

const { ISSUER, AUDIENCE, JWKS_URL, CASES } = process.env;
const ALL = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'EdDSA'];
const REQUIRED = ['iss', 'aud', 'sub', 'iat', 'nbf', 'exp', 'jti'];
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'];

const read = (path) => readFileSync(path, 'utf8').trim();

const cases = () => {
  const lines = readFileSync(CASES, 'utf8').split('\n').slice(0, -1);
  const names = ['algorithm', 'encoding', 'key', 'other', 'minted', 'fetched'];
  return Array.from({ length: lines.length / names.length }, (_, i) =>
    Object.fromEntries(names.map((name, j) => [name, lines[i * names.length + j]])));
};

// The token for somebody else, under the old signature.
const tampered = (token) => {
  const [head, payload, signature] = token.split('.');
  const claims = Buffer.from(payload, 'base64url').toString().replace('patient-4711', 'patient-4712');
  return [head, Buffer.from(claims).toString('base64url'), signature].join('.');
};

const published = createRemoteJWKSet(new URL(JWKS_URL));

const judge = async ({ algorithm, encoding, key, other }, from, token) => {
  const ours = encoding ? Buffer.from(read(key), encoding) : published;
  const stranger = encoding ? Buffer.from(read(other), encoding) : createPublicKey(read(other));
  const rules = { algorithms: [algorithm], issuer: ISSUER, audience: AUDIENCE, requiredClaims: REQUIRED };
  const verify = (changes = {}, what = token, key = ours) => jwtVerify(what, key, { ...rules, ...changes });
  const name = `jose, ${algorithm}, ${from}`;

  await check(`${name}: the token holds and says who`, async () => {
    const { payload, protectedHeader } = await verify();
    assert.equal(protectedHeader.alg, algorithm);
    assert.deepEqual([payload.sub, payload.name, payload.email], ['patient-4711', 'Zoë 王', 'zoe@example.org']);
    assert.equal(payload.groups[0], 'patients');
  });
  const refusals = [
    ['another issuer', errors.JWTClaimValidationFailed, () => verify({ issuer: 'https://evil.example' })],
    ['another audience', errors.JWTClaimValidationFailed, () => verify({ audience: 'https://evil.example' })],
    ['its end', errors.JWTExpired, () => verify({ currentDate: new Date(Date.now() + 6 * 60_000) })],
    ['a changed payload', errors.JWSSignatureVerificationFailed, () => verify({}, tampered(token))],
    ['another key', errors.JWSSignatureVerificationFailed, () => verify({}, token, stranger)],
    ['another algorithm', errors.JOSEAlgNotAllowed, () => verify({ algorithms: ALL.filter((a) => a !== algorithm) })],
  ];
  for (const [what, error, call] of refusals) {
    await check(`${name}: ${what} is refused`, () => assert.rejects(call, error));
  }
};

for (const one of cases()) {
  await judge(one, 'minted', one.minted);
  await judge(one, 'fetched', one.fetched);
}

// The key set itself: one public key for each asymmetric widget, named by its thumbprint, and nothing private.
const { keys } = await (await fetch(JWKS_URL)).json();
await check('jose: the key set has one key for each asymmetric widget', () =>
  assert.deepEqual(keys.map((key) => key.alg).sort(), ALL.filter((a) => !a.startsWith('HS')).sort()));
for (const key of keys) {
  await check(`jose: the ${key.alg} key is public, importable, and named by its RFC 7638 thumbprint`, async () => {
    assert.deepEqual(PRIVATE.filter((member) => member in key), []);
    assert.equal(key.use, 'sig');
    assert.equal(await calculateJwkThumbprint(key), key.kid);
    await importJWK(key, key.alg);
    const token = cases().find((one) => one.algorithm === key.alg).fetched;
    assert.equal(decodeProtectedHeader(token).kid, key.kid);
  });
}

finish();
