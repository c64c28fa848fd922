import type { ReactElement, ReactNode } from 'react';
import type { SourceOptions, TokenSource } from './countersign.js';
import type { TokenState } from './follow.js';

export type { Status, TokenState } from './follow.js';

export interface ChatIdentityProviderProps extends SourceOptions {
  /** A source of your own, which is then yours to stop; without it one is made of the other props. */
  source?: TokenSource;
  children?: ReactNode;
}

/** Makes one source for everything below it, and stops it when it is unmounted. */
export declare function ChatIdentityProvider(props: ChatIdentityProviderProps): ReactElement;

export interface ChatIdentity extends TokenState, Pick<TokenSource, 'getToken' | 'login' | 'logout'> {
  /** For connect(); null until the provider is mounted. */
  readonly source: TokenSource | null;
}

/** The visitor's token, and why there is none. Renders again with every change. */
export declare function useToken(): ChatIdentity;
