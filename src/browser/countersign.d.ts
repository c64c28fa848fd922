/** What the token endpoint answered. Widgets add fields of their own. */
export interface Answer {
  /** The proof of identity. Absent once a conversation has been renewed: it was spent in opening it. */
  readonly token?: string;
  /** Seconds, counted from the request. */
  readonly expires_in: number;
  /** Unix seconds, for display only: nothing here is decided by the local date. */
  readonly expires_at?: number;
  /** Seconds after which the server would like to be asked again. */
  readonly refresh_in?: number;
  readonly widget?: string;
  readonly userId?: string;
  readonly connectorToken?: string;
  readonly connector_expires_in?: number;
  readonly conversationId?: string;
  readonly domain?: string;
  readonly renewal?: string;
  readonly [field: string]: unknown;
}

export interface SessionInfo {
  readonly logged_in: boolean;
  readonly expires_at?: number;
  readonly expires_in?: number;
  readonly name?: string;
  /** Where to log in, only where countersign has the login. */
  readonly login_url?: string;
}

/** The codes this module makes itself. */
export type LocalCode =
  | 'offline'
  | 'unreachable'
  | 'timeout'
  | 'empty_answer'
  | 'html_answer'
  | 'not_a_token'
  | 'oversized_answer'
  | 'unexpected_answer'
  | 'logged_out'
  | 'stopped'
  | 'no_login'
  | 'popup_blocked'
  | 'login_cancelled'
  | 'session_withheld'
  | 'widget_missing'
  | 'misconfigured';

/** The codes the server answers with. */
export type ServerCode =
  | 'login_required'
  | 'forbidden'
  | 'origin_refused'
  | 'identity_incomplete'
  | 'bad_request'
  | 'ambiguous_request'
  | 'head_too_large'
  | 'too_many_headers'
  | 'too_many_cookies'
  | 'uri_too_long'
  | 'not_found'
  | 'method_not_allowed'
  | 'rate_limited'
  | 'upstream_unavailable'
  | 'overloaded'
  | 'misconfigured'
  | 'conversation_expired'
  | 'conversation_foreign';

export declare class CountersignError extends Error {
  readonly name: 'CountersignError';
  readonly code: LocalCode | ServerCode | (string & {});
  /** The HTTP status, where the server refused. */
  readonly status?: number;
  /** True when waiting may help. */
  readonly retryable: boolean;
  /** Milliseconds the server asked us to wait, 0 when it did not say. */
  readonly retryAfter?: number;
}

export type SourceEvent =
  /** A new token. */
  | { readonly type: 'token'; readonly answer: Answer }
  /** The conversation was renewed; its answer has no token any more. */
  | { readonly type: 'renewed'; readonly answer: Answer }
  /** logout() was called, here or in another tab of this origin. */
  | { readonly type: 'logout'; readonly withdrawn: true }
  /** Nobody is logged in. loginUrl is the one given to createTokenSource, never one from an answer. */
  | {
      readonly type: 'login_required';
      readonly error: CountersignError;
      readonly loginUrl?: string;
      readonly withdrawn: true;
    }
  /** withdrawn: the token held so far may not be used any more (403). */
  | { readonly type: 'error'; readonly error: CountersignError; readonly loginUrl?: string; readonly withdrawn: boolean };

export interface SourceOptions {
  /** The widget's name, where the server has several. */
  widget?: string;
  /** Where countersign is served. Without it: beside `url`, else beside this script. */
  base?: string;
  /** The token endpoint, where it is not `base` + `/token/` + `widget`. */
  url?: string;
  /** Headers of your own. A source with its own headers or context shares no token with other tabs. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** Sent as the JSON body. */
  context?: Record<string, unknown>;
  /** Origins that may receive cookies although they are not the page's own. */
  crossOrigin?: string[];
  /** Set to false where a token may be used once only: every tab then asks for its own. */
  share?: boolean;
  /** The answer's member that holds the token, where the server was told to name it otherwise. Default `token`. */
  field?: string;
  /** Handed on with `login_required`. */
  loginUrl?: string;
}

