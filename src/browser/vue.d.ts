import type { ComputedRef } from 'vue';
import type { SourceOptions, TokenSource } from './countersign.js';
import type { TokenState } from './follow.js';

export type { Status, TokenState } from './follow.js';

export interface UseTokenOptions extends SourceOptions {
  /** A source of your own, which is then yours to stop; without it one is made of the other options. */
  source?: TokenSource;
}

export type ChatIdentity = { readonly [Part in keyof TokenState]: ComputedRef<TokenState[Part]> } &
  Pick<TokenSource, 'getToken' | 'login' | 'logout'> & {
    /** For connect(). Null where a server renders. */
    readonly source: TokenSource | null;
  };

/**
 * The visitor's token, and why there is none. With options it makes a source for this component and all below it, and stops
 * it with the component; without, it is that of a component above.
 */
export declare function useToken(options?: UseTokenOptions): ChatIdentity;
