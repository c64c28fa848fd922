// Stand-ins for the vendors' scripts: each has the calls that the vendor documents, as far as the documented snippet makes
// them, and hands on what it was given. Who runs a snippet installs the vendor's stand-in first.

// A connection's id, as Pusher's server would give it.
const socketId = () => `${Math.floor(Math.random() * 1e6)}.${Math.floor(Math.random() * 1e9)}`;

export const standIns = {
  intercom(given) {
    window.Intercom = (method, { intercom_user_jwt } = {}) => method === 'boot' && given({ intercom_user_jwt });
  },

  stream(given) {
    window.client = {
      connectUser: async ({ id }, provider) => given({ user_id: id, token: await provider() }),
      disconnectUser: async () => {},
    };
  },

  livekit(given) {
    window.room = { connect: async (_url, token) => given({ token }), disconnect() {} };
  },

  talkjs(given, { id, name }) {
    // The page says who it takes the visitor for; the token has to agree.
    window.me = { id, name };
    window.Talk = {
      Session: class {
        constructor({ me, token }) {
          given({ me: me.id, token });
        }

        destroy() {}
      },
    };
  },

  chatwoot(given) {
    window.$chatwoot = { setUser: (identifier, { identifier_hash }) => given({ identifier, identifier_hash }), reset() {} };
  },

  crisp(given) {
    window.$crisp = { push: ([action, what, value]) => action === 'set' && what === 'user:email' && given({ email: value[0], signature: value[1] }) };
  },

  pusher(given) {
    window.Pusher = class {
      constructor(_key, { userAuthentication }) {
        this.handler = userAuthentication.customHandler;
      }

      signin() {
        const params = { socketId: socketId() };
        this.handler(params, (_error, answer) => given({ socket_id: params.socketId, auth: answer?.auth, user_data: answer?.user_data }));
      }

      disconnect() {}
    };
  },

  hubspot(given) {
    window.HubSpotConversations = {
      widget: {
        load() {
          const { identificationEmail, identificationToken } = window.hsConversationsSettings;
          given({ identificationEmail, identificationToken });
        },
      },
      clear() {},
    };
  },

  sendbird(given) {
    window.sendbird = { connect: async (userId, token) => given({ user_id: userId, token }), disconnect() {} };
  },

  liveblocks(given) {
    window.createClient = ({ authEndpoint }) => {
      authEndpoint().then(({ token }) => given({ token }));
      return { logout() {} };
    };
  },
};
