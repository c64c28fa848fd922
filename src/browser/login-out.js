// Tells the other tabs of this origin that nobody is logged in, as countersign.js tells them.
(function () {
  "use strict";
  var mount = document.documentElement.getAttribute("data-mount");
  if (mount === null || !("BroadcastChannel" in window)) return;
  var channel = new BroadcastChannel("countersign");
  channel.postMessage({ type: "login_required", base: window.location.origin + mount });
  channel.close();
})();
