// A real OpenID Connect provider (oidc-provider, certified), in which whoever comes signs in at once as the
// account that `login_hint` names: "<subject>|<address>|verified" or "…|unverified", or is refused by "no".
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const accounts = new Map();

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "leadfuel",
      client_secret: "known-to-both",
      redirect_uris: [callback],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  features: { claimsParameter: { enabled: true }, devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ["only for the tests"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => accounts.get(id) }),
});

async function signIn(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const [subject, email, state] = (params.login_hint ?? "").split("|");
  if (subject === "no") {
    const refusal = { error: "access_denied", error_description: "The person said no" };
    return provider.interactionFinished(request, response, refusal);
  }
  const claims = { sub: subject, name: `Name of ${subject}` };
  accounts.set(subject, email ? { ...claims, email, email_verified: state === "verified" } : claims);
  const grant = new provider.Grant({ accountId: subject, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addOIDCClaims(["email", "email_verified"]);
  const result = { login: { accountId: subject }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result);
}

const handle = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    return handle(request, response);
  }
  signIn(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(Number(port), "127.0.0.1", () => process.stdout.write("listening\n"));

// It ends with the test that started it.
createInterface({ input: process.stdin }).on("close", () => process.exit(0));
