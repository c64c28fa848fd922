// Shows what a page of this project exports to whoever drives it.
import * as calls from './calls';

Object.assign(window, { calls });
