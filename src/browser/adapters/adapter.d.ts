import type { Adapter } from '../countersign.js';

/** What one vendor's widget needs, to be given to connect(). */
declare const adapter: Adapter;
export default adapter;
