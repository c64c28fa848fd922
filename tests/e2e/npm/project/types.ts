import { type Answer, CountersignError, adapters, connect, createTokenSource, type TokenSource } from 'countersign-browser';
import type { TokenState } from 'countersign-browser/react';
import { useToken } from 'countersign-browser/vue';

const source: TokenSource = createTokenSource({ base: '/chat-identity' });
const answer: Answer | null = source.current();
const token: Promise<string> = source.getToken({ force: true });
const off: () => void = connect(source, 'userinfo', { property: 'userinfo', onToken: (given: string) => given });
// @ts-expect-error An agent needs to know where to draw.
connect(source, 'healthcare-agent');
// @ts-expect-error There is no such widget.
connect(source, 'nonesuch');
// @ts-expect-error Nor such an option.
createTokenSource({ bass: '/' });
source.subscribe((event) => {
  if (event.type === 'token') return event.answer.expires_in;
  if (event.type === 'login_required') return event.loginUrl;
  return undefined;
});
export const used = [answer, token, off, adapters, CountersignError, useToken, null as TokenState | null];
