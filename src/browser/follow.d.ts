import type { Answer, CountersignError } from './countersign.js';

/**
 * `waiting`: not answered yet, or expired and not renewed yet. `ready`: there is a token. `logged_out`: nobody is logged in.
 * `failed`: `error` says why there is none.
 */
export type Status = 'waiting' | 'ready' | 'logged_out' | 'failed';

export interface TokenState {
  readonly status: Status;
  /** The live token. Null once a conversation has been renewed: it was spent in opening it. */
  readonly token: string | null;
  /** The whole answer behind it. */
  readonly answer: Answer | null;
  /** Also set beside a token that still lives, when it could not be renewed. */
  readonly error: CountersignError | null;
}
