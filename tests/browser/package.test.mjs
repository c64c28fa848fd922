import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { asClassic, asModule, build } from '../../src/browser/build.mjs';
import { CountersignError } from '../../src/browser/countersign.js';
import { WAITING, follow } from '../../src/browser/follow.js';

const manifest = JSON.parse(readFileSync(new URL('../../src/browser/package.json', import.meta.url), 'utf8'));

test('the_packaged_core_is_at_most_six_kilobytes', () => {
  for (const text of [asModule, asClassic]) {
    const size = gzipSync(text, { level: 9 }).length;
    assert.ok(size <= 6 * 1024, `${size} bytes`);
  }
});

test('every_file_that_the_package_names_is_built', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
  try {
    build(pathToFileURL(`${folder}/dist/`));
    const built = readdirSync(join(folder, 'dist'));
    const named = [...JSON.stringify([manifest.exports, manifest.main, manifest.types]).matchAll(/\.\/dist\/([\w.]+)/g)];
    assert.ok(named.length > 8);
    for (const [, name] of named) assert.ok(built.includes(name), name);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a_bundle_is_never_taken_for_the_server', async () => {
  const packed = await import(`data:text/javascript;base64,${Buffer.from(asModule).toString('base64')}`);
  assert.throws(() => packed.createTokenSource(), { code: 'misconfigured' });
  assert.doesNotMatch(asModule + asClassic, /import\.meta|currentScript/);
});

// --- what a component shows

// A source that says what it is told to say.
function spoken({ answer = null, refusal = null } = {}) {
  const listeners = new Set();
  const source = {
    answer,
    say: (event) => listeners.forEach((listener) => listener(event)),
    current: () => source.answer,
    getToken: () => (refusal ? Promise.reject(refusal) : new Promise(() => {})),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    listeners,
  };
  return source;
}

function shown(source) {
  const states = [];
  const off = follow(source, ({ status, token, error }) => states.push([status, token, error?.code ?? null]));
  return { states, off };
}

const ANSWER = { token: 'a.b.c', expires_in: 60 };
const lost = new CountersignError('unreachable', { retryable: true });

test('a_component_shows_what_becomes_of_a_token', () => {
  const source = spoken();
  const { states, off } = shown(source);
  source.say({ type: 'token', answer: ANSWER });
  source.say({ type: 'error', error: lost, withdrawn: false });
  source.say({ type: 'renewed', answer: { expires_in: 60 } });
  source.say({ type: 'error', error: new CountersignError('forbidden'), withdrawn: true });
  source.say({ type: 'logout', withdrawn: true });
  off();
  assert.deepEqual(states, [
    ['ready', 'a.b.c', null], ['ready', 'a.b.c', 'unreachable'], ['ready', null, null], ['failed', null, 'forbidden'], ['logged_out', null, null],
  ]);
  assert.equal(source.listeners.size, 0);
  assert.ok(Object.isFrozen(WAITING));
});

test('a_component_that_comes_late_is_told_why_there_is_no_token', async () => {
  for (const [code, status] of [['login_required', 'logged_out'], ['logged_out', 'logged_out'], ['forbidden', 'failed']]) {
    const { states } = shown(spoken({ refusal: new CountersignError(code) }));
    await new Promise(setImmediate);
    assert.deepEqual(states, [[status, null, code]]);
  }
});

test('a_component_that_is_gone_is_told_nothing', async () => {
  const { states, off } = shown(spoken({ refusal: lost }));
  off();
  await new Promise(setImmediate);
  assert.deepEqual(states, []);
});

test('no_component_shows_an_expired_token', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const source = spoken();
    const { states, off } = shown(source);
    source.answer = ANSWER;
    source.say({ type: 'token', answer: ANSWER });
    source.say({ type: 'error', error: lost, withdrawn: false });
    source.answer = null;
    mock.timers.tick(60_000);
    assert.deepEqual(states.at(-1), ['failed', null, 'unreachable']);
    off();
  } finally {
    mock.timers.reset();
  }
});
