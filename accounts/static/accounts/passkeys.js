// allauth reports a passkey that failed or was cancelled as an event; people see it as a sentence above the form.
"use strict";

document.addEventListener("allauth.error", (event) => {
  if (!event.detail.tags.includes("webauthn")) return;
  event.preventDefault();
  const note = document.getElementById("passkey-error");
  document.querySelector("main, #content").prepend(note);
  note.hidden = false;
});
