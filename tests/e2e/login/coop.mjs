// Makes every answer of a server cut the tie between a window and its opener, as identity providers do.
import { ServerResponse } from 'node:http';

const { writeHead } = ServerResponse.prototype;
ServerResponse.prototype.writeHead = function cut(...given) {
  this.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  return writeHead.apply(this, given);
};
