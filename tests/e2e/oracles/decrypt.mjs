// jose opens our encrypted tokens, and we open jose's.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, finish } from '../shared/checks.mjs';

const { CompactEncrypt, compactDecrypt, jwtVerify } = createRequire(`${process.env.NPM_HOME}/`)('jose');
const { AUDIENCE, BIN, ENV_FILE, ISSUER, SEALED } = process.env;

const read = (path) => readFileSync(path, 'utf8').trim();
const [direct, wrapped] = read(SEALED).split('\n');
const pair = createPrivateKey(read(`${SEALED}.rsa`));
const shared = Buffer.from(read(`${SEALED}.key`), 'base64url');

const verify = (widget, token, ...more) =>
  JSON.parse(spawnSync(BIN, ['verify', '--env-file', ENV_FILE, '--widget', widget, '--json', ...more, token], { encoding: 'utf8' }).stdout);

for (const [widget, file, alg, token, decrypting, encrypting, more] of [
  ['sealed', 'key', 'dir', direct, shared, shared, []],
  ['sealed-rsa', 'pub', 'RSA-OAEP-256', wrapped, pair, createPublicKey(pair), ['--decryption-key', `${SEALED}.rsa`]],
]) {
  const { plaintext, protectedHeader } = await compactDecrypt(token, decrypting);
  await check(`jose, ${alg}: the header says how, and what is inside`, () => {
    assert.deepEqual(protectedHeader, { alg, enc: 'A256GCM', cty: 'JWT' });
  });
  const signed = new TextDecoder().decode(plaintext);
  await check(`jose, ${alg}: the token inside holds and says who`, async () => {
    const { payload } = await jwtVerify(signed, Buffer.from(read(`${SEALED}.${file}.secret`)), { algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE });
    assert.equal(payload.sub, 'patient-4711');
  });
  await check(`jose, ${alg}: another key opens nothing`, async () => {
    await assert.rejects(compactDecrypt(token, alg === 'dir' ? Buffer.alloc(32, 9) : Buffer.alloc(32)));
  });
  await check(`countersign verify, ${alg}: its own token holds`, () => assert.equal(verify(widget, token, ...more).holds, true));
  await check(`countersign verify, ${alg}: what is changed on the way cannot be opened`, () => {
    const changed = token.replace(/(.)(.{9})$/, (_, one, rest) => (one === 'A' ? 'B' : 'A') + rest);
    assert.deepEqual(verify(widget, changed, ...more).reasons, ['encryption']);
  });
  await check(`countersign verify, ${alg}: one that jose encrypted holds`, async () => {
    const encrypt = new CompactEncrypt(plaintext).setProtectedHeader({ alg, enc: 'A256GCM', cty: 'JWT' });
    assert.equal(verify(widget, await encrypt.encrypt(encrypting), ...more).claims.sub, 'patient-4711');
  });
}
finish();
