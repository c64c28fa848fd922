// Tells the page that opened this window that somebody has logged in, and closes the window. It says that and nothing
// else: who it is, the page learns by asking for a token.
(function () {
  "use strict";
  var origin = document.documentElement.getAttribute("data-opener");
  var message = { type: "countersign:login", ok: true };
  if (window.opener && origin) window.opener.postMessage(message, origin);
  // An identity provider may cut the tie to the opener (Cross-Origin-Opener-Policy). Pages of our own
  // origin, all of them, hear it on the channel that countersign.js listens to.
  if (origin === window.location.origin && "BroadcastChannel" in window) {
    var channel = new BroadcastChannel("countersign");
    channel.postMessage(message);
    channel.close();
  }
  window.close();
})();
