// npm's oidc-provider, a certified OpenID provider, as an organisation would run it: a visitor logs in by typing a name.
// CLIENTS are the clients that are registered with it.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const resolve = createRequire(`${process.env.NPM_HOME}/`).resolve;
const { default: Provider } = await import(pathToFileURL(resolve('oidc-provider')));

const { PORT, CLIENTS } = process.env;
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: JSON.parse(CLIENTS),
  claims: { openid: ['sub'], profile: ['name', 'locale'], email: ['email', 'email_verified'], acr: null, amr: null },
  cookies: { keys: ['a test key that signs nothing of value'] },
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      // A resource says in its own name which kind of access token it wants.
      getResourceServerInfo: (_, resource) => ({
        scope: 'chat',
        audience: resource,
        accessTokenFormat: resource.endsWith('/signed') ? 'jwt' : 'opaque',
      }),
    },
  },
  extraTokenClaims: (_, { accountId }) => accountId && { name: `Zoë 王 ${accountId}` },
  // Its own guard against calls to this very machine is in the way here, where everything is on this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  async findAccount(_, sub) {
    const claims = { sub, name: `Zoë 王 ${sub}`, email: `${sub}@example.org`, email_verified: true };
    return { accountId: sub, claims: async () => claims };
  },
});
provider.on('backchannel.error', (_, error) => console.error(error));
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(PORT), '127.0.0.1');
