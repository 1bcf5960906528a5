// Asks for a key or token where one is needed, and proves it before it is kept.

import { call, hasToken, useToken } from "./api.js";

const $ = (id) => document.getElementById(id);
const AT_THE_PROXY = "You are not signed in at the proxy in front of this service. Reload the page to sign in.";

// `kind` is how the service wants its users to sign in: none, token or proxy. `onIn` and `onOut` show and hide the page.
export function guard(kind, onIn, onOut) {
  const inside = () => {
    $("sign-in").hidden = true;
    $("sign-out").hidden = !hasToken();
    onIn();
  };
  const outside = (why = "") => {
    onOut();
    $("sign-in").hidden = false;
    $("token-form").hidden = kind !== "token";
    $("sign-in-problem").textContent = why;
    $("sign-out").hidden = true;
    $("token").focus();
  };
  $("token-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    useToken($("token").value.trim());
    try {
      await call("POST", "authorized");
    } catch (problem) {
      useToken(null);
      outside(problem.message);
      return;
    }
    $("token").value = "";
    inside();
  });
  $("sign-out").addEventListener("click", () => {
    useToken(null);
    outside();
  });
  if (kind === "token" && !hasToken()) outside();
  else inside();

  // Whether the problem is that nobody is signed in; then it is asked for.
  return (problem) => {
    if (problem.status !== 401) return false;
    useToken(null);
    outside(kind === "proxy" ? AT_THE_PROXY : problem.message);
    return true;
  };
}
