// The unmodified client of Supabase, told by lines of JSON what to do, and telling what came of it.
//
// {"client": "a", "url": …, "key": …, "options": {…}} makes a client; {"client": "a", "chain": [["auth"],
// ["signUp", {…}]]} calls what a page would write as client.auth.signUp({…}): each part is a property, or a
// method with its arguments. Errors come back as values, as the client gives them, and never end the process.
import { createClient } from "@supabase/supabase-js";
import { createInterface } from "node:readline";

const clients = new Map();

function storage() {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

function told(value) {
  if (value instanceof Error) {
    const { name, message, status, code } = value;
    return { name, message, status: status ?? null, code: code ?? null, ...value };
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, told(inner)]));
  }
  return value;
}

async function run({ client, url, key, options, chain }) {
  if (url) {
    const auth = { autoRefreshToken: false, storage: storage(), ...options?.auth };
    clients.set(client, createClient(url, key, { ...options, auth }));
    return null;
  }
  let at = clients.get(client);
  for (const [name, ...args] of chain) {
    if (typeof at[name] === "function") {
      at = at[name](...args);
    } else {
      at = at[name];
    }
  }
  return await at;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const value = await run(JSON.parse(line));
    if (value?.error?.context instanceof Response) {
      value.error.body = await value.error.context.text();
    }
    if (value?.data instanceof Blob) {
      value.data = await value.data.text();
    }
    answer = { value: told(value) };
  } catch (error) {
    answer = { thrown: told(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
