// What only script can do for somebody who types a password: show it, and say that Caps Lock is on.
(function () {
  "use strict";
  var password = document.getElementById("password");
  var show = document.getElementById("show");
  var caps = document.getElementById("caps");
  function reveal(shown) {
    password.type = shown ? "text" : "password";
    show.setAttribute("aria-pressed", String(shown));
  }
  show.hidden = false;
  show.addEventListener("click", function () {
    reveal(password.type === "password");
  });
  // Browsers keep what was typed into a form; a password that is on its way is not left readable.
  password.form.addEventListener("submit", function () {
    reveal(false);
  });
  function look(event) {
    var on = event.getModifierState && event.getModifierState("CapsLock");
    caps.textContent = on ? caps.getAttribute("data-text") : "";
  }
  password.addEventListener("keydown", look);
  password.addEventListener("keyup", look);
  // Who comes back after a wrong password types the password again.
  var username = document.getElementById("username");
  (username.value ? password : username).focus();
})();