export interface TokenSource {
  /**
   * A live token. From memory where there is one, renewing it in the background when it is nearly due. Rejects with a
   * CountersignError; after a terminal one (400, 401, 403, a broken answer) it rejects without asking again until
   * `force`, login(), or, after 401, until the page is seen again. After logout() only `force` or login() begin anew.
   */
  getToken(options?: { force?: boolean }): Promise<string>;
  /** getToken() for SDKs that take a callback; whatever they pass is ignored. */
  tokenProvider(...ignored: unknown[]): Promise<string>;
  /** The live answer, or null. */
  current(): Answer | null;
  /**
   * Hears every token, withdrawal and error; begins asking. Tokens are renewed ahead of time only while somebody
   * listens. Returns the function that ends it.
   */
  subscribe(listener: (event: SourceEvent) => void): () => void;
  session(): Promise<SessionInfo>;
  /**
   * Opens countersign's own login in a window (call it from a click) and resolves when this page sees the session; every
   * tab of this origin then asks for its token. Where the server has no login of its own nothing is opened: it resolves for
   * somebody who is logged in already, and rejects with `no_login` otherwise. Rejects with `popup_blocked`,
   * `login_cancelled` (the visitor closed the window) or `session_withheld` (the login worked, but the browser keeps its
   * cookie from this page). A login that is finished after the promise was rejected still counts: subscribers hear its
   * token.
   */
  login(): Promise<SessionInfo>;
  /**
   * Ends at once in every tab of this origin; rejects when the server could not be told. A click on an element with the
   * attribute `data-countersign-logout`, or inside one, does the same and then whatever the element does.
   */
  logout(): Promise<void>;
  /** Lets go of everything, without logging anybody out. */
  stop(): void;
}

export declare function createTokenSource(options?: SourceOptions): TokenSource;

export interface Seat<Options = ConnectOptions> {
  readonly source: TokenSource;
  readonly options: Options;
  readonly window: Window & typeof globalThis;
  readonly gone: () => boolean;
  /** Resolves when the vendor's script has put there what `ready` looks for; rejects with `widget_missing` after a minute. */
  readonly until: (ready: (window: Window & typeof globalThis) => unknown) => Promise<void>;
  [own: string]: unknown;
}

/** How one kind of widget is fed. */
export interface Adapter<Options = ConnectOptions> {
  /** Resolves when the vendor's script is there. */
  start?(seat: Seat<Options>): unknown;
  /** Hands over a token: the first one and every later one. */
  token(answer: Answer, seat: Seat<Options>): unknown;
  /** Hands over the conversation's own token, where that alone was renewed. */
  renewed?(answer: Answer, seat: Seat<Options>): unknown;
  /** Takes it back. May be called when nothing was handed over. */
  logout?(seat: Seat<Options>): unknown;
}

export interface ConnectOptions {
  /** Hears this widget's errors and the source's. Without it console.warn explains each kind once. */
  onError?: (error: Error) => void;
  [option: string]: unknown;
}

export interface DirectLineOptions extends ConnectOptions {
  /** Where the chat is shown: the element or a selector. */
  element: Element | string;
  locale?: string;
  /** Props for renderWebChat, such as styleOptions. */
  webChat?: Record<string, unknown>;
  /** Further middleware for the Web Chat store. */
  middleware?: unknown[];
  /** Sent with the healthcare agent's opening. */
  triggeredScenario?: { trigger: string; args?: Record<string, unknown> };
  /** Replaces the adapter's opening activity; a falsy result sends none. */
  opening?: (answer: Answer, options: DirectLineOptions) => Record<string, unknown> | null | false | undefined;
}

export interface UserinfoOptions extends ConnectOptions {
  /** Name of the global object the widget's script reads. Default `chatWidgetConfig`. */
  object?: string;
  /** Name of the property in it. Default `userinfo`. */
  property?: string;
  onToken?: (token: string, answer: Answer) => void;
  onLogout?: () => void;
}

export interface GenericOptions extends ConnectOptions {
  onToken?: (token: string, answer: Answer) => void;
  onLogout?: () => void;
}

/** Feeds one widget from a source. Returns the function that disconnects it. */
export declare function connect(source: TokenSource, kind: 'medchat', options?: ConnectOptions): () => void;
export declare function connect(
  source: TokenSource,
  kind: 'healthcare-agent' | 'copilot-studio' | 'direct-line',
  options: DirectLineOptions,
): () => void;
export declare function connect(source: TokenSource, kind: 'userinfo', options?: UserinfoOptions): () => void;
export declare function connect(source: TokenSource, kind: 'generic', options?: GenericOptions): () => void;
export declare function connect<Options extends ConnectOptions>(
  source: TokenSource,
  kind: Adapter<Options>,
  options?: Options,
): () => void;

/** The adapters by name; later presets add theirs here. */
export declare const adapters: Record<string, Adapter<any>>;

declare global {
  /** The classic script's global. */
  var countersign: {
    readonly createTokenSource: typeof createTokenSource;
    readonly connect: typeof connect;
    readonly adapters: typeof adapters;
    readonly CountersignError: typeof CountersignError;
  };
}
