// Asking the person for the service's token; the service keeps it in a cookie, the page nowhere.

import { Trouble, offerToken } from "./api.js";

/** Open the dialog; resolves once the service took a token, fails with a `Trouble` where the dialog is closed. */
export function askForToken() {
  const dialog = document.getElementById("token");
  const value = document.getElementById("token-value");
  const trouble = document.getElementById("token-trouble");
  trouble.textContent = "";
  return new Promise((resolve, reject) => {
    document.getElementById("token-form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        if (await offerToken(value.value)) {
          value.value = "";
          resolve();
          return dialog.close();
        }
        trouble.textContent = "The service does not take this token.";
        value.select();
      } catch (error) {
        trouble.textContent = error.message;
      }
    };
    dialog.onclose = () => reject(new Trouble("Without the token the service tells nothing. Reload to give it.", 401));
    dialog.showModal();
  });
}
